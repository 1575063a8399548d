"""Batch normalisation after training: mean and deviation of each channel are known.

Nothing has to be summed, so each image plane needs one pass: subtract a number, multiply
by another, add a third. A plane may be a single number, and then the channels lie side by
side.

Source
------
Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167 (2015), section 3.1,
algorithm 2: inference.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.activation import lists, register_for
from accel.kernels.activation.elements import past_caches
from accel.kernels.inputs import blank, normal
from accel.kernels.normalisation.rows import EPSILON, SHARES, WORTH_SHARING
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    apart,
    broadcast,
    elements_to_alignment,
    fence,
    first_lanes,
    fma,
    jit,
    load,
    load_first,
    load_masked,
    pointer,
    select,
    store,
    store_first,
    store_streaming,
    zeros,
)

#: No image, one number, planes of one number, of a register and more, beside powers of two.
EDGES = (
    {"n": 0, "c": 3, "h": 2, "w": 2},
    {"n": 2, "c": 3, "h": 0, "w": 2},
    {"n": 1, "c": 1, "h": 1, "w": 1},
    {"n": 3, "c": 17, "h": 1, "w": 1},
    {"n": 2, "c": 2, "h": 3, "w": 5},
    {"n": 1, "c": 3, "h": 4, "w": 4},
    {"n": 2, "c": 3, "h": 1, "w": 127},
    {"n": 1, "c": 5, "h": 8, "w": 16},
    {"n": 1, "c": 2, "h": 3, "w": 43},
    {"n": 1, "c": 127, "h": 1, "w": 2},
    {"n": 2, "c": 4, "h": 3, "w": 7, "values": "special"},
)

#: Planes of one number, of seven by seven, of rows that no register divides; one channel.
AWKWARD = (
    {"n": 256, "c": 511, "h": 1, "w": 1},
    {"n": 32, "c": 130, "h": 7, "w": 7},
    {"n": 2, "c": 3, "h": 223, "w": 227},
    {"n": 1, "c": 1, "h": 1, "w": 1_000_003},
)


def sizes(working_set_bytes: int) -> dict:
    """Return images of up to 64 channels of up to 56 by 56 that fill so many bytes twice."""
    elements = max(1, working_set_bytes // 8)
    side = min(56, max(1, math.isqrt(elements // 4)))
    c = min(64, max(1, elements // (side * side)))
    return {"n": max(1, elements // (c * side * side)), "c": c, "h": side, "w": side}


def batchnorm_inputs(
    n: int, c: int, h: int, w: int, dtype: str = "float32", values: str = "normal"
) -> tuple:
    """Return ``(x, mean, variance, weight, bias, out)``.

    "special": in the first channel variance 0, in the last infinities and a NaN.
    """
    if values not in ("normal", "special"):
        raise ValueError(f'values must be "normal" or "special", not {values!r}')
    x = normal((n, c, h, w), dtype, seed=1)
    mean, weight, bias = (normal((c,), dtype, seed=seed) for seed in (2, 3, 4))
    variance = np.square(normal((c,), dtype, seed=5))
    if values == "special":
        x[:, -1, 0, :3] = np.inf, -np.inf, np.nan
        variance[0] = 0
    return x, mean, variance, weight, bias, blank((n, c, h, w), dtype)


def batchnorm_oracle(x, mean, variance, weight, bias, out) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    Of the usual form, x times a scale plus a shift: the scale has four roundings, both
    products and both sums one each, and none is larger than |x| + |mean| times the scale,
    or the bias. Twice, for the oracle's own error; and the last subnormal digits.
    """
    about = np.finfo(x.dtype)
    z, m, v, w, b = (part.astype(np.float64) for part in (x, mean, variance, weight, bias))
    m, v, w, b = (part[:, np.newaxis, np.newaxis] for part in (m, v, w, b))
    scale = w / np.sqrt(v + EPSILON)
    expected = (z - m) * scale + b
    reach = (np.abs(z) + np.abs(m)) * np.abs(scale) + np.abs(b)
    finite = np.where(np.isfinite(reach), reach, 0.0)
    return expected, 6 * float(about.eps) * finite + 2 * float(about.tiny) * float(about.eps)


def batchnorm_flops(n: int, c: int, h: int, w: int, **_) -> int:
    """Three per element, and three per channel.

    Subtract, multiply, add; per channel an addition, a root and a division.
    """
    return 3 * n * c * h * w + 3 * c


def batchnorm_bytes(n: int, c: int, h: int, w: int, dtype: str = "float32", **_) -> int:
    """Read `x` and four numbers per channel, write `out`."""
    return (2 * n * c * h * w + 4 * c) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "batchnorm",
        batchnorm_inputs,
        batchnorm_oracle,
        batchnorm_flops,
        batchnorm_bytes,
        EDGES,
        sizes=sizes,
        awkward=AWKWARD,
    )
)


