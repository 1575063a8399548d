"""Convolution of images with small filters: a product of matrices in disguise, or not.

`conv2d` slides filters of 3 by 3 numbers over images of several channels. `x` has shape
(batch, channels, height, width), often called NCHW; `weight` (filters, channels, 3, 3);
`out` (batch, filters, height - 2, width - 2): no padding, steps of one. As in neural
networks the filter is not flipped, which mathematics calls a cross-correlation. Arrays
are contiguous, of one element type; `out` must not overlap the inputs. The ladder's
`loop` reads and writes nested lists.

FLOPs count the multiplications and additions of the definition. Each number of `x` is
used up to ``9 filters`` times, so compulsory bytes (each input read once, each result
written once) are few.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 9.1. Chellapilla, Puri
and Simard, "High Performance Convolutional Neural Networks for Document Processing",
IWFHR (2006), for unrolling a convolution into a product of matrices.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.activation import lists
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: Rows and columns of a filter.
TAPS = 3

EDGES = (
    {"side": 3, "channels": 1, "batch": 0},
    {"side": 5, "channels": 0, "filters": 2},
    {"side": 5, "channels": 2, "filters": 0},
    {"side": 2, "channels": 2},
    {"side": 3, "channels": 1},
    {"side": 4, "channels": 2, "filters": 3},
    {"side": 5, "channels": 3, "filters": 2, "batch": 2, "width": 7},
    {"side": 3, "channels": 1, "width": 127},
    {"side": 4, "channels": 1, "filters": 2, "width": 128},
    {"side": 3, "channels": 2, "width": 129},
    {"side": 9, "channels": 17, "filters": 1},
)


def _shapes(
    side: int, channels: int, filters: int | None = None, batch: int = 1, width: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of `x`, `weight` and `out`."""
    filters = channels if filters is None else filters
    width = side if width is None else width
    return (
        (batch, channels, side, width),
        (filters, channels, TAPS, TAPS),
        (batch, filters, side - TAPS + 1, width - TAPS + 1),
    )


def conv2d_inputs(side: int, channels: int, dtype: str = "float32", **more) -> tuple:
    """Return ``(x, weight, out)``.

    Parameters
    ----------
    side, channels : int
        Height and width of the images, at least 2, and their channels.
    filters, batch, width : int, optional
        As many filters as channels, one image, a square one, unless given.
    """
    x, weight, out = _shapes(side, channels, **more)
    return normal(x, dtype, seed=1), normal(weight, dtype, seed=2), blank(out, dtype)


def conv2d_oracle(x: np.ndarray, weight: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64, and the error each element may have.

    Each element is a sum of ``9 channels`` products, so the error is that of a product
    of matrices: see `accel.kernels.matmul.oracle`.
    """
    error = np.finfo(x.dtype).eps / 2 * (8 + 2 * math.sqrt(weight[0:1].size))
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    expected, magnitude = np.zeros(out.shape), np.zeros(out.shape)
    for i, j in np.ndindex(TAPS, TAPS):
        seen = x[:, :, i : i + out.shape[2], j : j + out.shape[3]]
        expected += np.einsum("bchw,fc->bfhw", seen, weight[:, :, i, j])
        magnitude += np.einsum("bchw,fc->bfhw", np.abs(seen), np.abs(weight[:, :, i, j]))
    return expected, error * magnitude


def conv2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """A multiplication and an addition for each filter element at each place."""
    _, weight, out = _shapes(side, channels, **more)
    return 2 * math.prod(weight[1:]) * math.prod(out)


def conv2d_bytes(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Read `x` and `weight`, write `out`."""
    shapes = _shapes(side, channels, **more)
    return sum(map(math.prod, shapes)) * np.dtype(dtype).itemsize


register_operation(
    Operation("conv2d", conv2d_inputs, conv2d_oracle, conv2d_flops, conv2d_bytes, EDGES)
)


@register(
    "conv2d",
    name="loop",
    instrument="interpreter",
    story="seven Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def conv2d_loop(x, weight, out):
    """Convolve by the definition, with loops over nested lists.

    The starting point.

    Parameters
    ----------
    x, weight, out : nested lists of float, of the shapes named above
        `out` is overwritten.

    Cost
    ----
    ``18 channels`` FLOPs per result, each some dozens of instructions of the interpreter.
    """
    for image, results in zip(x, out, strict=True):
        for planes, result in zip(weight, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    total = 0.0
                    for plane, taps in zip(image, planes, strict=True):
                        for r in range(TAPS):
                            for s in range(TAPS):
                                total += plane[i + r][j + s] * taps[r][s]
                    row[j] = total


@register(
    "conv2d",
    name="im2col",
    instrument="NumPy",
    story="one product of matrices: removes the interpreter, copies the image nine times",
    tags=("ladder",),
)
def conv2d_im2col(x, weight, out):
    """Convolve by one product of matrices, after copying the image once for each tap.

    Removes the interpreter: with the nine numbers under a filter in one column, all
    places are one matrix, all filters another, and BLAS multiplies them at a speed that
    no plain loop reaches. It adds a matrix nine times as large as the images.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `out` is not contiguous.

    Cost
    ----
    ``18 channels`` FLOPs per result; a temporary of ``9 channels`` numbers per place.
    """
    if not out.flags.c_contiguous:
        raise ValueError("conv2d: out must be contiguous; write to out.copy()")
    batch, channels = x.shape[:2]
    filters, height, width = out.shape[1:]
    places = height * width
    columns = np.empty((batch, channels, TAPS, TAPS, height, width), x.dtype)
    for i in range(TAPS):
        for j in range(TAPS):
            columns[:, :, i, j] = x[:, :, i : i + height, j : j + width]
    depth = channels * TAPS * TAPS
    matrix = columns.reshape(batch, depth, places)
    np.matmul(weight.reshape(filters, depth), matrix, out=out.reshape(batch, filters, places))


@register(
    "conv2d",
    name="direct",
    instrument="compiled",
    story="the loops again, compiled: removes the copies, and with them the library",
    tags=("ladder",),
)
@jit(fastmath={"contract"})
def conv2d_direct(x, weight, out):
    """Convolve by compiled loops, one row of results at a time.

    Removes the copies: a row of results is added up from rows of the image where they
    lie. Three taps in one go, so that a result is loaded and stored once for three
    products; a register tile, as in the library's product of matrices, would save that
    as well.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``18 channels`` FLOPs per result; nothing allocated.
    """
    batch, channels, height, width = x.shape
    filters = weight.shape[0]
    if weight.shape[1:] != (channels, TAPS, TAPS):
        raise ValueError("conv2d: weight must be of shape (filters, channels, 3, 3)")
    if out.shape != (batch, filters, height - TAPS + 1, width - TAPS + 1):
        raise ValueError("conv2d: out must be of shape (batch, filters, height - 2, width - 2)")
    out[...] = 0
    for b in range(batch):
        for f in range(filters):
            for i in range(out.shape[2]):
                sums = out[b, f, i]
                for c in range(channels):
                    for r in range(TAPS):
                        row, taps = x[b, c, i + r], weight[f, c, r]
                        first, second, third = taps[0], taps[1], taps[2]
                        left, middle, right = row[: sums.size], row[1:], row[2:]
                        for j in range(sums.size):
                            sums[j] += first * left[j] + second * middle[j] + third * right[j]
