"""Code that knows nothing of this library, and ways to measure it through each backend.

`mlp`, `cnn_block`, `heads` and `adam` are written as a NumPy user writes them, with ``np.``
calls and operators. Each is an operation of `accel.kernels` with a kernel called ``plain``,
which gets ordinary arrays, and one for each policy of `accel.use`, which gets the same
arrays through `accel.asarray`. The code that runs is the same in all of them.

A fresh process that measures finds kernels by name. Names such as ``auto__matmul__float32``
in this module stand for a single operation as a backend, or as dispatch, runs it.

The list of `accel.kernels.registry.FAMILIES` has none of these operations: they are measured,
but nothing is dispatched to them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import accel
from accel.backend import dispatch, known
from accel.backend.base import BackendError, Call
from accel.kernels import registry
from accel.kernels.attention import operation as attention
from accel.kernels.convolution import shapes
from accel.kernels.inputs import blank, normal
from accel.kernels.optimizer import adam as adam_kernels

#: Policies of `accel.use` that the code is measured through.
POLICIES = ("numpy", "numba", "numba-threads", "auto")

CUBIC, SLOPE = 0.044715, math.sqrt(2 / math.pi)


# ---------------------------------------------------------------------------
# What a user might have written
# ---------------------------------------------------------------------------


def mlp(x, w1, b1, w2, b2):
    """Return class probabilities: two layers with GELU between them, and a softmax.

    Parameters
    ----------
    x : ndarray, shape (rows, width)
    w1, b1 : ndarray, shapes (width, hidden) and (hidden,)
    w2, b2 : ndarray, shapes (hidden, width) and (width,)

    Source
    ------
    Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016),
    section 2, for the form with tanh.
    """
    h = x @ w1 + b1
    h = 0.5 * h * (1 + np.tanh(SLOPE * (h + CUBIC * h**3)))
    y = h @ w2 + b2
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cnn_block(x, weight, bias):
    """Return a convolution with a bias, the larger of it and 0, and the maxima of 2 x 2.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
        Even sides.
    weight : ndarray, shape (filters, channels, 3, 3)
    bias : ndarray, shape (filters,)
    """
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.einsum("nchwij,kcij->nkhw", windows, weight, optimize=True) + bias[:, None, None]
    y = np.maximum(y, 0)
    n, k, height, width = y.shape
    return y.reshape(n, k, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def heads(q, k, v):
    """Return attention as its formula stands; shapes (heads, n, d), all scores in memory.

    Source
    ------
    Vaswani and others, "Attention Is All You Need", arXiv:1706.03762 (2017), section 3.2.1.
    """
    scores = q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v


def adam(gradient, first, second, step, rate, beta1, beta2, epsilon, parameters):
    """Take a step of Adam in place; four arrays of shape (n,), of one floating-point type.

    Source
    ------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980 (2014),
    algorithm 1.
    """
    first *= beta1
    first += (1 - beta1) * gradient
    second *= beta2
    second += (1 - beta2) * gradient * gradient
    mean, variance = first / (1 - beta1**step), second / (1 - beta2**step)
    parameters -= rate * mean / (np.sqrt(variance) + epsilon)


def maximum(x, y, out):
    """Write the larger of each pair: a call of NumPy with almost nothing to compute."""
    np.maximum(x, y, out=out)


# ---------------------------------------------------------------------------
# The same as operations: inputs, the right answer, operations and bytes
# ---------------------------------------------------------------------------


def mlp_inputs(rows: int, width: int, hidden: int, dtype: str = "float32") -> tuple:
    """Return ``(x, w1, b1, w2, b2, out)``, weights scaled so that sums stay near 1."""
    scale = np.dtype(dtype).type
    return (
        normal((rows, width), dtype, seed=171),
        normal((width, hidden), dtype, seed=172) / scale(math.sqrt(width)),
        normal((hidden,), dtype, seed=173),
        normal((hidden, width), dtype, seed=174) / scale(math.sqrt(hidden)),
        normal((width,), dtype, seed=175),
        blank((rows, width), dtype),
    )


def mlp_oracle(x, w1, b1, w2, b2, out) -> tuple:
    """Return the answer in float64, and the error that roundings allow.

    Of a sum of k products as in `accel.kernels.matmul.linear`: half an eps, times
    ``10 + 2 sqrt(k)``, times the sum of magnitudes. GELU is nowhere steeper than 1.13, and
    errs by some roundings of its argument. Errors of the hidden numbers are independent, so
    their squares add up in the second layer. A probability is off by twice the largest error
    of its row's sums, since its divisor holds them all, and by the roundings of the quotient.
    """
    unit = float(np.finfo(out.dtype).eps) / 2
    x, w1, b1, w2, b2 = (each.astype(np.float64) for each in (x, w1, b1, w2, b2))
    s = x @ w1 + b1
    off = unit * (10 + 2 * math.sqrt(len(w1))) * (np.abs(x) @ np.abs(w1) + np.abs(b1))
    h = 0.5 * s * (1 + np.tanh(SLOPE * (s + CUBIC * s**3)))
    off = 1.2 * off + 16 * unit * np.abs(s)
    y = h @ w2 + b2
    sums = unit * (10 + 2 * math.sqrt(len(w2))) * (np.abs(h) @ np.abs(w2) + np.abs(b2))
    off = np.sqrt(off**2 @ w2**2) + sums
    distance = y - y.max(axis=1, keepdims=True)
    expected = np.exp(distance) / np.exp(distance).sum(axis=1, keepdims=True)
    rounding = unit * (16 + 4 * math.sqrt(y.shape[1]) + 2 * np.abs(distance))
    return expected, expected * (2 * off.max(axis=1, keepdims=True) + rounding)


def mlp_flops(rows: int, width: int, hidden: int, **_) -> int:
    """Two for each weight and row, nine for each hidden number, five for each probability."""
    return rows * (4 * width * hidden + 9 * hidden + 5 * width)


def mlp_bytes(rows: int, width: int, hidden: int, dtype: str = "float32") -> int:
    """Read everything once, write the probabilities."""
    numbers = 2 * width * hidden + hidden + width + 2 * rows * width
    return numbers * np.dtype(dtype).itemsize


def cnn_inputs(batch: int, channels: int, filters: int, side: int, dtype: str = "float32") -> tuple:
    """Return ``(x, weight, bias, out)``; `side` is even."""
    scale = np.dtype(dtype).type(math.sqrt(9 * channels))
    return (
        normal((batch, channels, side, side), dtype, seed=181),
        normal((filters, channels, 3, 3), dtype, seed=182) / scale,
        normal((filters,), dtype, seed=183),
        blank((batch, filters, side // 2, side // 2), dtype),
    )


def cnn_oracle(x, weight, bias, out) -> tuple:
    """Return the answer in float64, and its error: the largest among the four of a maximum."""
    whole = (len(x), len(weight), *x.shape[2:])
    sums, off = shapes.answer(x, weight, 1, 1, whole)
    sums = sums + bias.astype(np.float64)[:, None, None]
    off = off + float(np.finfo(out.dtype).eps) * np.abs(sums)
    batch, filters, height, width = whole
    fours = (batch, filters, height // 2, 2, width // 2, 2)
    return np.maximum(sums, 0).reshape(fours).max(axis=(3, 5)), off.reshape(fours).max(axis=(3, 5))


def cnn_flops(batch: int, channels: int, filters: int, side: int, **_) -> int:
    """Two for each weight at each place; bias, comparison, and three of four compared again."""
    return batch * filters * side**2 * (18 * channels + 2) + batch * filters * 3 * side**2 // 4


def cnn_bytes(batch: int, channels: int, filters: int, side: int, dtype: str = "float32") -> int:
    """Read everything once, write the maxima."""
    images = batch * side**2 * channels + batch * filters * side**2 // 4
    return (images + filters * (9 * channels + 1)) * np.dtype(dtype).itemsize


_adam, _attention = registry.operation("adam"), registry.operation("attention")

for _each in (
    registry.Operation(
        "mlp",
        mlp_inputs,
        mlp_oracle,
        mlp_flops,
        mlp_bytes,
        (
            {"rows": 1, "width": 1, "hidden": 1},
            {"rows": 3, "width": 5, "hidden": 7},
            {"rows": 33, "width": 17, "hidden": 129},
        ),
    ),
    registry.Operation(
        "cnn_block",
        cnn_inputs,
        cnn_oracle,
        cnn_flops,
        cnn_bytes,
        (
            {"batch": 1, "channels": 1, "filters": 1, "side": 2},
            {"batch": 2, "channels": 3, "filters": 5, "side": 6},
            {"batch": 1, "channels": 17, "filters": 9, "side": 34},
        ),
    ),
    registry.Operation(
        "plain_attention",
        attention.inputs,
        attention.oracle,
        _attention.flops,
        _attention.compulsory_bytes,
        (
            {"heads": 1, "n": 1, "d": 1},
            {"heads": 2, "n": 3, "d": 5},
            {"heads": 3, "n": 65, "d": 17},
        ),
    ),
    registry.Operation(
        "plain_adam",
        adam_kernels.adam_inputs,
        adam_kernels.adam_oracle,
        _adam.flops,
        _adam.compulsory_bytes,
        ({"n": 1}, {"n": 7}, {"n": 129}, {"n": 1000}),
        mutates=_adam.mutates,
    ),
):
    registry.register_operation(_each)


def wrapped(*arguments: Any) -> tuple:
    """Return the arguments of a kernel with its arrays as `accel.asarray` returns them."""
    return tuple(
        accel.asarray(each) if isinstance(each, np.ndarray) else each for each in arguments
    )


def identifier(name: str) -> str:
    """Return the name of a policy as it stands in the name of a function."""
    return name.replace("-", "_")


def _answering(code: Callable) -> Callable:
    """Return a kernel: code that returns its answer, which is copied to `out`."""

    def run(*arguments):
        arguments[-1][...] = code(*arguments[:-1])

    return run


def _under(policy: str, kernel: Callable) -> Callable:
    """Return a kernel that runs under a policy of `accel.use`."""

    def run(*arguments):
        with dispatch.use(policy):
            kernel(*arguments)

    return run


def _published(function: Callable, name: str) -> Callable:
    """Give a function a name in this module, by which fresh processes import it."""
    function.__name__ = function.__qualname__ = name
    globals()[name] = function
    return function


def _register(operation: str, kernel: Callable) -> None:
    """Register a kernel with ordinary arrays, and with wrapped ones under each policy."""
    registry.register(
        operation, name="plain", instrument="NumPy", story="NumPy on its own arrays"
    )(_published(kernel, f"{operation}_plain"))
    for policy in POLICIES:
        registry.register(
            operation,
            name=policy,
            instrument="NumPy" if policy == "numpy" else "compiled",
            story=f"the same code, its arguments wrapped, under use({policy!r})",
            adapt=wrapped,
        )(_published(_under(policy, kernel), f"{operation}_{identifier(policy)}"))


for _name, _kernel in (
    ("mlp", _answering(mlp)),
    ("cnn_block", _answering(cnn_block)),
    ("plain_attention", _answering(heads)),
    ("plain_adam", lambda *arguments: adam(*arguments)),
):
    _register(_name, _kernel)


# ---------------------------------------------------------------------------
# One operation, run by each backend and by whom dispatch chooses
# ---------------------------------------------------------------------------


def contest(operation: str, backends: Sequence[str] = POLICIES, **parameters: Any) -> dict:
    """Describe a call run by each backend, and by dispatch, as `accel.timing.Case` takes it.

    Parameters
    ----------
    operation : str
        Of `accel.kernels`.
    backends : sequence of str
        Names of backends, each of which is called as directly as it can be, and "auto", which
        looks up a plan first.
    **parameters
        Of the operation's inputs.

    Returns
    -------
    dict
        As `accel.kernels.case` returns it. What "auto" chooses, and by which profile, is in
        its story, so that a record is measured anew when either changes.

    Raises
    ------
    BackendError
        If a backend cannot run the call.
    """
    described = registry.case(operation, [], **parameters)
    call = _call(operation, parameters)
    for name in backends:
        if name != "auto":
            reason = known.backend(name).available() or known.backend(name).supports(call)
            if reason:
                raise BackendError(f"{operation} cannot be run by {name}: {reason}")
        described["kernels"][name] = {
            "target": f"{__name__}:{identifier(name)}__{operation}__{call.dtype}",
            "adapt": None,
            "instrument": "NumPy" if name == "numpy" else "compiled",
            "story": _story(call) if name == "auto" else f"as {name} runs it",
        }
    return described


def chosen(operation: str, **parameters: Any) -> str:
    """Return the backend that dispatch chooses in this context for a call."""
    return dispatch.choose(dispatch.policy(), _call(operation, parameters)).backend


def work(operation: str, **parameters: Any) -> float:
    """Return the amount of work of a call, by which its time is predicted."""
    return float(registry.operation(operation).work(*_call(operation, parameters).arguments))


def profile_words() -> str:
    """Return by which profile dispatch chooses, in words without a path."""
    profile = dispatch.current_profile()
    if profile.origin == "shipped":
        return "the profile that comes with the library"
    return f"the profile of {profile.created or 'unknown date'}"


def _story(call: Call) -> str:
    choice = dispatch.choose(dispatch.policy(), call)
    return f"chooses {choice.backend} by {profile_words()}"


def _call(operation: str, parameters: dict) -> Call:
    arguments = registry.operation(operation).inputs(**parameters)
    return Call(operation, parameters.get("dtype", "float32"), arguments)


@functools.cache
def _runner(backend: str, operation: str, dtype: str) -> Callable[..., None]:
    if backend == "auto":
        return dispatch.runner(operation, dtype)
    one = known.backend(backend)
    return one.kernel(operation, dtype) or (
        lambda *arguments: one.run(Call(operation, dtype, arguments))
    )


def __getattr__(name: str) -> Callable[..., None]:
    """Return what ``backend__operation__dtype`` stands for."""
    backend, *rest = name.split("__")
    if backend and len(rest) == 2:
        names = {identifier(each): each for each in (*known.names(), "auto")}
        if backend in names:
            return _runner(names[backend], *rest)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
