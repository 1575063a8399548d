"""Convolution of images whose channels are the last axis, called NHWC.

`x` has shape (batch, height, width, channels), `weight` (kernel, kernel, channels, filters),
`out` (batch, places down, places across, filters): the channels of a pixel lie side by side,
and so do the weights that one number of `x` meets. All else is as for `conv2d` in
`accel.kernels.convolution.nchw`.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 9.1.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels import work
from accel.kernels.convolution import shapes, winograd, winograd_pixels
from accel.kernels.convolution.lines import THREADS_PAY_FLOPS, bands_of
from accel.kernels.convolution.pixels import (
    Image,
    Results,
    Window,
    block_tile_for,
    convolve_image,
    strips_of,
    wide_tile_for,
)
from accel.kernels.convolution.winograd import SINGLE
from accel.kernels.convolution.winograd_pixels import (
    Images,
    Taps,
    taps_transformed,
    winograd_band,
)
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, pointer


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return a view with channels last of an array with channels second."""
    return x.transpose(0, 2, 3, 1)


def conv2d_nhwc_inputs(side: int, channels: int, dtype: str = "float32", **more) -> tuple:
    """Return ``(x, weight, stride, padding, out)``; parameters as in `shapes.of`."""
    x, weight, stride, padding, out = shapes.inputs(dtype, side=side, channels=channels, **more)
    last = [np.ascontiguousarray(channels_last(each)) for each in (x, out)]
    return last[0], np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), stride, padding, last[1]


def conv2d_nhwc_oracle(x, weight, stride, padding, out) -> tuple:
    """Return the answer in float64, and the error each element may have."""
    x, weight, out = (
        x.transpose(0, 3, 1, 2),
        weight.transpose(3, 2, 0, 1),
        out.transpose(0, 3, 1, 2),
    )
    expected, error = shapes.answer(x, weight, stride, padding, out.shape)
    return channels_last(expected), channels_last(error)


register_operation(
    Operation(
        "conv2d_nhwc",
        conv2d_nhwc_inputs,
        conv2d_nhwc_oracle,
        shapes.flops,
        shapes.compulsory_bytes,
        shapes.EDGES,
        sizes=shapes.sized,
        awkward=shapes.AWKWARD,
        work=work.convolution_nhwc,
        signature=(0, 1, 2, 3),
    )
)


@register(
    "conv2d_nhwc",
    name="loop",
    instrument="interpreter",
    story="seven Python loops over nested lists",
    adapt=shapes.nested,
    tags=("ladder",),
)
def conv2d_nhwc_loop(x, weight, stride, padding, out):
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
        for i, row in enumerate(results):
            for j, result in enumerate(row):
                for f in range(len(result)):
                    total = 0.0
                    for r, line in enumerate(weight, i * stride - padding):
                        if 0 <= r < len(image):
                            for s, taps in enumerate(line, j * stride - padding):
                                if 0 <= s < len(image[r]):
                                    for value, tap in zip(image[r][s], taps, strict=True):
                                        total += value * tap[f]
                    result[f] = total


