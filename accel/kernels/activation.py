"""Activations and saxpy: what it costs to compute one element at a time.

Three operations on vectors, from no arithmetic to much: `relu` compares, `saxpy`
multiplies and adds, `gelu` needs a hyperbolic tangent. Each ladder begins as a
Python loop over a list. Each step removes one thing: the interpreter, the
temporary arrays, the extra passes over memory, the scalar function call.

Arrays are one-dimensional, contiguous, of one element type, and of any length;
`out` must not overlap the inputs. NaN in, NaN out. The ladders with a `loop` read
and write lists, which registration makes of the arrays before a clock starts.

FLOPs count one for each addition, multiplication, comparison and ``tanh``, so that
all steps of a ladder are credited with the same work, however they do it.

Source
------
Harris and others, "Array programming with NumPy", *Nature* 585 (2020), section
"Vectorization". Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)",
arXiv:1606.08415 (2016), section 2, for the tanh form. Lawson and others, "Basic
Linear Algebra Subprograms for Fortran usage", *ACM TOMS* 5 (1979), for ``axpy``.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload

from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import exp, fma, jit, load, load_first, maximum, store, store_first, vector

#: Lengths at the edges: nothing, one, a vector and its tail, and beside powers of two.
LENGTHS = (0, 1, 2, 7, 127, 128, 129, 1000)

#: Values that a kernel easily loses: NaN, infinity, both zeros, numbers too large or
#: too small for a shortcut.
SPECIAL = (np.nan, np.inf, 0.0, -0.0, 1e4, -1e4, 1e-40, -1e-40)

#: ``sqrt(2 / pi)`` and 0.044715 times it: `gelu` multiplies them out in advance.
SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE


def lists(*arguments):
    """Turn arrays into lists and NumPy numbers into Python's, for the plain loops."""
    return tuple(argument.tolist() for argument in arguments)


def register_for(x):
    """Return the token of the widest register for the elements of `x`, in compiled code."""
    return vector(x.dtype)


@overload(register_for)
def _register_for(x):
    token = vector(x.dtype.name)  # chosen while the kernel is compiled for this type
    return lambda x: token


def allowed_error(dtype: np.dtype, count: float, magnitude: np.ndarray) -> np.ndarray:
    """Return ``count eps magnitude``, or the last subnormal digits where that is less.

    Infinities and NaN get no more than that: they must come out as they are.
    """
    about = np.finfo(dtype)
    finite = np.where(np.isfinite(magnitude), magnitude, 0.0)
    return count * about.eps * finite + 2 * float(about.tiny) * float(about.eps)


def _edges() -> tuple[dict, ...]:
    """Return every length, and every special value in whole registers and in a tail."""
    return (*({"n": n} for n in LENGTHS), {"n": 127, "values": "special"})


def _values(n: int, dtype: str, values: str, special: tuple[float, ...]) -> np.ndarray:
    if values == "normal":
        return normal((n,), dtype, seed=1)
    if values == "special":
        return np.resize(np.array(special, dtype), n)
    raise ValueError(f'values must be "normal" or "special", not {values!r}')


# ---------------------------------------------------------------------------
# relu: out = max(x, 0)
# ---------------------------------------------------------------------------


def relu_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `SPECIAL` and -inf."""
    return _values(n, dtype, values, (*SPECIAL, -np.inf)), blank((n,), dtype)


def relu_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the exact answer: nothing is rounded."""
    return np.maximum(x.astype(np.float64), 0.0), 0.0


def relu_flops(n: int, **_) -> int:
    """One comparison per element."""
    return n


def relu_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * n * np.dtype(dtype).itemsize


register_operation(
    Operation("relu", relu_inputs, relu_oracle, relu_flops, relu_bytes, edges=_edges())
)


@register(
    "relu",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list",
    adapt=lists,
    tags=("ladder",),
)
def relu_loop(x, out):
    """Compute ``max(x, 0)`` by a loop over a list.

    The starting point. Written as ``x > 0`` with the branches exchanged, it
    would turn NaN into 0, for every comparison with NaN is false.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``n`` comparisons, each some dozens of instructions of the interpreter.
    """
    for i, value in enumerate(x):
        out[i] = 0.0 if value < 0.0 else value


@register(
    "relu",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over a NumPy array: makes a Python object of every element",
    tags=("ladder",),
)
def relu_array_scalars(x, out):
    """Compute ``max(x, 0)`` by a loop over the elements of arrays.

    Removes nothing: a list holds finished Python objects, an array holds bare
    numbers, and each ``x[i]`` wraps one in a new object to compare it once.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``n`` comparisons, ``2 n`` objects made or taken apart.
    """
    for i in range(len(x)):
        out[i] = 0.0 if x[i] < 0.0 else x[i]


