"""Convolution of images with small filters: a product of matrices in disguise, or not.

`conv2d` slides filters over images of several channels. `x` has shape (batch, channels,
height, width), often called NCHW; `weight` (filters, channels, kernel, kernel); `out`
(batch, filters, places down, places across). A filter moves `stride` numbers at a time, over
an image with `padding` zeros on each side, and is not flipped, which mathematics calls a
cross-correlation. Arrays are contiguous, of one element type; `out` must not overlap the
inputs. The ladder's `loop` reads and writes nested lists.

FLOPs count the multiplications and additions of the definition. Each number of `x` is
used up to ``kernel**2 filters`` times, so compulsory bytes (each input read once, each result
written once) are few. A weight that is infinite or NaN meets the zeros of the padding in some
steps, which gives NaN, and skips them in others.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 9.1. Chellapilla, Puri
and Simard, "High Performance Convolutional Neural Networks for Document Processing",
IWFHR (2006), for unrolling a convolution into a product of matrices.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels import work
from accel.kernels.convolution import lines, shapes, winograd
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit


def conv2d_inputs(side: int, channels: int, dtype: str = "float32", **more) -> tuple:
    """Return ``(x, weight, stride, padding, out)``; parameters as in `shapes.of`."""
    return shapes.inputs(dtype, side=side, channels=channels, **more)


def conv2d_oracle(x, weight, stride, padding, out) -> tuple:
    """Return the answer in float64, and the error each element may have."""
    return shapes.answer(x, weight, stride, padding, out.shape)


def conv2d_flops(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """A multiplication and an addition for each filter element at each place."""
    return shapes.flops(side=side, channels=channels, **more)


def conv2d_bytes(side: int, channels: int, dtype: str = "float32", **more) -> int:
    """Read `x` and `weight`, write `out`."""
    return shapes.compulsory_bytes(dtype, side=side, channels=channels, **more)


register_operation(
    Operation(
        "conv2d",
        conv2d_inputs,
        conv2d_oracle,
        conv2d_flops,
        conv2d_bytes,
        shapes.EDGES,
        sizes=shapes.sized,
        awkward=shapes.AWKWARD,
        work=work.convolution,
        signature=(0, 1, 2, 3),
    )
)


@register(
    "conv2d",
    name="loop",
    instrument="interpreter",
    story="seven Python loops over nested lists",
    adapt=shapes.nested,
    tags=("ladder",),
)
def conv2d_loop(x, weight, stride, padding, out):
    """Convolve by the definition, with loops over nested lists.

    The starting point.

    Parameters
    ----------
    x, weight, out : nested lists of float, of the shapes named above
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Cost
    ----
    ``2 kernel**2 channels`` FLOPs per result, each some dozens of instructions of the
    interpreter.
    """
    for image, results in zip(x, out, strict=True):
        for planes, result in zip(weight, results, strict=True):
            for i, row in enumerate(result):
                for j in range(len(row)):
                    total = 0.0
                    for plane, taps in zip(image, planes, strict=True):
                        for r, line in enumerate(taps, i * stride - padding):
                            if 0 <= r < len(plane):
                                for s, tap in enumerate(line, j * stride - padding):
                                    if 0 <= s < len(plane[r]):
                                        total += plane[r][s] * tap
                    row[j] = total


@register(
    "conv2d",
    name="im2col",
    instrument="NumPy",
    story="one product of matrices: removes the interpreter, copies the image nine times",
    tags=("ladder",),
)
def conv2d_im2col(x, weight, stride, padding, out):
    """Convolve by one product of matrices, after copying the image once for each tap.

    Removes the interpreter: with the numbers under a filter in one column, all
    places are one matrix, all filters another, and BLAS multiplies them at a speed that
    no plain loop reaches. It adds a matrix ``kernel**2`` times as large as the images,
    except for a 1 x 1 filter that goes to every place: there the image is that matrix.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `out` is not contiguous.

    Cost
    ----
    ``2 kernel**2 channels`` FLOPs per result; a temporary of ``kernel**2 channels`` numbers
    per place.
    """
    if not out.flags.c_contiguous:
        raise ValueError("conv2d: out must be contiguous; write to out.copy()")
    shapes.check("conv2d", x.shape, weight.shape, stride, padding, out.shape)
    batch, channels = x.shape[:2]
    filters, height, width = out.shape[1:]
    rows, columns = weight.shape[2:]
    places, depth = height * width, channels * rows * columns
    if (rows, columns, stride, padding) == (1, 1, 1, 0):
        matrix = x.reshape(batch, depth, places)
    else:
        x = shapes.padded(x, padding)
        copies = np.empty((batch, channels, rows, columns, height, width), x.dtype)
        for i in range(rows):
            for j in range(columns):
                seen = x[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
                copies[:, :, i, j] = seen
        matrix = copies.reshape(batch, depth, places)
    np.matmul(weight.reshape(filters, depth), matrix, out=out.reshape(batch, filters, places))


@register(
    "conv2d",
    name="direct",
    instrument="compiled",
    story="the loops again, compiled: removes the copies, and with them the library",
    tags=("ladder",),
)
@jit(fastmath={"contract"})
def conv2d_direct(x, weight, stride, padding, out):
    """Convolve by compiled loops, one row of results at a time.

    Removes the copies: a row of results is added up from rows of the image where they
    lie. Three taps in one go where the whole row sees all three, so that a result is loaded
    and stored once for three products; a register tile, as in the library's product of
    matrices, would save that as well.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel**2 channels`` FLOPs per result, less where taps meet padding; nothing allocated.
    """
    lines.check(x, weight, stride, padding, out)
    batch, channels, height, width = x.shape
    filters, _, rows, columns = weight.shape
    out[...] = 0
    for b in range(batch):
        for f in range(filters):
            for i in range(out.shape[2]):
                sums = out[b, f, i]
                for c in range(channels):
                    for r in range(rows):
                        at = i * stride + r - padding
                        if at < 0 or at >= height:
                            continue
                        row, taps = x[b, c, at], weight[f, c, r]
                        if columns == 3 and stride == 1 and padding == 0:
                            first, second, third = taps[0], taps[1], taps[2]
                            left, middle, right = row[: sums.size], row[1:], row[2:]
                            for j in range(sums.size):
                                sums[j] += first * left[j] + second * middle[j] + third * right[j]
                            continue
                        for s in range(columns):
                            tap, ahead = taps[s], s - padding
                            low = max(0, -(ahead // stride))
                            high = min(sums.size, -((ahead - width) // stride))
                            for j in range(low, high):
                                sums[j] += tap * row[j * stride + ahead]


@register(
    "conv2d",
    name="tiled",
    instrument="compiled",
    story="a product of matrices whose factor is never built: removes the loads and stores of sums",
    tags=("ladder", "best"),
)
@jit
def conv2d_tiled(x, weight, stride, padding, out):
    """Convolve by register tiles of filters times places, straight from the image.

    Removes the sums' way to memory and back: a tile of results stays in registers until
    all channels and taps are added. It is the product of matrices of `im2col`, without the
    matrix: `accel.kernels.convolution.lines` finds its rows in the image.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32 or float64, contiguous
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``2 kernel**2 channels`` FLOPs per result, and those of the places between rows; one copy of
    the image, a band at a time, unless the filter is 1 x 1.
    """
    lines.check(x, weight, stride, padding, out)
    if out.size == 0:
        return
    wide, narrow = lines.wide_for(x), lines.narrow_for(x)
    for image in range(x.shape[0]):
        lines.convolve(
            wide, narrow, x, weight, stride, padding, out, image, np.int64(0), out.shape[2]
        )


@register(
    "conv2d",
    name="winograd",
    instrument="compiled",
    story="filters of 3 x 3 by transformation: removes more than half of the multiplications",
    dtypes=("float32",),
    tags=("ladder", "best", "fewer_flops"),
)
def conv2d_winograd(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation where that pays, else as `conv2d_tiled`.

    Removes more than half of the multiplications of 3 x 3 filters that go to every place: see
    `accel.kernels.convolution.winograd`. Results that are not finite are computed again by
    `conv2d_tiled`, for the transformation spreads NaN and infinities.

    Parameters
    ----------
    x, weight, out : ndarray of the shapes named above, float32, contiguous
        `out` is overwritten.
    stride, padding : int
        Distance between places, zeros on each side.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    ``8 channels`` FLOPs per result instead of ``18 channels``, and the transformations: of each
    filter, each piece of 4 x 4 numbers and each 2 x 2 results once.
    """
    pays = winograd.pays(weight.shape, out.shape, stride)
    if not (pays and conv2d_transformed(x, weight, stride, padding, out)):
        conv2d_tiled(x, weight, stride, padding, out)