@register(
    "conv2d_nhwc",
    name="im2col",
    instrument="NumPy",
    story="one product of matrices: removes the interpreter, copies the image nine times",
    tags=("ladder",),
)
def conv2d_nhwc_im2col(x, weight, stride, padding, out):
    """Convolve by one product of matrices, after copying the image once for each tap.

    Removes the interpreter, as `conv2d_im2col` does. Here the copies are of whole pixels, and
    places, not filters, are the rows of the product.

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
        raise ValueError("conv2d_nhwc: out must be contiguous; write to out.copy()")
    batch, _, _, channels = x.shape
    height, width, filters = out.shape[1:]
    first = [(shape[0], shape[3], shape[1], shape[2]) for shape in (x.shape, out.shape)]
    window = (weight.shape[3], weight.shape[2], *weight.shape[:2])
    shapes.check("conv2d_nhwc", first[0], window, stride, padding, first[1])
    rows, columns = weight.shape[:2]
    places, depth = batch * height * width, rows * columns * channels
    if (rows, columns, stride, padding) == (1, 1, 1, 0):
        matrix = x.reshape(places, depth)
    else:
        x = shapes.padded(x, padding, first=1)
        copies = np.empty((batch, height, width, rows, columns, channels), x.dtype)
        for i in range(rows):
            for j in range(columns):
                seen = x[:, i : i + stride * height : stride, j : j + stride * width : stride]
                copies[:, :, :, i, j] = seen
        matrix = copies.reshape(places, depth)
    np.matmul(matrix, weight.reshape(depth, filters), out=out.reshape(places, filters))


@jit
def check_nhwc(x, weight, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, height, width, channels = x.shape
    rows, columns, _, filters = weight.shape
    if stride < 1:
        raise ValueError("conv2d_nhwc: stride must be at least 1")
    if padding < 0:
        raise ValueError("conv2d_nhwc: padding must not be negative")
    if weight.shape[2] != channels or rows < 1 or columns < 1:
        raise ValueError("conv2d_nhwc: weight must be of shape (kernel, kernel, channels, filters)")
    down = max(0, (height + 2 * padding - rows) // stride + 1)
    across = max(0, (width + 2 * padding - columns) // stride + 1)
    if out.shape != (batch, down, across, filters):
        raise ValueError(
            "conv2d_nhwc: out must be of shape (batch, places down, places across, filters)"
        )


@register(
    "conv2d_nhwc",
    name="direct",
    instrument="compiled",
    story="the loops again, compiled: removes the copies, and with them the library",
    tags=("ladder",),
)
@jit(fastmath={"contract"})
def conv2d_nhwc_direct(x, weight, stride, padding, out):
    """Convolve by compiled loops, one pixel of results at a time.

    Removes the copies. One number of `x` at a time meets a row of weights, which lie side by
    side as the results do, so the compiler uses vector instructions; results are loaded and
    stored once for each product.

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
    check_nhwc(x, weight, stride, padding, out)
    batch, height, width, channels = x.shape
    rows, columns, _, filters = weight.shape
    out[...] = 0
    for b in range(batch):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                sums = out[b, i, j]
                for r in range(
                    max(0, padding - i * stride), min(rows, height + padding - i * stride)
                ):
                    low = max(0, padding - j * stride)
                    for s in range(low, min(columns, width + padding - j * stride)):
                        pixel = x[b, i * stride + r - padding, j * stride + s - padding]
                        for c in range(channels):
                            taps = weight[r, s, c]
                            for f in range(filters):
                                sums[f] += pixel[c] * taps[f]


@jit
def image_nhwc(T, N, x, packed, shape, stride, padding, out, image, first, stop):
    """Compute rows `first` to `stop` of the results of one image from packed weights."""
    height, width, channels = x.shape[1:]
    down, across, filters = out.shape[1:]
    rows, columns = shape[:2]
    here = Image(pointer(x), image * height * width * channels, 0, 0, width * channels, channels)
    to = image * down * across * filters
    there = Results(pointer(out), to, T.columns, filters, across, filters)
    window = Window(1, rows, columns, stride)
    convolve_image(
        T, N, here, height, width, window, padding, pointer(packed), there, first, stop, out
    )


@register(
    "conv2d_nhwc",
    name="tiled",
    instrument="compiled",
    story="tiles of places times filters: removes the loads and stores of sums",
    tags=("ladder", "best"),
)
@jit
def conv2d_nhwc_tiled(x, weight, stride, padding, out):
    """Convolve by register tiles of places times filters, straight from the image.

    Removes the sums' way to memory and back: see `accel.kernels.convolution.pixels`. Weights
    are packed first, in the order in which tiles need them.

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
    the weights, and one of the image, a band at a time, unless the filter is 1 x 1.
    """
    check_nhwc(x, weight, stride, padding, out)
    if out.size == 0:
        return
    T, N = wide_tile_for(x), block_tile_for(x)
    packed = strips_of(T, N, weight)
    for image in range(x.shape[0]):
        image_nhwc(
            T, N, x, packed, weight.shape, stride, padding, out, image, np.int64(0), out.shape[1]
        )