@register(
    "relu",
    name="numpy",
    instrument="NumPy",
    story="one array operation: removes the interpreter from the loop",
    tags=("ladder",),
)
def relu_numpy(x, out):
    """Compute ``max(x, 0)`` by one array operation.

    Removes the interpreter: NumPy looks at types and shapes once, then a
    compiled loop runs to the end. It takes the number 0 for an array whose elements
    all lie in one place, and gathers them: its maximum of two arrays is faster, but
    then somebody has to keep an array of zeros.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``n`` comparisons; one pass that reads `x` and writes `out`.

    Source
    ------
    NumPy 2.4, ``numpy/_core/src/umath/loops_minmax.dispatch.c.src``: contiguous and
    strided operands.
    """
    np.maximum(x, 0, out=out)


@register(
    "relu",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes NumPy's preparations and its gathered zeros",
    tags=("ladder",),
)
@jit
def relu_compiled(x, out):
    """Compute ``max(x, 0)`` by a compiled loop.

    Removes NumPy's preparations, which a short array has no time to repay, and its
    gathering of zeros, which a long one feels. The compiler turns the condition
    into a masked move and uses vector instructions.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n`` comparisons; one pass that reads `x` and writes `out`.
    """
    if x.size != out.size:
        raise ValueError("relu: out must be as long as x")
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = zero if x[i] < zero else x[i]


@register(
    "relu",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: says what the compiler had to find out",
    tags=("ladder", "best"),
)
@jit
def relu_vector(x, out):
    """Compute ``max(x, 0)`` with vector registers as values.

    Removes nothing that costs much: the compiler finds this loop by itself. It is
    here as the simplest example of what `gelu_vector` needs. The last, incomplete
    register is loaded and stored under a mask.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` comparisons of registers; one pass that reads `x` and writes `out`.
    """
    if x.size != out.size:
        raise ValueError("relu: out must be as long as x")
    V = register_for(x)
    rest = x.size % V.lanes
    whole = x.size - rest
    for i in range(0, whole, V.lanes):
        store(out, i, maximum(0, load(V, x, i)))
    store_first(out, whole, maximum(0, load_first(V, x, whole, rest)), rest)


# ---------------------------------------------------------------------------
# saxpy: out = alpha x + y
# ---------------------------------------------------------------------------


def saxpy_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(alpha, x, y, out)``; ``values="special"`` repeats `SPECIAL` in `x`."""
    x = _values(n, dtype, values, SPECIAL)
    return np.dtype(dtype).type(1.7), x, normal((n,), dtype, seed=2), blank((n,), dtype)


def saxpy_oracle(alpha, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and twice the error of two roundings.

    Product and sum are each rounded by at most eps / 2; the other half of the
    tolerance is the oracle's own error when the kernel computes in float64 too.
    """
    product = np.float64(alpha) * x.astype(np.float64)
    expected = product + y
    return expected, allowed_error(x.dtype, 1, np.abs(product) + np.abs(expected))


def saxpy_flops(n: int, **_) -> int:
    """A multiplication and an addition per element."""
    return 2 * n


