"""numexpr: expressions compiled once, evaluated in blocks that stay in cache, into `out`.

Constants are given as numbers of the arrays' type: written into an expression they would be
float64, and so would all the arithmetic.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from accel.bench.peers.calling import Rivals

NAME = "numexpr"
RIVALS = Rivals()

try:
    import numexpr
except ImportError as error:
    numexpr, _MISSING = None, str(error)
else:
    if os.environ.get("OMP_NUM_THREADS"):
        numexpr.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

SLOPE, CUBIC = (2 / np.pi) ** 0.5, 0.044715 * (2 / np.pi) ** 0.5


def available() -> str | None:
    """Return why numexpr cannot be used here, or None if it can."""
    return None if numexpr is not None else f"{NAME} is not installed here ({_MISSING})"


def version() -> str:
    """Return the version that is measured."""
    return numexpr.__version__


def hold() -> str:
    """Say how many threads numexpr uses.

    Raises
    ------
    RuntimeError
        If they are not as many as this process was told.
    """
    wanted, found = os.environ.get("OMP_NUM_THREADS"), numexpr.get_num_threads()
    if wanted and found != int(wanted):
        raise RuntimeError(f"{NAME} runs {found} threads, expected {wanted}")
    return f"numexpr.get_num_threads() says {found}"


def work() -> None:
    """Keep every thread busy for some time; for whoever counts them."""
    x = np.ones(2**20)
    for _ in range(8):
        numexpr.evaluate("tanh(x) * tanh(x)", {"x": x}, out=x)


def _type_of(array: np.ndarray) -> type:
    """Return the type by which numexpr knows an array's elements; it calls float32 float."""
    return {"float32": float, "float64": np.float64}[array.dtype.name]


def expression(formula: str, out: np.ndarray, **operands):
    """Return a call that evaluates a formula of these arrays and numbers into `out`."""
    values = {
        name: value if isinstance(value, np.ndarray) and value.ndim else out.dtype.type(value)
        for name, value in operands.items()
    }
    types = [(name, _type_of(np.asarray(value))) for name, value in values.items()]
    compiled, arguments = numexpr.NumExpr(formula, types), tuple(values.values())

    def run():
        compiled(*arguments, out=out, order="K", casting="same_kind", ex_uses_vml=False)

    return run


def in_turn(*calls):
    """Return one call that makes several."""

    def run():
        for each in calls:
            each()

    return run


@RIVALS("relu")
def relu(x, out):
    return expression("where(x < zero, zero, x)", out, x=x, zero=0)


@RIVALS("gelu")
def gelu(x, out):
    return expression(
        "half * x * (one + tanh(x * (s + c * x * x)))", out, x=x, half=0.5, one=1, s=SLOPE, c=CUBIC
    )


@RIVALS("sigmoid")
def sigmoid(x, out):
    return expression("one / (one + exp(-x))", out, x=x, one=1)


@RIVALS("silu")
def silu(x, out):
    return expression("x / (one + exp(-x))", out, x=x, one=1)


@RIVALS("exp")
def exp(x, out):
    return expression("exp(x)", out, x=x)


@RIVALS("saxpy")
def saxpy(alpha, x, y, out):
    return expression("alpha * x + y", out, alpha=alpha, x=x, y=y)


@RIVALS("polynomial")
def polynomial(coefficients, x, out):
    names = [f"c{i}" for i in range(len(coefficients))]
    if len(names) == 1:  # an expression must use all that it is given, and there is no x in it
        return partial(out.fill, coefficients[0])
    formula = names[-1]
    for name in names[-2::-1]:
        formula = f"({formula}) * x + {name}"
    return expression(formula, out, x=x, **dict(zip(names, coefficients, strict=True)))


@RIVALS("batchnorm")
def batchnorm(x, mean, variance, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    scale = (weight / np.sqrt(variance + x.dtype.type(EPSILON)))[:, None, None]
    shift = bias[:, None, None] - mean[:, None, None] * scale
    return expression("x * scale + shift", out, x=x, scale=scale, shift=shift)


@RIVALS("sgd", in_place=True)
def sgd(gradient, learning_rate, parameters):
    return expression("p - r * g", parameters, p=parameters, r=learning_rate, g=gradient)


@RIVALS("momentum", in_place=True)
def momentum(gradient, velocity, learning_rate, momentum, parameters):
    return in_turn(
        expression("m * v + g", velocity, v=velocity, m=momentum, g=gradient),
        expression("p - r * v", parameters, p=parameters, r=learning_rate, v=velocity),
    )


def _adam(g, m, v, step, rate, beta1, beta2, epsilon, decay, p):
    corrected, root = rate / (1 - beta1**step), (1 - beta2**step) ** -0.5
    update = "- rate * m / (sqrt(v) * root + epsilon)"
    return in_turn(
        expression("b * m + rest * g", m, m=m, g=g, b=beta1, rest=1 - beta1),
        expression("b * v + rest * g * g", v, v=v, g=g, b=beta2, rest=1 - beta2),
        expression(
            f"keep * p {update}" if decay else f"p {update}", p, p=p, m=m, v=v, rate=corrected,
            root=root, epsilon=epsilon, **({"keep": 1 - rate * decay} if decay else {}),
        ),
    )  # fmt: skip


@RIVALS("adam", in_place=True)
def adam(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, 0.0, parameters
    )


@RIVALS("adamw", in_place=True)
def adamw(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
    )