@register(
    "conv2d_nhwc",
    name="winograd",
    instrument="compiled",
    story="filters of 3 x 3 by transformation: removes more than half of the multiplications",
    dtypes=("float32",),
    tags=("ladder", "best", "fewer_flops"),
)
def conv2d_nhwc_winograd(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation where that pays, else as `conv2d_nhwc_tiled`.

    Removes more than half of the multiplications of 3 x 3 filters that go to every place: see
    `accel.kernels.convolution.winograd_pixels`. Results that are not finite are computed again
    by `conv2d_nhwc_tiled`, for the transformation spreads NaN and infinities.

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
    if not (_pays(weight, out, stride) and nhwc_transformed(x, weight, stride, padding, out)):
        conv2d_nhwc_tiled(x, weight, stride, padding, out)


def _pays(weight: np.ndarray, out: np.ndarray, stride: int) -> bool:
    """Tell whether Winograd's way is open, and faster than the definition."""
    rows, columns, channels, filters = weight.shape
    images, down, across, _ = out.shape
    pieces = images * (down // 2) * (across // 2)
    return rows == columns == 3 and stride == 1 and winograd_pixels.pays(filters, channels, pieces)


@jit
def images_of(x):
    """Return how Winograd's transformation finds the numbers of images."""
    height, width, channels = x.shape[1:]
    row = width * channels
    return Images(pointer(x), height * row, SINGLE.lanes, row, channels, channels, height, width)


@jit
def nhwc_taps_transformed(x, weight):
    """Return the transformed filters, and the size of one of sixteen matrices of them."""
    _, _, channels, filters = weight.shape
    tap = channels * filters
    taps = Taps(
        pointer(weight), SINGLE.lanes, 9 * tap, tap, filters, channels, channels, filters
    )
    return taps_transformed(taps, wide_tile_for(x).columns, x)


@jit
def nhwc_transformed(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation; tell whether all results are finite."""
    check_nhwc(x, weight, stride, padding, out)
    if weight.shape[:2] != (3, 3) or stride != 1 or weight.size == 0:
        return False
    u, size = nhwc_taps_transformed(x, weight)
    nhwc_pieces(x, u, size, padding, out, np.int64(0), np.int64(1))
    return winograd.all_finite(out)


@jit
def nhwc_pieces(x, u, size, padding, out, band, bands):
    """Compute one of `bands` bands of the pieces of all images, from transformed filters."""
    winograd_band(images_of(x), u, size, padding, images_of(out), x.shape[0], band, bands)


@register(
    "conv2d_nhwc",
    name="threads",
    instrument="compiled",
    story="bands of images on all cores",
    tags=("threads", "fewer_flops"),
)
def conv2d_nhwc_threads(x, weight, stride, padding, out):
    """Convolve as `conv2d_nhwc_winograd` or `conv2d_nhwc_tiled`, bands of images on all cores.

    Removes the wait for one core. Small convolutions stay on one.

    Parameters and errors as for `conv2d_nhwc_tiled`; cost as for the step that does the work.
    """
    flops = 2 * out.size * (weight.size // max(1, weight.shape[3]))
    threads, single = get_num_threads(), x.dtype == np.float32
    if threads == 1 or flops < THREADS_PAY_FLOPS:
        (conv2d_nhwc_winograd if single else conv2d_nhwc_tiled)(x, weight, stride, padding, out)
        return
    pays = single and _pays(weight, out, stride)
    if not (pays and nhwc_transformed_in_bands(x, weight, stride, padding, out, 2 * threads)):
        bands = bands_of(x.shape[0], out.shape[1], flops, threads)
        conv2d_nhwc_in_bands(x, weight, stride, padding, out, bands)


@jit(parallel=True)
def conv2d_nhwc_in_bands(x, weight, stride, padding, out, bands):
    """Convolve each of `bands` bands of rows of each image on a core that is free."""
    check_nhwc(x, weight, stride, padding, out)
    packed = strips_of(wide_tile_for(x), block_tile_for(x), weight)
    rows, shape = out.shape[1], weight.shape
    for task in prange(x.shape[0] * bands):
        image, band = np.int64(task) // bands, np.int64(task) % bands  # as one core counts
        first, stop = band * rows // bands, (band + 1) * rows // bands
        image_nhwc(
            wide_tile_for(x), block_tile_for(x), x, packed, shape, stride, padding, out, image,
            first, stop,
        )  # fmt: skip


@jit(parallel=True)
def nhwc_transformed_in_bands(x, weight, stride, padding, out, bands):
    """Convolve as `nhwc_transformed`, `bands` bands of all pieces on the cores."""
    check_nhwc(x, weight, stride, padding, out)
    if weight.shape[:2] != (3, 3) or stride != 1 or weight.size == 0:
        return False
    u, size = nhwc_taps_transformed(x, weight)
    for task in prange(bands):
        nhwc_pieces(x, u, size, padding, out, np.int64(task), bands)
    return winograd.all_finite(out)