@register(
    "batchnorm",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def batchnorm_loop(x, mean, variance, weight, bias, out):
    """Normalise channels by loops over nested lists.

    The starting point: images, channels, rows and columns.

    Parameters
    ----------
    x, out : nested lists of float, of shape (n, c, h, w)
        `out` is overwritten.
    mean, variance, weight, bias : list of float, length c

    Cost
    ----
    3 FLOPs per number, each some dozens of instructions of the interpreter.
    """
    scales = [w / math.sqrt(v + EPSILON) for v, w in zip(variance, weight, strict=True)]
    for image, results in zip(x, out, strict=True):
        for channel, (plane, target) in enumerate(zip(image, results, strict=True)):
            middle, scale, shift = mean[channel], scales[channel], bias[channel]
            for row, result in zip(plane, target, strict=True):
                for j, value in enumerate(row):
                    result[j] = (value - middle) * scale + shift


@register(
    "batchnorm",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary arrays",
    tags=("ladder",),
)
def batchnorm_numpy(x, mean, variance, weight, bias, out):
    """Normalise channels by a whole-array expression.

    Removes the interpreter: the numbers of a channel are stretched over its planes. The
    last addition writes `out`, which stands for the array that the expression would return.

    Parameters
    ----------
    x, out : ndarray, shape (n, c, h, w), float32 or float64
        `out` is overwritten.
    mean, variance, weight, bias : ndarray, shape (c,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Four passes over arrays of the size of `x`; two temporaries at a time.
    """
    middle, spread, scale, shift = (
        each[:, np.newaxis, np.newaxis] for each in (mean, variance, weight, bias)
    )
    np.add((x - middle) / np.sqrt(spread + EPSILON) * scale, shift, out=out)


@register(
    "batchnorm",
    name="numpy_out",
    instrument="NumPy",
    story="one scale and one shift per channel, in place: removes two passes and temporaries",
    tags=("ladder",),
)
def batchnorm_numpy_out(x, mean, variance, weight, bias, out):
    """Normalise channels by one multiplication and one addition in `out`.

    Removes two passes and the temporaries: the numbers of a channel are multiplied out to a
    scale and a shift. A mean far from zero costs digits, which the difference would keep.

    Parameters
    ----------
    x, out : ndarray, shape (n, c, h, w), float32 or float64
        `out` is overwritten.
    mean, variance, weight, bias : ndarray, shape (c,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Two passes over arrays of the size of `x`; six numbers per channel allocated.
    """
    scale = weight / np.sqrt(variance + EPSILON)
    shift = bias - mean * scale
    np.multiply(x, scale[:, np.newaxis, np.newaxis], out=out)
    out += shift[:, np.newaxis, np.newaxis]


@register(
    "batchnorm",
    name="compiled",
    instrument="compiled",
    story="the loops again, compiled: removes the second pass",
    tags=("ladder",),
)
@jit
def batchnorm_compiled(x, mean, variance, weight, bias, out):
    """Normalise channels by compiled loops.

    Removes the second pass: difference, product and sum meet in registers, so the mean can
    be subtracted first, and no digits are lost where it is far from zero.

    Parameters
    ----------
    x, out : ndarray, shape (n, c, h, w), float32 or float64
        `out` is overwritten.
    mean, variance, weight, bias : ndarray, shape (c,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    3 FLOPs per number; one pass that reads `x` and writes `out`.
    """
    if x.shape != out.shape:
        raise ValueError("batchnorm: out must have the shape of x")
    n, c, h, w = x.shape
    if not c == mean.size == variance.size == weight.size == bias.size:
        raise ValueError("batchnorm: mean, variance, weight and bias must be one per channel")
    epsilon = x.dtype.type(EPSILON)
    for channel in range(c):
        middle, shift = mean[channel], bias[channel]
        scale = weight[channel] / math.sqrt(variance[channel] + epsilon)
        for image in range(n):
            for i in range(h):
                for j in range(w):
                    out[image, channel, i, j] = (x[image, channel, i, j] - middle) * scale + shift


@register(
    "batchnorm",
    name="vector",
    instrument="compiled",
    story="explicit vector registers over whole planes: removes the ends of rows",
    tags=("ladder", "best"),
)
@jit
def batchnorm_vector(x, mean, variance, weight, bias, out):
    """Normalise channels with vector registers as values.

    Removes the ends of rows: a plane is one line of numbers, whose last few are loaded and
    stored under a mask. Where a plane is a single number, registers hold one of several
    channels each.

    Parameters
    ----------
    x, out : ndarray, shape (n, c, h, w), float32 or float64, contiguous
        `out` is overwritten.
    mean, variance, weight, bias : ndarray, shape (c,), contiguous

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``h w / lanes`` subtractions and fused multiply-adds of registers per plane; one pass.
    """
    check_batchnorm(x, mean, variance, weight, bias, out)
    scale = weight / np.sqrt(variance + x.dtype.type(EPSILON))
    batchnorm_planes(x, mean, scale, bias, out, 0, x.shape[0] * x.shape[1])


@register(
    "batchnorm",
    name="threads",
    instrument="compiled",
    story="planes shared out among all cores: removes the idle ones",
    tags=("ladder", "threads"),
)
@apart
@jit
def batchnorm_threads(x, mean, variance, weight, bias, out):
    """Normalise channels on all cores.

    Removes the idle cores: each takes as many neighbouring planes as the next. Images too
    small to be worth waking them are left to one.

    Parameters, result and errors as for `batchnorm_vector`.
    """
    check_batchnorm(x, mean, variance, weight, bias, out)
    scale = weight / np.sqrt(variance + x.dtype.type(EPSILON))
    batchnorm_shared(x, mean, scale, bias, out)


@jit
def check_batchnorm(x, mean, variance, weight, bias, out):
    """Raise ValueError unless the shapes fit."""
    if x.shape != out.shape:
        raise ValueError("batchnorm: out must have the shape of x")
    if not x.shape[1] == mean.size == variance.size == weight.size == bias.size:
        raise ValueError("batchnorm: mean, variance, weight and bias must be one per channel")


@jit(parallel=True)
def batchnorm_shared(x, mean, scale, bias, out):
    """Normalise the planes of checked arguments, on all cores if that is worth it."""
    planes = x.shape[0] * x.shape[1]
    parts = min(SHARES, planes) if x.size >= WORTH_SHARING else 1
    if parts < 2:
        batchnorm_planes(x, mean, scale, bias, out, 0, planes)
        return
    for part in prange(parts):
        first, last = planes * part // parts, planes * (part + 1) // parts
        batchnorm_planes(x, mean, scale, bias, out, first, last)


@jit
def batchnorm_planes(x, mean, scale, bias, out, first, last):
    """Normalise planes first to last - 1 of checked arguments, counted over all images."""
    V = register_for(x)
    channels, plane = x.shape[1], x.shape[2] * x.shape[3]
    source, target = pointer(x.reshape(-1)), pointer(out.reshape(-1))
    m, s, b = pointer(mean.reshape(-1)), pointer(scale.reshape(-1)), pointer(bias.reshape(-1))
    if plane == 0:
        return
    if plane == 1:
        _side_by_side(V, source, channels, m, s, b, target, first, last)
        return
    streams = past_caches(x, 2) and plane >= 2 * V.lanes
    j, carry, channel = elements_to_alignment(V, target, first * plane), zeros(V), first % channels
    for at in range(first * plane, last * plane, plane):
        middle, stretch = broadcast(V, m[channel]), broadcast(V, s[channel])
        shift = broadcast(V, b[channel])
        if streams:
            carry, j = _stream_plane(V, source, at, plane, middle, stretch, shift, target, j, carry)
        else:
            _plane(V, source, at, at + plane, middle, stretch, shift, target)
        channel += 1
        if channel == channels:
            channel = 0
    if streams and last > first:
        store_first(target, last * plane + j, carry, -j)
        fence()


@jit
def _plane(V, x, at, end, m, s, b, out):
    """Normalise one plane by registers of its channel's numbers."""
    while end - at >= 4 * V.lanes:
        t, u = load(V, x, at) - m, load(V, x, at + V.lanes) - m
        v, w = load(V, x, at + 2 * V.lanes) - m, load(V, x, at + 3 * V.lanes) - m
        store(out, at, fma(t, s, b))
        store(out, at + V.lanes, fma(u, s, b))
        store(out, at + 2 * V.lanes, fma(v, s, b))
        store(out, at + 3 * V.lanes, fma(w, s, b))
        at += 4 * V.lanes
    while end - at >= V.lanes:
        store(out, at, fma(load(V, x, at) - m, s, b))
        at += V.lanes
    if end > at:
        store_first(out, at, fma(load_first(V, x, at, end - at) - m, s, b), end - at)


@jit
def _stream_plane(V, x, at, plane, m, s, b, out, j, carry):
    """Normalise one plane past the caches, in whole lines.

    Start at j, below 0 where `carry` holds results of the plane before; return as much: half
    a line written as usual would have to be read first.
    """
    if j > 0:
        store_first(out, at, fma(load_first(V, x, at, j) - m, s, b), j)
    elif j < 0:
        ours = ~first_lanes(V, -j)
        result = fma(load_masked(V, x, at + j, ours) - m, s, b)
        store_streaming(out, at + j, select(ours, result, carry))
        j += V.lanes
    while plane - j >= V.lanes:
        store_streaming(out, at + j, fma(load(V, x, at + j) - m, s, b))
        j += V.lanes
    return fma(load_first(V, x, at + j, plane - j) - m, s, b), j - plane


@jit
def _side_by_side(V, x, channels, mean, scale, bias, out, first, last):
    """Normalise planes of one number each: a register holds neighbouring channels."""
    i = first
    while i < last:
        channel = i % channels
        end = min(last, i + channels - channel)
        while end - i >= V.lanes:
            m, s, b = load(V, mean, channel), load(V, scale, channel), load(V, bias, channel)
            store(out, i, fma(load(V, x, i) - m, s, b))
            i += V.lanes
            channel += V.lanes
        count = end - i
        m, s = load_first(V, mean, channel, count), load_first(V, scale, channel, count)
        b = load_first(V, bias, channel, count)
        store_first(out, i, fma(load_first(V, x, i, count) - m, s, b), count)
        i = end
