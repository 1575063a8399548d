"""Softmax, layernorm and GELU on a device: each number is fetched once, and written once.

Of short rows, that is: a row is read again for its results, and comes from the caches of the
device then. Arrays on the host or on the device, float32 or float64; `out` may be the very
array that is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accel.kernels.cuda.staging import extent, on_host, overlap, staged

#: Most and fewest threads of a block that has a row: powers of two.
MOST_THREADS, FEWEST_THREADS = 256, 32

#: Numbers of a row that a thread takes, about, while there are fewer threads than allowed.
NUMBERS_EACH = 4

#: Threads of a block of GELU, and most blocks: enough to fill the largest device several
#: times over; what is longer is walked in strides of the grid.
GELU_THREADS, GELU_BLOCKS = 256, 1 << 14


def softmax_online(x, out):
    """Compute the softmax of rows with one block for each, in two passes.

    Removes the passes for the largest number and for the sum, which become one: each thread
    keeps the largest number so far and the sum relative to it, and rescales the sum when it
    meets a larger one. Two threads' parts are put together by the same rule.

    Parameters
    ----------
    x : array, shape (rows, width), float32 or float64
    out : array, shape (rows, width)
        Overwritten; may be `x`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps `x` partly.

    Cost
    ----
    ``5 rows width`` FLOPs; two reads and a write of each number, the second read from a cache
    where the row fits one.

    Source
    ------
    Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867
    (2018), section 3.
    """
    _check("softmax.online", 2, out, x=x)
    if out.size:
        from accel.kernels.cuda.row_kernels import softmax

        rows, width = out.shape
        threads = _threads(width)
        with staged(x, out) as arrays:
            softmax(_name(out), threads)[rows, threads](*arrays)


def layernorm_rows(x, weight, bias, out):
    """Compute the layernorm of rows with one block for each.

    Removes the arrays between the steps of the formula. The variance is found from the
    distances from the mean, as on the host: a mean far from zero costs no digits.

    Parameters
    ----------
    x : array, shape (rows, width), float32 or float64
    weight, bias : array, shape (width,)
        Same dtype as `x`.
    out : array, shape (rows, width)
        Overwritten; may be `x`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an input other than all of `x`.

    Cost
    ----
    ``7 rows width`` FLOPs; three reads and a write of each number, of which the later reads
    come from a cache where the row fits one.

    Source
    ------
    Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450 (2016), section 3.
    """
    _check("layernorm.rows", 2, out, x=x)
    _check_columns(out, weight=weight, bias=bias)
    if out.size:
        from accel.kernels.cuda.row_kernels import layernorm
        from accel.kernels.normalisation.rows import EPSILON

        rows, width = out.shape
        threads = _threads(width)
        with staged(x, weight, bias, out) as arrays:
            layernorm(_name(out), threads, EPSILON)[rows, threads](*arrays)


def gelu_strides(x, out):
    """Compute GELU in its tanh form, each thread going on in strides of the grid.

    Removes the arrays between the steps of the formula. Neighbouring threads have
    neighbouring numbers at every stride.

    Parameters
    ----------
    x : array, shape (n,), float32 or float64
    out : array, shape (n,)
        Overwritten; may be `x`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps `x` partly.

    Cost
    ----
    ``8 n`` FLOPs, of which ``n`` are ``tanh``; a read and a write of each number.

    Source
    ------
    Harris, "CUDA Pro Tip: Write Flexible Kernels with Grid-Stride Loops", NVIDIA Technical
    Blog (2013).
    """
    _check("gelu.strides", 1, out, x=x)
    if out.size:
        from accel.kernels.activation.gelu import CUBIC, SLOPE
        from accel.kernels.cuda.row_kernels import gelu

        blocks = min(-(-out.size // GELU_THREADS), GELU_BLOCKS)
        with staged(x, out) as arrays:
            gelu(_name(out), SLOPE, CUBIC)[blocks, GELU_THREADS](*arrays)


def _threads(width: int) -> int:
    """Return the threads for a row: a power of two."""
    threads = FEWEST_THREADS
    while threads < MOST_THREADS and threads * NUMBERS_EACH < width:
        threads *= 2
    return threads


def _name(out: Any) -> str:
    return np.dtype(out.dtype).name


def _check(kernel: str, dimensions: int, out: Any, **read: Any) -> None:
    """Refuse arguments that device code without bounds checks must never see."""
    for name, x in read.items():
        if len(x.shape) != dimensions or tuple(x.shape) != tuple(out.shape):
            raise ValueError(
                f"{kernel}: expected {name} and out of one shape, of {dimensions} "
                f"dimension{'s' * (dimensions > 1)}, got {tuple(x.shape)} and {tuple(out.shape)}"
            )
        if x.dtype != out.dtype or _name(out) not in ("float32", "float64"):
            raise ValueError(
                f"{kernel}: expected one dtype for all, float32 or float64, got {name} "
                f"{x.dtype} and out {out.dtype}; convert with astype"
            )
        if overlap(x, out) and extent(x) != extent(out):
            raise ValueError(
                f"{kernel}: expected an out that is {name} or lies apart from it, got one that "
                "overlaps it partly; pass a new array"
            )
    if on_host(out) and not out.flags.writeable:
        raise ValueError(f"{kernel}: expected a writable out, got a read-only array")


def _check_columns(out: Any, **constants: Any) -> None:
    for name, x in constants.items():
        if tuple(x.shape) != (out.shape[1],) or x.dtype != out.dtype:
            raise ValueError(
                f"layernorm.rows: expected {name} of shape ({out.shape[1]},) and {out.dtype}, "
                f"got {tuple(x.shape)} and {x.dtype}"
            )
        if overlap(x, out):
            raise ValueError(
                f"layernorm.rows: expected an out apart from {name}, got one that overlaps it; "
                "pass a new array"
            )
