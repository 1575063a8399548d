"""Convolution in one dimension: products of neighbours, or products of spectra.

``out[i] = sum over j of taps[j] x[i + t - 1 - j]``, for the ``n - t + 1`` places where
all `t` taps meet a sample. The definition needs ``2 t`` FLOPs per place. A Fourier
transform turns convolution into multiplication, and costs some ``log2 n`` per place
however many taps there are.

The spectra pay elsewhere: butterflies run at a fraction of the rate of multiply-adds, and
each output's rounding error is relative to the whole signal and not to its own terms. A
loud passage is heard, as noise, in the quiet ones. `work` counts what each step does.

Arrays are contiguous and of one floating type, samples finite; `out` must not overlap
the others.

Source
------
Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series",
*Mathematics of Computation* 19 (1965). Stockham, "High-speed convolution and
correlation", AFIPS Spring Joint Computer Conference (1966). Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed. (2002), chapter 24.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from accel.kernels.activation import register_for
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import fma, jit, load, load_first, store, store_first, zeros

EDGES = (
    {"n": 0, "taps": 1},
    {"n": 1, "taps": 1},
    {"n": 2, "taps": 3},
    {"n": 5, "taps": 5},
    {"n": 128, "taps": 1},
    {"n": 127, "taps": 2},
    {"n": 129, "taps": 3},
    {"n": 129, "taps": 128},
    {"n": 1000, "taps": 127},
    {"n": 1021, "taps": 64},
    {"n": 1021, "taps": 13, "loud": 1000.0},
)

#: A block of `overlap_save` is this many times as long as the filter: longer ones spend
#: more on logarithms and cache misses, shorter ones on outputs that are thrown away.
BLOCK_PER_TAPS = 8

#: ... and no shorter than this, so that one call of the library does something.
SHORTEST_BLOCK = 512


def inputs(n: int, taps: int, dtype: str = "float32", loud: float = 1.0) -> tuple:
    """Return ``(x, h, out)``: `n` samples, `taps` coefficients, a blank `out`.

    The middle eighth of the samples is `loud` times as large as the others.
    """
    x = normal((n,), dtype, seed=1)
    x[n // 2 : n // 2 + n // 8] *= np.dtype(dtype).type(loud)
    return x, normal((taps,), dtype, seed=2), blank((places_of(n, taps),), dtype)


def places_of(n: int, taps: int) -> int:
    """Return how many places of a signal see all taps."""
    return max(n - taps + 1, 0)


def oracle(x: np.ndarray, h: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the convolution in float64, and the error that each step may make.

    By the definition ``u (8 + 2 sqrt(t))`` times the sum of magnitudes, with u half the
    distance from 1 to the next number. Through spectra ``u log2(n)`` times the *norm* of
    the taps and the root mean square of the signal: the same everywhere, where the
    signal is quiet too. 4 times that leaves room.

    Source
    ------
    Higham (2002), section 2.8 for the rule of thumb, chapter 24 for the transform.
    """
    if out.size == 0:
        return np.empty(0), np.empty(0)
    wide, filter_, unit = x.astype(np.float64), h.astype(np.float64), np.finfo(x.dtype).eps / 2
    expected = np.convolve(wide, filter_, "valid")
    terms = np.convolve(np.abs(wide), np.abs(filter_), "valid")
    spread = np.linalg.norm(filter_) * np.sqrt(np.mean(wide**2)) * np.log2(x.size + 1)
    return expected, unit * ((8 + 2 * np.sqrt(h.size)) * terms + 4 * spread)


def flops(n: int, taps: int, **_) -> int:
    """``2 t - 1`` for each place: the definition, whoever does with fewer."""
    return places_of(n, taps) * (2 * taps - 1)


def compulsory_bytes(n: int, taps: int, dtype: str = "float32", **_) -> int:
    """Read signal and taps, write `out`; nothing if no place sees all taps."""
    count = places_of(n, taps)
    return (n + taps + count) * np.dtype(dtype).itemsize if count else 0


