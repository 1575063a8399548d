"""What the elementwise ladders share: inputs, tolerances, and the walk along an array.

`each_register` is the whole of a kernel but for its arithmetic: it loads registers, calls
a function of registers, stores what comes back, and treats the ends. A function passed to
it is known while compiling, so that its instructions end up inside the loop.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload, register_jitable

from accel.kernels.inputs import blank, normal
from accel.simd import (
    elements_to_alignment,
    fence,
    load,
    load_first,
    store,
    store_first,
    store_streaming,
    vector,
)

#: Lengths at the edges: nothing, one, a vector and its tail, and beside powers of two.
LENGTHS = (0, 1, 2, 7, 127, 128, 129, 1000)

#: Values that a kernel easily loses: NaN, infinity, both zeros, numbers too large or
#: too small for a shortcut.
SPECIAL = (np.nan, np.inf, 0.0, -0.0, 1e4, -1e4, 1e-40, -1e-40)

#: Lengths that suit no register, cache line or page.
AWKWARD = ({"n": 1003}, {"n": 12_345}, {"n": 1_000_003})

#: Below this many elements the cores take longer to start than one takes to finish.
ALONE = 1 << 17

#: Elements that a core takes at a time: enough to forget the start, few enough to share out.
PART = 1 << 14


#: Arrays that take more than this together do not come back from a cache: half of what eight
#: cores of a server share. Measured with relu: below, stores past the caches take 1.6 times
#: as long, at this size as long, and at four times this size half as long.
CACHED_BYTES = 1 << 24

#: From this many elements on the output is aligned to registers.
PEELED = 256


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


def edges() -> tuple[dict, ...]:
    """Return every length, and every special value in whole registers and in a tail."""
    return (*({"n": n} for n in LENGTHS), {"n": 127, "values": "special"})


def values_of(n: int, dtype: str, values: str, special: tuple[float, ...]) -> np.ndarray:
    """Return `n` normal values, or the special ones over and over."""
    if values == "normal":
        return normal((n,), dtype, seed=1)
    if values == "special":
        return np.resize(np.array(special, dtype), n)
    raise ValueError(f'values must be "normal" or "special", not {values!r}')


def one_to_one(n: int, dtype: str, values: str, special: tuple[float, ...]) -> tuple:
    """Return ``(x, out)`` of length `n`."""
    return values_of(n, dtype, values, special), blank((n,), dtype)


def read_and_written(n: int, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * n * np.dtype(dtype).itemsize


def length_of_two(working_set_bytes: int) -> dict:
    """Return the length at which `x` and `out` of float32 take so many bytes."""
    return {"n": max(1, working_set_bytes // 8)}


def length_of_three(working_set_bytes: int) -> dict:
    """Return the length at which `x`, `y` and `out` of float32 take so many bytes."""
    return {"n": max(1, working_set_bytes // 12)}


@register_jitable
def past_caches(x, arrays):
    """Tell whether so many arrays like `x` are too large for the caches."""
    return x.size * x.itemsize * arrays >= CACHED_BYTES


@register_jitable
def each_register(function, x, out, start, stop):
    """Write ``function(register)`` of each register of ``x[start:stop]`` to `out`.

    Bounds are the caller's business. What does not fill a register is loaded and stored
    under a mask. Where the arrays are larger than the caches, `out` is written past them:
    a common store would first read what it is about to overwrite.
    """
    V = register_for(x)
    first = start
    if stop - start >= PEELED:
        head = elements_to_alignment(V, out, first)
        store_first(out, first, function(load_first(V, x, first, head)), head)
        first += head
    whole = first + (stop - first) // V.lanes * V.lanes
    if past_caches(x, 2) and stop - start >= PEELED:  # else `out` is not aligned here
        for i in range(first, whole, V.lanes):
            store_streaming(out, i, function(load(V, x, i)))
        fence()
    else:
        for i in range(first, whole, V.lanes):
            store(out, i, function(load(V, x, i)))
    rest = stop - whole
    store_first(out, whole, function(load_first(V, x, whole, rest)), rest)
