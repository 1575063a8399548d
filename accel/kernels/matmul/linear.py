"""A layer of a network: product, bias and activation, without going through memory twice.

``out = f(x @ weight.T + bias)`` for `x` of shape (m, k), `weight` of shape (n, k), `bias` of
length n and `out` of shape (m, n), of one element type, with ``f`` the larger of a number and
0 (`linear_relu`) or GELU in its tanh form (`linear_gelu`). Parameters are named and laid out
as in PyTorch's ``linear``.

Adding a bias and applying a function are nothing beside a product, if they are done while
the sums are at hand. Done afterwards they are passes over memory: the smaller k is, the more
they are felt.

FLOPs count ``2 m n k``, one for each bias, and one for each comparison or eight for each GELU.

Source
------
Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016). Chetlur
and others, "cuDNN: Efficient Primitives for Deep Learning", arXiv:1410.0759 (2014), for
passing an activation to a product.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels import matmul, work
from accel.kernels.inputs import blank, normal
from accel.kernels.matmul.drivers import attempted, run
from accel.kernels.matmul.registers import CUBIC, GELU, RELU, SLOPE
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

EDGES = (
    {"n": 0},
    {"m": 0, "k": 3, "n": 2},
    {"m": 3, "k": 0, "n": 2},
    {"n": 1},
    {"m": 1, "k": 129, "n": 65},
    {"m": 65, "k": 7, "n": 1},
    {"m": 2, "k": 3, "n": 5},
    {"m": 7, "k": 5, "n": 9},
    {"m": 17, "k": 31, "n": 13},
    {"m": 127, "k": 128, "n": 129},
    {"m": 3, "k": 1031, "n": 7},
)

AWKWARD = (
    {"m": 1, "k": 768, "n": 3072},
    {"m": 100, "k": 100, "n": 100},
    {"m": 1023, "k": 65, "n": 257},
    {"m": 333, "k": 781, "n": 1823},
)

#: Additions, multiplications and a tanh in ``s / 2 (1 + tanh(s (p + q (s s))))``.
_GELU_FLOPS = 8


def inputs(n: int, m: int | None = None, k: int | None = None, dtype: str = "float32") -> tuple:
    """Return ``(x, weight, bias, out)``; `m` and `k` are `n` unless given.

    Weights are scaled by the root of k, as in a network, so that sums stay near 1.
    """
    m, k = n if m is None else m, n if k is None else k
    weight = normal((n, k), dtype, seed=2) / np.dtype(dtype).type(math.sqrt(max(1, k)))
    x, bias = normal((m, k), dtype, seed=1), normal((n,), dtype, seed=3)
    return x, weight, bias, blank((m, n), dtype)


def _sums(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple:
    """Return the sums in float64, and errors allowed as in `accel.kernels.matmul.oracle`."""
    unit = np.finfo(x.dtype).eps / 2
    x, weight, bias = (each.astype(np.float64) for each in (x, weight, bias))
    size = np.abs(x) @ np.abs(weight).T + np.abs(bias)
    return x @ weight.T + bias, unit * (10 + 2 * math.sqrt(x.shape[1])) * size


def relu_oracle(x, weight, bias, out) -> tuple:
    """Return the answer in float64; the comparison adds no error."""
    sums, error = _sums(x, weight, bias)
    return np.maximum(sums, 0.0), error


def gelu_oracle(x, weight, bias, out) -> tuple:
    """Return the answer in float64; GELU is nowhere steeper than 1.13, and errs itself.

    The exponent that it takes is rounded several times, each by as much as it is large; GELU
    falls as fast as that grows, so that a few units of the argument cover it.
    """
    sums, error = _sums(x, weight, bias)
    expected = sums / (1.0 + np.exp(-2 * sums * (SLOPE + CUBIC * sums * sums)))
    return expected, 1.2 * error + 8 * np.finfo(x.dtype).eps * np.abs(sums)


def relu_flops(n: int, m: int | None = None, k: int | None = None, **_) -> int:
    """``2 m n k``, and for each element a bias and a comparison."""
    return matmul.flops(n=n, m=m, k=k) + 2 * n * (n if m is None else m)


def gelu_flops(n: int, m: int | None = None, k: int | None = None, **_) -> int:
    """``2 m n k``, and for each element a bias and a GELU."""
    return matmul.flops(n=n, m=m, k=k) + (1 + _GELU_FLOPS) * n * (n if m is None else m)


def compulsory_bytes(
    n: int, m: int | None = None, k: int | None = None, dtype: str = "float32"
) -> int:
    """Read `x`, `weight` and `bias`, write `out`."""
    return matmul.compulsory_bytes(n=n, m=m, k=k, dtype=dtype) + n * np.dtype(dtype).itemsize


for _name, _oracle, _flops in (
    ("linear_relu", relu_oracle, relu_flops),
    ("linear_gelu", gelu_oracle, gelu_flops),
):
    register_operation(
        Operation(
            _name,
            inputs,
            _oracle,
            _flops,
            compulsory_bytes,
            EDGES,
            sizes=matmul.sizes,
            awkward=AWKWARD,
            work=work.product_nt,
            signature=(0, 1),
        )
    )


def _check(kernel: str, x, weight, bias, out) -> None:
    fits = x.ndim == weight.ndim == 2 and x.shape[1] == weight.shape[1]
    if not fits or bias.shape != weight.shape[:1] or out.shape != (len(x), len(weight)):
        raise ValueError(
            f"{kernel}: expected x (m, k), weight (n, k), bias (n,) and out (m, n), got "
            f"{x.shape}, {weight.shape}, {bias.shape} and {out.shape}"
        )


def lists(x, weight, bias, out) -> tuple[list, list, list, list]:
    """Turn the arrays into nested lists of Python numbers, for the loops."""
    return x.tolist(), weight.tolist(), bias.tolist(), out.tolist()


# ---------------------------------------------------------------------------
# linear_relu
# ---------------------------------------------------------------------------


@register(
    "linear_relu",
    name="loop",
    instrument="interpreter",
    story="three Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def linear_relu_loop(x, weight, bias, out):
    """Compute the layer by the definition.

    The starting point.

    Parameters
    ----------
    x, weight, out : list of list of float, of shapes (m, k), (n, k) and (m, n)
        `out` is overwritten.
    bias : list of float, length n

    Cost
    ----
    ``2 m n k`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i, row in enumerate(x):
        for j, weights in enumerate(weight):
            total = bias[j]
            for p in range(len(row)):
                total += row[p] * weights[p]
            out[i][j] = 0.0 if total < 0.0 else total


@register(
    "linear_relu",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds two temporary arrays",
    tags=("ladder",),
)
def linear_relu_numpy(x, weight, bias, out):
    """Multiply, add the bias and compare as whole-array expressions.

    Removes the interpreter. The product and the sum with the bias are temporary arrays as
    large as `out`, written and read again.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, two more passes, temporaries of ``2 m n`` elements.
    """
    _check("linear_relu.numpy", x, weight, bias, out)
    np.maximum(x @ weight.T + bias, 0, out=out)


@register(
    "linear_relu",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def linear_relu_numpy_out(x, weight, bias, out):
    """Multiply into `out`, then add the bias and compare there.

    Removes the temporaries. What it leaves are the passes: `out` is read and written twice
    after it was written.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs and two more passes.
    """
    _check("linear_relu.numpy_out", x, weight, bias, out)
    np.matmul(x, weight.T, out=out)
    np.add(out, bias, out=out)
    np.maximum(out, 0, out=out)


@jit
def _relu_pass(bias, out):
    zero = out.dtype.type(0)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = out[i, j] + bias[j]
            out[i, j] = zero if total < zero else total


@register(
    "linear_relu",
    name="unfused",
    instrument="compiled",
    story="our product, then one compiled pass: removes one pass of the two",
    tags=("ladder",),
)
def linear_relu_unfused(x, weight, bias, out):
    """Multiply in register tiles, then add the bias and compare in one compiled pass.

    Removes one of two passes. It is the product of `vector` without what makes that one
    different: here all of `out` is complete before the first bias is added.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        float32 or float64. `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs and one more pass.
    """
    _check("linear_relu.unfused", x, weight, bias, out)
    matmul.tiled(x, weight.T, out)
    _relu_pass(bias, out)


@register(
    "linear_relu",
    name="vector",
    instrument="compiled",
    story="bias and comparison while a column of tiles is in the nearest cache: no more pass",
    tags=("ladder", "best"),
)
def linear_relu_vector(x, weight, bias, out):
    """Multiply in register tiles, and finish each column of tiles as it is complete.

    Removes the last pass: after the last block of depth, bias and comparison are applied to
    a strip of `out` that was stored a moment ago, and is at hand.

    Parameters
    ----------
    x, weight, out : ndarray of shapes (m, k), (n, k) and (m, n), float32 or float64
        Operands of any strides; rows of `out` are contiguous. `out` is overwritten.
    bias : ndarray, shape (n,), contiguous

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or `out`
        overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, and two for each element of `out`.
    """
    _fused("linear_relu.vector", x, weight, bias, out, RELU, parallel=False)


def _fused(kernel: str, x, weight, bias, out, kind: int, *, parallel: bool) -> None:
    stacks = x[None], weight.T[None], out[None]
    if not attempted(*stacks, bias=bias, kind=kind, parallel=parallel):
        _check(kernel, x, weight, bias, out)
        run(kernel, *stacks, bias=bias, kind=kind, parallel=parallel)  # says what is wrong


@register(
    "linear_relu",
    name="threads",
    instrument="compiled",
    story="a rectangle of out for each core: removes the idle ones",
    tags=("threads",),
)
def linear_relu_threads(x, weight, bias, out):
    """Compute one rectangle of `out` on each core.

    Removes idle cores. Parameters, errors and cost as for `linear_relu_vector`.
    """
    _fused("linear_relu.threads", x, weight, bias, out, RELU, parallel=True)


# ---------------------------------------------------------------------------
# linear_gelu
# ---------------------------------------------------------------------------


@register(
    "linear_gelu",
    name="loop",
    instrument="interpreter",
    story="three Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def linear_gelu_loop(x, weight, bias, out):
    """Compute the layer by the definition.

    The starting point. Parameters and cost as for `linear_relu_loop`, and a hyperbolic
    tangent for each element.
    """
    for i, row in enumerate(x):
        for j, weights in enumerate(weight):
            total = bias[j]
            for p in range(len(row)):
                total += row[p] * weights[p]
            out[i][j] = 0.5 * total * (1 + math.tanh(SLOPE * total + CUBIC * total**3))


@register(
    "linear_gelu",
    name="numpy",
    instrument="NumPy",
    story="whole-array expressions: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def linear_gelu_numpy(x, weight, bias, out):
    """Multiply, add the bias and apply GELU as whole-array expressions.

    Removes the interpreter. Every operation of the formula is a pass over memory with a
    temporary array of its own.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, ten more passes, as many temporaries.
    """
    _check("linear_gelu.numpy", x, weight, bias, out)
    s = x @ weight.T + bias
    np.multiply(0.5 * s, 1 + np.tanh(s * (SLOPE + CUBIC * (s * s))), out=out)


@register(
    "linear_gelu",
    name="numpy_out",
    instrument="NumPy",
    story="in place, with one array to work in: removes all other temporaries",
    tags=("ladder",),
)
def linear_gelu_numpy_out(x, weight, bias, out):
    """Multiply into `out`, then apply each operation in place, beside one temporary array.

    Removes the allocations but one. What it leaves are the passes.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs, nine more passes, one temporary.
    """
    _check("linear_gelu.numpy_out", x, weight, bias, out)
    np.matmul(x, weight.T, out=out)
    np.add(out, bias, out=out)
    t = out * out
    np.multiply(t, CUBIC, out=t)
    np.add(t, SLOPE, out=t)
    np.multiply(t, out, out=t)
    np.tanh(t, out=t)
    np.add(t, 1, out=t)
    np.multiply(out, 0.5, out=out)
    np.multiply(out, t, out=out)


@jit
def _gelu_pass(bias, out):
    half, one = out.dtype.type(0.5), out.dtype.type(1)
    slope, cubic = out.dtype.type(SLOPE), out.dtype.type(CUBIC)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            s = out[i, j] + bias[j]
            out[i, j] = half * s * (one + np.tanh(s * (slope + cubic * (s * s))))


@register(
    "linear_gelu",
    name="unfused",
    instrument="compiled",
    story="our product, then one compiled pass: removes all passes but one",
    tags=("ladder",),
)
def linear_gelu_unfused(x, weight, bias, out):
    """Multiply in register tiles, then add the bias and apply GELU in one compiled pass.

    Removes all passes but one; that one calls a scalar function for each element.

    Parameters
    ----------
    x, weight, bias, out : ndarray of shapes (m, k), (n, k), (n,) and (m, n)
        float32 or float64. `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, one more pass, ``m n`` hyperbolic tangents.
    """
    _check("linear_gelu.unfused", x, weight, bias, out)
    matmul.tiled(x, weight.T, out)
    _gelu_pass(bias, out)


@register(
    "linear_gelu",
    name="vector",
    instrument="compiled",
    story="GELU in registers while tiles are in the nearest cache: no pass, no scalar calls",
    tags=("ladder", "best"),
)
def linear_gelu_vector(x, weight, bias, out):
    """Multiply in register tiles, and finish each column of tiles as it is complete.

    Removes the last pass and the calls: ``(1 + tanh w) / 2 = 1 / (1 + exp(-2 w))``, computed
    for a register at once. A sum of minus infinity gives NaN, as the formula does; a large
    one overflows to what GELU tends to.

    Parameters
    ----------
    x, weight, out : ndarray of shapes (m, k), (n, k) and (m, n), float32 or float64
        Operands of any strides; rows of `out` are contiguous. `out` is overwritten.
    bias : ndarray, shape (n,), contiguous

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or `out`
        overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, and an exponential and a division for each element of `out`.
    """
    _fused("linear_gelu.vector", x, weight, bias, out, GELU, parallel=False)


@register(
    "linear_gelu",
    name="threads",
    instrument="compiled",
    story="a rectangle of out for each core: removes the idle ones",
    tags=("threads",),
)
def linear_gelu_threads(x, weight, bias, out):
    """Compute one rectangle of `out` on each core.

    Removes idle cores. Parameters, errors and cost as for `linear_gelu_vector`.
    """
    _fused("linear_gelu.threads", x, weight, bias, out, GELU, parallel=True)