def work(step: str, n: int, taps: int, **_) -> int:
    """Return how many FLOPs a step of the ladder does.

    A real transform of length N counts as ``2.5 N log2(N)``, a product of two complex
    numbers as 6.

    Parameters
    ----------
    step : str
        Name of a kernel of ``convolve1d``.
    n, taps : int
        Lengths of signal and filter.

    Raises
    ------
    ValueError
        If the step is unknown.

    Source
    ------
    Frigo and Johnson, "The design and implementation of FFTW3", *Proceedings of the
    IEEE* 93 (2005), for the count that is customary.
    """
    count = places_of(n, taps)
    if step in ("direct", "convolve", "vector"):
        return count * (2 * taps - 1)
    if step not in ("fft", "overlap_save"):
        raise ValueError(f"convolve1d has no step {step!r} whose FLOPs are counted")
    if count == 0:
        return 0
    length = fast_length(n) if step == "fft" else block_length(n, taps)
    blocks = 1 if step == "fft" else -(-count // (length - taps + 1))
    transforms = (2 * blocks + 1) * 2.5 * length * math.log2(length)
    return round(transforms + 6 * blocks * (length // 2 + 1))


@functools.cache
def fast_length(n: int) -> int:
    """Return the smallest number from `n` up that has no prime factor above 5.

    Transforms split a length into its factors; the library has fast code for these.

    Raises
    ------
    ValueError
        If `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"fast_length: expected a length of at least 1, got {n}")
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def block_length(n: int, taps: int) -> int:
    """Return how long the transforms of `overlap_save` are."""
    return min(fast_length(max(BLOCK_PER_TAPS * taps, SHORTEST_BLOCK)), fast_length(n))


register_operation(Operation("convolve1d", inputs, oracle, flops, compulsory_bytes, EDGES))


def _check(kernel: str, x, h, out) -> None:
    for name, array in (("x", x), ("h", h), ("out", out)):
        if not isinstance(array, np.ndarray) or array.ndim != 1:
            raise ValueError(
                f"convolve1d.{kernel}: expected {name} to be an array of one dimension, got "
                f"{getattr(array, 'shape', type(array).__name__)}; pass np.ravel of it"
            )
    if h.size < 1 or out.size != places_of(x.size, h.size):
        raise ValueError(
            f"convolve1d.{kernel}: expected at least one tap and out of "
            f"{places_of(x.size, h.size)} elements for {x.size} samples and {h.size} taps, "
            f"got {out.size}"
        )


@register(
    "convolve1d",
    instrument="compiled",
    story="two compiled loops: the definition, one product after the other",
    tags=("ladder",),
)
@jit
def direct(x, h, out):
    """Convolve by the definition.

    The starting point: a sum of products per place, a chain of additions.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    h : ndarray, shape (t,)
        Taps, at least one.
    out : ndarray, shape (n - t + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If there is no tap, or the length of `out` does not fit.

    Cost
    ----
    ``(n - t + 1) (2 t - 1)`` FLOPs, each addition waiting for the one before it.
    """
    if h.size < 1 or out.size != max(x.size - h.size + 1, 0):
        raise ValueError("convolve1d: out must have n - t + 1 elements, and h at least one")
    last = h.size - 1
    for i in range(out.size):
        total = h[last] * x[i]
        for j in range(last):
            total += h[j] * x[i + last - j]
        out[i] = total


@register(
    "convolve1d",
    instrument="NumPy",
    story="np.convolve: the definition, each place a dot product of the library",
    tags=("ladder",),
)
def convolve(x, h, out):
    """Convolve by `numpy.convolve`.

    Removes the chain inside a place: a dot product has several sums under way. What is
    left is a call per place, which a short filter has no time to repay.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    h : ndarray, shape (t,)
        Taps, at least one.
    out : ndarray, shape (n - t + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If there is no tap, or the length of `out` does not fit.

    Cost
    ----
    ``(n - t + 1) (2 t - 1)`` FLOPs; a temporary of the size of `out`, copied.
    """
    _check("convolve", x, h, out)
    if out.size:
        out[...] = np.convolve(x, h, "valid")


@register(
    "convolve1d",
    instrument="compiled",
    story="neighbouring places side by side in vector registers: removes the calls",
    tags=("ladder",),
)
@jit
def vector(x, h, out):
    """Convolve many neighbouring places at once, one in each lane of four registers.

    Removes calls and chains: one tap meets neighbouring samples, and the sums of
    different places do not wait for one another. Still the definition, product for
    product, and about as fast as it gets.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64, contiguous
    h : ndarray, shape (t,), contiguous
        Taps, at least one.
    out : ndarray, shape (n - t + 1,), contiguous
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If there is no tap, or the length of `out` does not fit.

    Cost
    ----
    ``(n - t + 1) (2 t - 1)`` FLOPs, as many at a time as four registers hold.
    """
    if h.size < 1 or out.size != max(x.size - h.size + 1, 0):
        raise ValueError("convolve1d: out must have n - t + 1 elements, and h at least one")
    V = register_for(x)
    lanes, last = V.lanes, h.size - 1
    whole = out.size - out.size % (4 * lanes)
    for i in range(0, whole, 4 * lanes):
        s0, s1, s2, s3 = zeros(V), zeros(V), zeros(V), zeros(V)
        for j in range(h.size):
            tap, place = h[last - j], i + j
            s0 = fma(tap, load(V, x, place), s0)
            s1 = fma(tap, load(V, x, place + lanes), s1)
            s2 = fma(tap, load(V, x, place + 2 * lanes), s2)
            s3 = fma(tap, load(V, x, place + 3 * lanes), s3)
        store(out, i, s0)
        store(out, i + lanes, s1)
        store(out, i + 2 * lanes, s2)
        store(out, i + 3 * lanes, s3)
    for i in range(whole, out.size, lanes):
        rest = min(lanes, out.size - i)
        total = zeros(V)
        for j in range(h.size):
            total = fma(h[last - j], load_first(V, x, i + j, rest), total)
        store_first(out, i, total, rest)


@register(
    "convolve1d",
    instrument="NumPy",
    story="one product of two spectra: removes the number of taps from the cost",
    tags=("ladder",),
)
def fft(x, h, out):
    """Convolve by multiplying spectra of the whole signal.

    Removes the number of taps from the cost: three transforms, whatever the filter. The
    transform's convolution is circular; the places that see all taps lie where nothing
    has wrapped round, so padding to a length of small factors is all it needs.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    h : ndarray, shape (t,)
        Taps, at least one.
    out : ndarray, shape (n - t + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If there is no tap, or the length of `out` does not fit.

    Cost
    ----
    Some ``7.5 N log2(N)`` FLOPs, ``N = fast_length(n)``; temporaries of 4 N elements.

    Source
    ------
    Stockham (1966).
    """
    _check("fft", x, h, out)
    if out.size:
        length = fast_length(x.size)
        spectrum = np.fft.rfft(x, length)
        spectrum *= np.fft.rfft(h, length)
        out[...] = np.fft.irfft(spectrum, length)[h.size - 1 : x.size]


@register(
    "convolve1d",
    instrument="NumPy",
    story="spectra of short blocks: removes the length of the signal from the logarithm",
    tags=("ladder",),
)
def overlap_save(x, h, out):
    """Convolve block by block, each by a product of spectra.

    Removes the long transform: blocks of a few times the filter's length have shorter
    logarithms and stay in the cache. Neighbouring blocks share ``t - 1`` samples; the
    outputs that wrapped round are thrown away.

    Parameters
    ----------
    x : ndarray, shape (n,), float32 or float64
    h : ndarray, shape (t,)
        Taps, at least one.
    out : ndarray, shape (n - t + 1,)
        Same dtype; overwritten.

    Raises
    ------
    ValueError
        If there is no tap, or the length of `out` does not fit.

    Cost
    ----
    Some ``5 N log2(N)`` FLOPs for each ``N - t + 1`` outputs, ``N = block_length(n, t)``;
    temporaries of about 3 n elements.

    Source
    ------
    Stockham (1966); Oppenheim and Schafer, *Discrete-Time Signal Processing*, on block
    convolution.
    """
    _check("overlap_save", x, h, out)
    if out.size == 0:
        return
    length = block_length(x.size, h.size)
    step = length - h.size + 1
    count = -(-out.size // step)
    padded = np.zeros((count - 1) * step + length, x.dtype)
    padded[: min(x.size, padded.size)] = x[: padded.size]
    spectra = np.fft.rfft(sliding_window_view(padded, length)[::step], axis=1)
    spectra *= np.fft.rfft(h, length)
    blocks = np.fft.irfft(spectra, length, axis=1)[:, h.size - 1 :]
    out[...] = blocks.reshape(-1)[: out.size]