@jit
def conv2d_transformed(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation; tell whether all results are finite."""
    lines.check(x, weight, stride, padding, out)
    if weight.shape[2] != 3 or weight.shape[3] != 3 or stride != 1 or weight.size == 0:
        return False
    u, size = winograd.filters_transformed(lines.wide_for(x).rows, weight)
    rows = x.shape[0] * ((out.shape[2] + 1) // 2)
    winograd.winograd_rows(x, u, size, padding, out, np.int64(0), rows)
    return winograd.all_finite(out)


@register(
    "conv2d",
    name="threads",
    instrument="compiled",
    story="bands of images on all cores",
    tags=("threads", "fewer_flops"),
)
def conv2d_threads(x, weight, stride, padding, out):
    """Convolve as `conv2d_winograd` or `conv2d_tiled`, bands of images spread over all cores.

    Removes the wait for one core. Small convolutions stay on one: waking the others takes
    microseconds.

    Parameters and errors as for `conv2d_tiled`; cost as for the step that does the work.
    """
    flops = 2 * out.size * (weight.size // max(1, weight.shape[0]))
    single = x.dtype == np.float32
    if get_num_threads() == 1 or flops < lines.THREADS_PAY_FLOPS:
        (conv2d_winograd if single else conv2d_tiled)(x, weight, stride, padding, out)
        return
    pays = single and winograd.pays(weight.shape, out.shape, stride)
    parts = 2 * get_num_threads()
    if pays and conv2d_transformed_in_bands(x, weight, stride, padding, out, parts):
        return
    bands = lines.bands_of(x.shape[0], out.shape[2], flops, get_num_threads())
    conv2d_in_bands(x, weight, stride, padding, out, bands)


@jit(parallel=True)
def conv2d_in_bands(x, weight, stride, padding, out, bands):
    """Convolve each of `bands` bands of rows of each image on a core that is free."""
    lines.check(x, weight, stride, padding, out)
    rows = out.shape[2]
    for task in prange(x.shape[0] * bands):
        image, band = np.int64(task) // bands, np.int64(task) % bands  # as one core counts
        lines.convolve(
            lines.wide_for(x), lines.narrow_for(x), x, weight, stride, padding, out, image,
            band * rows // bands, (band + 1) * rows // bands,
        )  # fmt: skip


@jit(parallel=True)
def conv2d_transformed_in_bands(x, weight, stride, padding, out, bands):
    """Convolve as `conv2d_transformed`, `bands` bands of all images on the cores."""
    lines.check(x, weight, stride, padding, out)
    if weight.shape[2] != 3 or weight.shape[3] != 3 or stride != 1 or weight.size == 0:
        return False
    u, size = winograd.filters_transformed(lines.wide_for(x).rows, weight)
    rows = x.shape[0] * ((out.shape[2] + 1) // 2)
    for task in prange(bands):
        band = np.int64(task)
        first, stop = band * rows // bands, (band + 1) * rows // bands
        winograd.winograd_rows(x, u, size, padding, out, first, stop)
    return winograd.all_finite(out)