def saxpy_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x` and `y`, write `out`."""
    return 3 * n * np.dtype(dtype).itemsize


register_operation(
    Operation("saxpy", saxpy_inputs, saxpy_oracle, saxpy_flops, saxpy_bytes, edges=_edges())
)


@register(
    "saxpy",
    name="loop",
    instrument="interpreter",
    story="a Python loop over two lists",
    adapt=lists,
    tags=("ladder",),
)
def saxpy_loop(alpha, x, y, out):
    """Compute ``alpha x + y`` by a loop over lists.

    The starting point, in float64 whatever the arrays held: Python knows no other.

    Parameters
    ----------
    alpha : float
    x, y, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, each some dozens of instructions of the interpreter.
    """
    for i in range(len(x)):
        out[i] = alpha * x[i] + y[i]


@register(
    "saxpy",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over NumPy arrays: makes a Python object of every element",
    tags=("ladder",),
)
def saxpy_array_scalars(alpha, x, y, out):
    """Compute ``alpha x + y`` by a loop over the elements of arrays.

    Removes nothing: the loop is the one for lists, and every element read, every
    product and every sum becomes an object of NumPy's.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, ``5 n`` objects made or taken apart.
    """
    for i in range(len(x)):
        out[i] = alpha * x[i] + y[i]


@register(
    "saxpy",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds a temporary array",
    tags=("ladder",),
)
def saxpy_numpy(alpha, x, y, out):
    """Compute ``alpha * x + y`` as a whole-array expression.

    Removes the interpreter. The product is a temporary array. The sum goes to
    `out`, which stands for the new array that the expression would return: no
    copy is charged that a user would not make.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in two passes; a temporary of ``n`` elements.
    """
    np.add(alpha * x, y, out=out)


@register(
    "saxpy",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary array",
    tags=("ladder",),
)
def saxpy_numpy_out(alpha, x, y, out):
    """Compute ``alpha x + y`` in place in `out`.

    Removes the temporary, and with it the allocation; still two passes, the
    second of which finds its input in `out`.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten before `y` is read: it must not be `y`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``2 n`` FLOPs in two passes; nothing allocated.
    """
    np.multiply(x, alpha, out=out)
    np.add(out, y, out=out)


@register(
    "saxpy",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes the second pass",
    tags=("ladder",),
)
@jit
def saxpy_compiled(alpha, x, y, out):
    """Compute ``alpha x + y`` by a compiled loop.

    Removes the second pass over memory: product and sum meet in a register. The
    compiler uses vector instructions, after a check that the arrays do not overlap.
    `alpha` takes the arrays' type first, as in NumPy; left a float64, it would make
    the arithmetic float64, with half as many elements per register.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``2 n`` FLOPs in one pass that reads `x` and `y` and writes `out`.
    """
    if not x.size == y.size == out.size:
        raise ValueError("saxpy: x, y and out must have the same length")
    a = x.dtype.type(alpha)
    for i in range(x.size):
        out[i] = a * x[i] + y[i]


@register(
    "saxpy",
    name="vector",
    instrument="compiled",
    story="explicit vector registers, multiplication and addition in one instruction",
    tags=("ladder", "best"),
)
@jit
def saxpy_vector(alpha, x, y, out):
    """Compute ``alpha x + y`` with vector registers as values.

    Removes one rounding and one instruction: a fused multiply-add, which a
    compiler must not form by itself since it changes the result. Memory sets the
    pace all the same.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` fused multiply-adds of registers, in one pass.
    """
    if not x.size == y.size == out.size:
        raise ValueError("saxpy: x, y and out must have the same length")
    V = register_for(x)
    a = x.dtype.type(alpha)
    rest = x.size % V.lanes
    whole = x.size - rest
    for i in range(0, whole, V.lanes):
        store(out, i, fma(a, load(V, x, i), load(V, y, i)))
    tail = fma(a, load_first(V, x, whole, rest), load_first(V, y, whole, rest))
    store_first(out, whole, tail, rest)


# ---------------------------------------------------------------------------
# gelu: out = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
# ---------------------------------------------------------------------------


def gelu_inputs(n: int, dtype: str = "float32", values: str = "normal") -> tuple:
    """Return ``(x, out)`` of length `n`; ``values="special"`` repeats `SPECIAL`."""
    return _values(n, dtype, values, SPECIAL), blank((n,), dtype)


def gelu_oracle(x: np.ndarray, out: np.ndarray) -> tuple:
    """Return the tanh form in float64, and the error that its roundings allow.

    With u = eps / 2: the argument w of tanh is off by 5 u |w|, which tanh shrinks to
    at most 2.3 u; four units in the last place for a library's own tanh make it 11 u,
    rounding the sum 13 u; times |x| / 2, and two roundings: below 5 eps |x|. The
    oracle's own float64 error needs the same again only where the kernel is as
    precise. The logistic form of `gelu_vector` loses less. Relative to the *result*
    no bound holds: far below 0 it is the difference of nearly equal numbers.
    """
    z = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = 0.5 * z * (1 + np.tanh(SLOPE * z + CUBIC * z * z * z))
    return expected, allowed_error(x.dtype, 8, np.abs(z))


def gelu_flops(n: int, **_) -> int:
    """Seven multiplications and additions and a ``tanh`` per element."""
    return 8 * n


def gelu_bytes(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * n * np.dtype(dtype).itemsize


register_operation(
    Operation("gelu", gelu_inputs, gelu_oracle, gelu_flops, gelu_bytes, edges=_edges())
)


@register(
    "gelu",
    name="loop",
    instrument="interpreter",
    story="a Python loop over a list, with math.tanh",
    adapt=lists,
    tags=("ladder",),
)
def gelu_loop(x, out):
    """Compute GELU by a loop over a list.

    The starting point, with the constants multiplied out: ``w = x (s + c x^2)``.
    At minus infinity the formula is ``-inf * 0``: NaN, here and on every step.

    Parameters
    ----------
    x, out : list of float, length n
        `out` is overwritten.

    Cost
    ----
    ``8 n`` FLOPs, of which ``n`` are ``tanh``.
    """
    for i, v in enumerate(x):
        out[i] = 0.5 * v * (1.0 + math.tanh(v * (SLOPE + CUBIC * v * v)))


@register(
    "gelu",
    name="array_scalars",
    instrument="interpreter",
    story="the same loop over a NumPy array: makes a Python object of every element",
    tags=("ladder",),
)
def gelu_array_scalars(x, out):
    """Compute GELU by a loop over the elements of arrays.

    Removes nothing. Each element is taken out once and used five times; all
    arithmetic but ``tanh`` is then done on NumPy's number objects.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Cost
    ----
    ``8 n`` FLOPs, as many objects made.
    """
    for i, v in enumerate(x):
        out[i] = 0.5 * v * (1.0 + math.tanh(v * (SLOPE + CUBIC * v * v)))


@register(
    "gelu",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def gelu_numpy(x, out):
    """Compute GELU as a whole-array expression.

    Removes the interpreter. ``x * x`` and not ``x**2 * x`` or ``x**3``: a general
    power takes longer than all the rest. NumPy reuses large temporaries that
    nobody else refers to.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``8 n`` FLOPs in eight passes, with temporaries.
    """
    np.multiply(0.5 * x, 1.0 + np.tanh(x * (SLOPE + CUBIC * x * x)), out=out)


@register(
    "gelu",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary arrays",
    tags=("ladder",),
)
def gelu_numpy_out(x, out):
    """Compute GELU in place in `out`.

    Removes the temporaries: only `x` and `out` are touched, eight times over.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten before `x` is read for the last time: it must not be `x`.

    Raises
    ------
    ValueError
        If the lengths do not fit.

    Cost
    ----
    ``8 n`` FLOPs in eight passes; nothing allocated.
    """
    np.multiply(x, x, out=out)
    out *= CUBIC
    out += SLOPE
    out *= x
    np.tanh(out, out=out)
    out += 1.0
    out *= 0.5  # before x, which may be the largest number there is
    out *= x


@register(
    "gelu",
    name="compiled",
    instrument="compiled",
    story="the loop again, compiled: removes seven passes, one scalar tanh at a time",
    tags=("ladder",),
)
@jit
def gelu_compiled(x, out):
    """Compute GELU by a compiled loop.

    Removes seven of eight passes over memory. The compiler uses vector registers
    for the multiplications, but the C library's ``tanh`` takes one number: each
    register is taken apart into as many calls as it has elements, and put together
    again (unless Intel's vector library is installed, which Numba then calls).
    The constants take the arrays' type first: left float64, they would make
    everything float64.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``8 n`` FLOPs and ``n`` function calls, in one pass.
    """
    if x.size != out.size:
        raise ValueError("gelu: out must be as long as x")
    number = x.dtype.type
    half, one, slope, cubic = number(0.5), number(1), number(SLOPE), number(CUBIC)
    for i in range(x.size):
        v = x[i]
        out[i] = half * v * (one + math.tanh(v * (slope + cubic * v * v)))


@register(
    "gelu",
    name="vector",
    instrument="compiled",
    story="explicit vector registers: removes the scalar tanh",
    tags=("ladder", "best"),
)
@jit
def gelu_vector(x, out):
    """Compute GELU with vector registers as values.

    Removes the scalar function call: ``(1 + tanh w) / 2 = 1 / (1 + exp(-2 w))``, and
    `accel.simd.exp` computes a whole register at once. One pass, no branch; the
    exponential overflows to infinity where GELU goes to zero.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    ``n / lanes`` times: an exponential, a division, four multiplications and
    additions of registers.

    Source
    ------
    Hendrycks and Gimpel (2016), section 2, notes the kinship with the logistic function.
    """
    if x.size != out.size:
        raise ValueError("gelu: out must be as long as x")
    V = register_for(x)
    rest = x.size % V.lanes
    whole = x.size - rest
    for i in range(0, whole, V.lanes):
        store(out, i, _gelu(load(V, x, i)))
    store_first(out, whole, _gelu(load_first(V, x, whole, rest)), rest)


@jit
def _gelu(v):
    """One register of GELU."""
    return v / (1.0 + exp(v * fma(-2 * CUBIC, v * v, -2 * SLOPE)))
