"""Probes: the smallest loops that keep one part of a processor busy, and nothing else.

Two questions have an answer per machine, not per kernel: how many multiplications and
additions can it do in a second, and how many bytes can it bring. Each probe does one of
the two and leaves the other alone, so its rate is a roof for every kernel.

* `fma_512` and its narrower relatives keep independent chains of fused multiply-adds in
  registers. One chain is slow: each step waits for the one before, about four cycles. A
  dozen chains hide that wait on every port that multiplies.
* `load`, `copy` and `triad` walk over arrays in order, in the counting of STREAM: copy
  counts what is read and what is written, triad two reads and a write. What a cache
  fetches before it overwrites a line ("write-allocate") is not counted, although it
  travels; so copy and triad look slower than load where that happens.
* `streaming` copies with stores that go past the caches ("non-temporal"), which fetch
  nothing: from memory to memory the fastest way, and inside a cache the slowest.

A call makes many passes over the same arrays, so that small arrays are not timed by the
cost of a call. Results are exact and known beforehand: a probe that skipped a step, or
that the compiler had thrown away, would be found out.

Source
------
J. D. McCalpin, "Memory Bandwidth and Machine Balance in Current High Performance
Computers", IEEE TCCA Newsletter (December 1995): STREAM, and how it counts.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import prange, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd import (
    Tile,
    fence,
    fma,
    horizontal_sum,
    jit,
    load_first,
    store_first,
    store_streaming,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
    zeros,
)
from accel.simd import load as load_vector
from accel.simd import store as store_vector
from accel.simd.emitting import call, splat
from accel.simd.types import RegistersType, llvm_vector, scalar_of

# Arithmetic

#: No register has more lanes, and no processor more registers, than this.
LARGEST = 64


@intrinsic
def _step(context, chains, factor, summand):
    """``_step(chains, factor, summand)``: ``x * factor + summand`` for each x, rounded once.

    The chains are a tile of registers, or a tuple of floats: both are arrays to LLVM.
    """
    if isinstance(chains, RegistersType):
        scalar, count = scalar_of(chains.token.vector), chains.token.rows * chains.token.vectors
    elif isinstance(chains, types.UniTuple) and isinstance(chains.dtype, types.Float):
        scalar, count = chains.dtype, chains.count
    else:
        raise TypingError(f"_step: expected a register tile or a tuple of floats, got {chains}")

    def generate(context, builder, sig, values):
        state, factor, summand = values
        if isinstance(chains, RegistersType):
            vec = llvm_vector(chains.token.vector)
            factor, summand = splat(builder, vec, factor), splat(builder, vec, summand)
            name = f"llvm.fma.v{vec.count}f{scalar.bitwidth}"
        else:
            name = f"llvm.fma.f{scalar.bitwidth}"
        for place in range(count):
            x = builder.extract_value(state, place)
            x = call(builder, name, x.type, x, factor, summand)
            state = builder.insert_value(state, x, place)
        return state

    return chains(chains, scalar, scalar), generate


@jit
def _vector_chains(T, start, factor, summand, steps, out, row):
    """Run the chains of a tile; put the smallest and the largest result into a row of `out`."""
    # An outer product with zeros: the compiler must not know that all chains are equal.
    tile = tile_outer_fma(tile_zeros(T), start, 0, 1, start, 0)
    for _ in range(steps):
        tile = _step(tile, factor, summand)
    ends = np.empty(T.rows * T.columns, start.dtype)
    tile_store(tile, ends, 0, T.columns)
    out[row, 0], out[row, 1] = ends.min(), ends.max()


@jit
def _scalar_chains(chains, factor, summand, steps, out):
    """Run chains of one number each, given as a tuple."""
    for _ in range(steps):
        chains = _step(chains, factor, summand)
    out[0, 0], out[0, 1] = min(chains), max(chains)


@jit(parallel=True)
def _vector_chains_everywhere(T, start, factor, summand, steps, out):
    for row in prange(out.shape[0]):
        _vector_chains(T, start, factor, summand, steps, out, row)


@functools.cache
def _tile(dtype: str, bits: int, chains: int) -> Tile:
    return Tile(vector(dtype, bits // (8 * np.dtype(dtype).itemsize)), chains, 1)


def _run_chains(bits: int, start: np.ndarray, factor, chains, steps, widest, out) -> None:
    """Do the work of `steps` of the widest registers in registers of `bits`.

    Narrower registers take more steps, each by a smaller summand: the results agree.
    """
    more = widest // bits
    tile = _tile(start.dtype.name, bits, chains)
    arguments = tile, start, factor, start.dtype.type(1 / more), steps * more, out
    if len(out) == 1:
        _vector_chains(*arguments, 0)
    else:
        _vector_chains_everywhere(*arguments)


def fma_128(start, factor, chains, steps, widest, out) -> None:
    """Run chains of fused multiply-adds in registers of 128 bits; see `fma_512`."""
    _run_chains(128, start, factor, chains, steps, widest, out)


def fma_256(start, factor, chains, steps, widest, out) -> None:
    """Run chains of fused multiply-adds in registers of 256 bits; see `fma_512`."""
    _run_chains(256, start, factor, chains, steps, widest, out)


def fma_512(start, factor, chains, steps, widest, out) -> None:
    """Run chains of fused multiply-adds in registers of 512 bits, in as many threads as rows.

    Each step is ``x * factor + summand`` with the factor 1, which the compiler cannot
    know. So every lane of every chain counts its steps, exactly as long as the count fits
    the mantissa, and the result is `steps` whatever the width.

    Parameters
    ----------
    start : ndarray, shape (64,), float32 or float64
        Zeros, as many as there are chains, or lanes in a register, or more: where each
        chain begins is the product of two of them.
    factor : float32 or float64
        1.
    chains : int
        Registers that are summed in.
    steps : int
        Multiply-adds per chain in registers as wide as the widest; narrower ones make
        more steps of less, so that all widths do the same work.
    widest : int
        Bits of the widest registers.
    out : ndarray, shape (threads, 2), float64
        Overwritten by the smallest and the largest lane of each thread.

    Cost
    ----
    ``2 * chains * lanes * steps`` FLOPs per thread, with the lanes of the widest
    registers; no memory traffic.
    """
    _run_chains(512, start, factor, chains, steps, widest, out)


def fma_scalar(start, factor, chains, steps, widest, out) -> None:
    """Run chains of single numbers, doing the work of `fma_512`; in one thread only.

    Raises
    ------
    ValueError
        If several threads are asked for.
    """
    if len(out) != 1:
        raise ValueError(f"fma_scalar runs in 1 thread, not in {len(out)}")
    more = widest // (8 * start.itemsize)
    _scalar_chains(tuple(start[:chains]), factor, start.dtype.type(1 / more), steps * more, out)


def fma_inputs(dtype: str, threads: int, steps: int, widest: int, chains: int) -> tuple:
    """Return ``(start, factor, chains, steps, widest, out)``.

    Raises
    ------
    ValueError
        If there are more than 64 chains.
    """
    if chains > LARGEST:
        raise ValueError(f"{chains} chains are more than {LARGEST}; no register file holds them")
    start = np.zeros(LARGEST, dtype)
    return start, start.dtype.type(1), chains, steps, widest, np.zeros((threads, 2))


def fma_oracle(start, factor, chains, steps, widest, out) -> tuple:
    """Return what every lane has counted, and no tolerance: all of it is exact.

    Raises
    ------
    ValueError
        If a mantissa cannot hold the count.
    """
    # A scalar counts in the smallest portions.
    if steps * (widest // (8 * start.itemsize)) > 1 / np.finfo(start.dtype).eps * 2:
        raise ValueError(f"{steps} steps are more than {start.dtype} can count; take fewer")
    return np.broadcast_to(np.float64(steps), out.shape), 0.0


# Memory traffic


@jit
def _load(V, x, out, first, last, passes):
    """Sum ``x[first:last]`` once per pass, in eight sums: additions take a few cycles."""
    s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
    s4, s5, s6, s7 = zeros(V), zeros(V), zeros(V), zeros(V)
    whole = first + (last - first) // (8 * V.lanes) * (8 * V.lanes)
    for _ in range(passes):
        for i in range(first, whole, 8 * V.lanes):
            s0 += load_vector(V, x, i)
            s1 += load_vector(V, x, i + V.lanes)
            s2 += load_vector(V, x, i + 2 * V.lanes)
            s3 += load_vector(V, x, i + 3 * V.lanes)
            s4 += load_vector(V, x, i + 4 * V.lanes)
            s5 += load_vector(V, x, i + 5 * V.lanes)
            s6 += load_vector(V, x, i + 6 * V.lanes)
            s7 += load_vector(V, x, i + 7 * V.lanes)
        for i in range(whole, last, V.lanes):
            s0 += load_first(V, x, i, last - i)
    out[0] = horizontal_sum(((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))


@jit
def _copy(V, x, y, first, last, passes):
    """Copy ``x[first:last]`` to `y` once per pass."""
    whole = first + (last - first) // (4 * V.lanes) * (4 * V.lanes)
    for _ in range(passes):
        for i in range(first, whole, 4 * V.lanes):
            store_vector(y, i, load_vector(V, x, i))
            store_vector(y, i + V.lanes, load_vector(V, x, i + V.lanes))
            store_vector(y, i + 2 * V.lanes, load_vector(V, x, i + 2 * V.lanes))
            store_vector(y, i + 3 * V.lanes, load_vector(V, x, i + 3 * V.lanes))
        for i in range(whole, last, V.lanes):
            store_first(y, i, load_first(V, x, i, last - i), last - i)


@jit
def _stream(V, x, y, first, last, passes):
    """Copy ``x[first:last]`` to `y` once per pass, past the caches; both on whole registers."""
    whole = first + (last - first) // (4 * V.lanes) * (4 * V.lanes)
    for _ in range(passes):
        for i in range(first, whole, 4 * V.lanes):
            store_streaming(y, i, load_vector(V, x, i))
            store_streaming(y, i + V.lanes, load_vector(V, x, i + V.lanes))
            store_streaming(y, i + 2 * V.lanes, load_vector(V, x, i + 2 * V.lanes))
            store_streaming(y, i + 3 * V.lanes, load_vector(V, x, i + 3 * V.lanes))
        for i in range(whole, last, V.lanes):
            store_first(y, i, load_first(V, x, i, last - i), last - i)
    fence()


@jit
def _triad(V, x, y, z, first, last, passes):
    """Compute ``z = 3 x + y`` on ``[first:last]`` once per pass."""
    whole = first + (last - first) // (4 * V.lanes) * (4 * V.lanes)
    for _ in range(passes):
        for i in range(first, whole, 4 * V.lanes):
            for j in range(i, i + 4 * V.lanes, V.lanes):  # the compiler unrolls this
                store_vector(z, j, fma(load_vector(V, x, j), 3.0, load_vector(V, y, j)))
        for i in range(whole, last, V.lanes):
            v = fma(load_first(V, x, i, last - i), 3.0, load_first(V, y, i, last - i))
            store_first(z, i, v, last - i)


@jit
def _share(row, threads, size):
    """Return where a thread's part of an array begins and ends: on cache lines."""
    each = -(-size // (8 * threads)) * 8
    return min(row * each, size), min((row + 1) * each, size)


@jit(parallel=True)
def _load_everywhere(V, x, out, passes):
    for row in prange(out.shape[0]):
        first, last = _share(row, out.shape[0], x.size)
        _load(V, x, out[row], first, last, passes)


@jit(parallel=True)
def _copy_everywhere(V, x, y, threads, passes):
    for row in prange(threads):
        first, last = _share(row, threads, x.size)
        _copy(V, x, y, first, last, passes)


@jit(parallel=True)
def _stream_everywhere(V, x, y, threads, passes):
    for row in prange(threads):
        first, last = _share(row, threads, x.size)
        _stream(V, x, y, first, last, passes)


@jit(parallel=True)
def _triad_everywhere(V, x, y, z, threads, passes):
    for row in prange(threads):
        first, last = _share(row, threads, x.size)
        _triad(V, x, y, z, first, last, passes)


@jit
def _fill(x, first, last, slope):
    for i in range(first, last):
        x[i] = 1 + slope * i


@jit(parallel=True)
def _fill_everywhere(x, threads, slope):
    for row in prange(threads):
        first, last = _share(row, threads, x.size)
        _fill(x, first, last, slope)


#: Elements of a result that copies and `triad` show: comparing all of them takes memory
#: and time that grow with the footprint.
SHOWN = 64

#: Arrays that each probe walks over.
ARRAYS = {"load": 1, "copy": 2, "triad": 3, "streaming": 2}


def load(arrays, passes: int, threads: int, out) -> None:
    """Sum an array once per pass.

    Parameters
    ----------
    arrays : tuple of ndarray, shape (n,), float64
        One array.
    passes, threads : int
        Each thread makes its passes over its own part; nobody waits in between.
    out : ndarray, shape (threads, 8), float64
        Its first column is overwritten by the sums; a thread has a line of its own.

    Cost
    ----
    ``8 n`` bytes and ``n`` additions per pass.
    """
    (x,) = arrays
    if threads == 1:
        _load(vector("float64"), x, out[0], 0, x.size, passes)
    else:
        _load_everywhere(vector("float64"), x, out, passes)


def copy(arrays, passes: int, threads: int, out) -> None:
    """Copy one array to another once per pass.

    Parameters
    ----------
    arrays : tuple of ndarray, shape (n,), float64
        From and to.
    passes, threads : int
        As for `load`.
    out : ndarray, shape (64,), float64
        Overwritten by elements of the copy.

    Cost
    ----
    ``16 n`` bytes per pass: read one array, write the other.
    """
    x, y = arrays
    if threads == 1:
        _copy(vector("float64"), x, y, 0, x.size, passes)
    else:
        _copy_everywhere(vector("float64"), x, y, threads, passes)
    out[:] = y[_shown(y.size)]


def streaming(arrays, passes: int, threads: int, out) -> None:
    """Copy one array to another once per pass, with stores that go past the caches.

    Parameters and cost as for `copy`. Both arrays begin on cache lines, and so does each
    thread's part of them.
    """
    x, y = arrays
    if threads == 1:
        _stream(vector("float64"), x, y, 0, x.size, passes)
    else:
        _stream_everywhere(vector("float64"), x, y, threads, passes)
    out[:] = y[_shown(y.size)]


def triad(arrays, passes: int, threads: int, out) -> None:
    """Compute ``z = 3 x + y`` once per pass.

    Parameters
    ----------
    arrays : tuple of ndarray, shape (n,), float64
        x, y and z.
    passes, threads : int
        As for `load`.
    out : ndarray, shape (64,), float64
        Overwritten by elements of z.

    Cost
    ----
    ``24 n`` bytes and ``2 n`` FLOPs per pass: read two arrays, write the third.
    """
    x, y, z = arrays
    if threads == 1:
        _triad(vector("float64"), x, y, z, 0, x.size, passes)
    else:
        _triad_everywhere(vector("float64"), x, y, z, threads, passes)
    out[:] = z[_shown(z.size)]


@functools.lru_cache(maxsize=1)
def _shown(size: int) -> np.ndarray:
    """Return which elements are shown: evenly spread, the first and the last among them."""
    return np.linspace(0, size - 1, SHOWN).astype(np.intp)


def elements(probe: str, footprint_bytes: int) -> int:
    """Return the length of each array so that all of them have about this many bytes.

    A multiple of 32, so that vectors of any width go in evenly, and at least 32.
    """
    return max(32, round(footprint_bytes / (8 * ARRAYS[probe] * 32)) * 32)


def traffic_inputs(probe: str, footprint_bytes: int, threads: int, passes: int) -> tuple:
    """Return ``(arrays, passes, threads, out)`` for one of the probes in `ARRAYS`.

    The arrays begin on cache lines, in one piece of memory. They travel in a tuple, so
    that whoever measures makes no copies of them. Their elements count, 1, 2, 3, ..., so
    that a misplaced one is seen; only those of `load` are all 1, and the sum is exact.
    """
    size = elements(probe, footprint_bytes)
    memory = np.empty(ARRAYS[probe] * size + 8)
    begin = -memory.ctypes.data % 64 // 8
    arrays = tuple(memory[begin + k * size :][:size] for k in range(ARRAYS[probe]))
    for array in arrays:
        slope = 0.0 if probe == "load" else 1.0
        if threads == 1:
            _fill(array, 0, size, slope)
        else:  # each thread its own part: who writes first decides where a page lies
            _fill_everywhere(array, threads, slope)
    return arrays, passes, threads, np.zeros((threads, 8) if probe == "load" else SHOWN)


def load_oracle(arrays, passes, threads, out) -> tuple:
    """Return the sum that each thread must find; integers, so nothing is rounded."""
    expected = np.zeros(out.shape)
    for row in range(threads):
        first, last = _share(row, threads, arrays[0].size)
        expected[row, 0] = passes * (last - first)
    return expected, 0.0


def copy_oracle(arrays, passes, threads, out) -> tuple:
    """Return the elements of the copy that are shown."""
    return 1.0 + _shown(arrays[0].size), 0.0


def streaming_oracle(arrays, passes, threads, out) -> tuple:
    """Return the elements of the copy that are shown."""
    return copy_oracle(arrays, passes, threads, out)


def triad_oracle(arrays, passes, threads, out) -> tuple:
    """Return ``3 x + y`` at the elements that are shown."""
    return 4.0 * (1.0 + _shown(arrays[0].size)), 0.0
