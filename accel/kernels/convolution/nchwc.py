"""Convolution of images in blocks of channels, called NCHWc: the layout of the fastest.

`x` has shape (batch, blocks of channels, height, width, block), `weight` (blocks of filters,
blocks of channels, kernel, kernel, block of channels, block of filters), `out` (batch, blocks
of filters, places down, places across, block). A block of filters is as many as a register
holds: its results at a place are one register, and so are its weights for one number of `x`.
A last, incomplete block has zeros. All else is as for `conv2d` in
`accel.kernels.convolution.nchw`.

Images are not transposed here, and weights packed only where they are transformed: a network
that keeps both in this layout pays for that once, and its convolutions only compute.

Source
------
Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
Architectures", SC'18. Zhang, Franchetti and Low, "High Performance Zero-Memory Overhead Direct
Convolutions", ICML 2018.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels import work
from accel.kernels.convolution import shapes, winograd, winograd_pixels
from accel.kernels.convolution.blocks import (
    blocked_images,
    blocked_weights,
    unblocked_images,
    unblocked_weights,
)
from accel.kernels.convolution.lines import THREADS_PAY_FLOPS, bands_of
from accel.kernels.convolution.pixels import (
    Image,
    Results,
    Window,
    block_tile_for,
    convolve_image,
    wide_tile_for,
)
from accel.kernels.convolution.winograd import SINGLE
from accel.kernels.convolution.winograd_pixels import (
    Images,
    Taps,
    taps_transformed,
    winograd_band,
)
from accel.kernels.inputs import blank
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit, pointer, vector


def _block_for(dtype: str, block: int | None) -> int:
    return vector(dtype).lanes if block is None else block


def conv2d_nchwc_inputs(
    side: int, channels: int, dtype: str = "float32", block: int | None = None, **more
) -> tuple:
    """Return ``(x, weight, stride, padding, out)``.

    Parameters as in `shapes.of`, and `block`: by default what a register holds.
    """
    x, weight, stride, padding, out = shapes.inputs(dtype, side=side, channels=channels, **more)
    block = _block_for(dtype, block)
    shape = (out.shape[0], -(-out.shape[1] // block), *out.shape[2:], block)
    return (
        blocked_images(x, block), blocked_weights(weight, block), stride, padding,
        blank(shape, dtype),
    )  # fmt: skip


def conv2d_nchwc_oracle(x, weight, stride, padding, out) -> tuple:
    """Return the answer in float64, and the error each element may have."""
    batch, blocks, down, across, block = out.shape
    shape = (batch, blocks * block, down, across)
    x, weight = unblocked_images(x), unblocked_weights(weight)
    both = shapes.answer(x, weight, stride, padding, shape)
    apart = [each.reshape(batch, blocks, block, down, across) for each in both]
    return tuple(each.transpose(0, 1, 3, 4, 2) for each in apart)


def _whole_blocks(dtype: str, block: int | None, sizes: dict) -> dict:
    """Return sizes with channels and filters of whole blocks."""
    block = _block_for(dtype, block)
    x, weight, _ = shapes.of(**sizes)
    whole = {"channels": -(-x[1] // block) * block, "filters": -(-weight[0] // block) * block}
    return {**sizes, **whole}


def conv2d_nchwc_flops(dtype: str = "float32", block: int | None = None, **sizes) -> int:
    """A multiplication and an addition for each filter element at each place, zeros included."""
    return shapes.flops(**_whole_blocks(dtype, block, sizes))


def conv2d_nchwc_bytes(dtype: str = "float32", block: int | None = None, **sizes) -> int:
    """Read `x` where filters see it, and `weight`; write `out`; zeros included."""
    return shapes.compulsory_bytes(dtype, **_whole_blocks(dtype, block, sizes))


#: Blocks of two, small enough to count, beside those of the machine.
EDGES = (
    {"side": 4, "channels": 3, "filters": 2, "block": 2},
    {"side": 5, "channels": 2, "filters": 3, "block": 2, "width": 4},
    *shapes.EDGES,
)

register_operation(
    Operation(
        "conv2d_nchwc",
        conv2d_nchwc_inputs,
        conv2d_nchwc_oracle,
        conv2d_nchwc_flops,
        conv2d_nchwc_bytes,
        EDGES,
        sizes=shapes.sized,
        awkward=shapes.AWKWARD,
        work=work.convolution_nchwc,
        signature=(0, 1, 2, 3),
    )
)


@register(
    "conv2d_nchwc",
    name="loop",
    instrument="interpreter",
    story="nine Python loops over nested lists",
    adapt=shapes.nested,
    tags=("ladder",),
)
def conv2d_nchwc_loop(x, weight, stride, padding, out):
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
        for taps_of_block, result in zip(weight, results, strict=True):
            for i, row in enumerate(result):
                for j, pixel in enumerate(row):
                    for f in range(len(pixel)):
                        pixel[f] = _sum_over_blocks(
                            image, taps_of_block, i * stride - padding, j * stride - padding, f
                        )


def _sum_over_blocks(image, taps_of_block, top, left, f):
    """Return the sum of products under filter `f` at one place."""
    total = 0.0
    for plane, taps in zip(image, taps_of_block, strict=True):
        for r, line in enumerate(taps, top):
            if 0 <= r < len(plane):
                for s, square in enumerate(line, left):
                    if 0 <= s < len(plane[r]):
                        for value, tap in zip(plane[r][s], square, strict=True):
                            total += value * tap[f]
    return total


@register(
    "conv2d_nchwc",
    name="taps",
    instrument="NumPy",
    story="a product of matrices for each tap and pair of blocks: removes the interpreter",
    tags=("ladder",),
)
def conv2d_nchwc_taps(x, weight, stride, padding, out):
    """Convolve by small products of matrices, one for each tap and pair of blocks.

    Removes the interpreter from the loop over places. To gather all taps in one matrix would
    mean to leave the layout; so sums go to memory and back for each tap.

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
    ``2 kernel**2 channels`` FLOPs per result; a temporary as large as a block of `out`.
    """
    first = [(shape[0], shape[1] * shape[4], *shape[2:4]) for shape in (x.shape, out.shape)]
    window = (
        weight.shape[0] * weight.shape[5], weight.shape[1] * weight.shape[4], *weight.shape[2:4]
    )  # fmt: skip
    shapes.check("conv2d_nchwc", first[0], window, stride, padding, first[1])
    x = shapes.padded(x, padding)
    blocks, rows, columns = weight.shape[1:4]
    height, width = out.shape[2:4]
    out[...] = 0
    for f in range(out.shape[1]):
        for c, i, j in np.ndindex(blocks, rows, columns):
            seen = x[:, c, i : i + stride * height : stride, j : j + stride * width : stride]
            out[:, f] += seen @ weight[f, c, i, j]


@jit
def check_nchwc(x, weight, stride, padding, out):
    """Refuse shapes that do not fit together."""
    batch, blocks, height, width, block = x.shape
    strips, _, rows, columns, inner, outer = weight.shape
    if stride < 1:
        raise ValueError("conv2d_nchwc: stride must be at least 1")
    if padding < 0:
        raise ValueError("conv2d_nchwc: padding must not be negative")
    if weight.shape[1] != blocks or inner != block or rows < 1 or columns < 1:
        raise ValueError("conv2d_nchwc: weight must have the blocks of channels of x")
    down = max(0, (height + 2 * padding - rows) // stride + 1)
    across = max(0, (width + 2 * padding - columns) // stride + 1)
    if out.shape != (batch, strips, down, across, outer):
        raise ValueError(
            "conv2d_nchwc: out must be of shape (batch, blocks of filters, down, across, block)"
        )


@register(
    "conv2d_nchwc",
    name="direct",
    instrument="compiled",
    story="the loops again, compiled: removes the products too small for the library",
    tags=("ladder",),
)
@jit(fastmath={"contract"})
def conv2d_nchwc_direct(x, weight, stride, padding, out):
    """Convolve by compiled loops, one pixel of results at a time.

    Removes the many small calls of the library. The compiler uses vector instructions along a
    block of filters; results are loaded and stored once for each product.

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
    check_nchwc(x, weight, stride, padding, out)
    height, width, block = x.shape[2:]
    rows, columns = weight.shape[2:4]
    out[...] = 0
    for b, f, i, j in np.ndindex(out.shape[:4]):
        sums = out[b, f, i, j]
        top, left = i * stride - padding, j * stride - padding
        for c in range(x.shape[1]):
            for r in range(max(0, -top), min(rows, height - top)):
                for s in range(max(0, -left), min(columns, width - left)):
                    pixel, taps = x[b, c, top + r, left + s], weight[f, c, r, s]
                    for k in range(block):
                        for lane in range(sums.size):
                            sums[lane] += pixel[k] * taps[k, lane]


@jit
def image_nchwc(T, x, weight, stride, padding, out, image, first, stop):
    """Compute rows `first` to `stop` of the results of one image."""
    blocks, height, width, block = x.shape[1:]
    strips, down, across, outer = out.shape[1:]
    plane = height * width * block
    here = Image(pointer(x), image * blocks * plane, plane, 0, width * block, block)
    strip = down * across * outer
    there = Results(pointer(out), image * strips * strip, strip, outer, across, strips * outer)
    window = Window(blocks, weight.shape[2], weight.shape[3], stride)
    convolve_image(
        T, T, here, height, width, window, padding, pointer(weight), there, first, stop, out
    )


@register(
    "conv2d_nchwc",
    name="tiled",
    instrument="compiled",
    story="tiles of places times a block of filters: removes the loads and stores of sums",
    tags=("ladder", "best"),
)
@jit
def conv2d_nchwc_tiled(x, weight, stride, padding, out):
    """Convolve by register tiles of places times a block of filters.

    Removes the sums' way to memory and back: see `accel.kernels.convolution.pixels`. Blocks of
    another size than a register go to `conv2d_nchwc_direct`.

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
    check_nchwc(x, weight, stride, padding, out)
    T = block_tile_for(x)
    if out.size == 0 or out.shape[4] != T.columns:
        conv2d_nchwc_direct(x, weight, stride, padding, out)
        return
    for image in range(x.shape[0]):
        image_nchwc(T, x, weight, stride, padding, out, image, np.int64(0), out.shape[2])


@register(
    "conv2d_nchwc",
    name="winograd",
    instrument="compiled",
    story="filters of 3 x 3 by transformation: removes more than half of the multiplications",
    dtypes=("float32",),
    tags=("ladder", "best", "fewer_flops"),
)
def conv2d_nchwc_winograd(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation where that pays, else as `conv2d_nchwc_tiled`.

    Removes more than half of the multiplications of 3 x 3 filters that go to every place: see
    `accel.kernels.convolution.winograd_pixels`. Results that are not finite are computed again
    by `conv2d_nchwc_tiled`, for the transformation spreads NaN and infinities.

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
    filter, each piece of 4 x 4 numbers and each 2 x 2 results once. A copy of the transformed
    weights: this step alone does not take them as they are.
    """
    if not (_pays(weight, out, stride) and nchwc_transformed(x, weight, stride, padding, out)):
        conv2d_nchwc_tiled(x, weight, stride, padding, out)


def _pays(weight: np.ndarray, out: np.ndarray, stride: int) -> bool:
    """Tell whether Winograd's way is open, and faster than the definition."""
    strips, blocks, rows, columns, inner, outer = weight.shape
    images, _, down, across, _ = out.shape
    pieces = images * (down // 2) * (across // 2)
    open_to_it = rows == columns == 3 and stride == 1 and inner == outer == SINGLE.lanes
    return open_to_it and winograd_pixels.pays(strips * outer, blocks * inner, pieces)


@jit
def images_of(x):
    """Return how Winograd's transformation finds the numbers of images."""
    blocks, height, width, block = x.shape[1:]
    row = width * block
    plane = height * row
    return Images(
        pointer(x), blocks * plane, plane, row, block, blocks * block, height, width
    )


@jit
def is_transformable(weight, stride):
    """Tell whether filters are 3 x 3, go to every place, and lie in registers."""
    lanes = SINGLE.lanes
    return weight.shape[2:] == (3, 3, lanes, lanes) and stride == 1 and weight.size > 0


@jit
def nchwc_taps_transformed(x, weight):
    """Return the transformed filters, and the size of one of sixteen matrices of them."""
    strips, blocks, _, _, inner, outer = weight.shape
    tap = inner * outer
    taps = Taps(
        pointer(weight), blocks * 9 * tap, 9 * tap, tap, outer, inner, blocks * inner,
        strips * outer,
    )  # fmt: skip
    return taps_transformed(taps, wide_tile_for(x).columns, x)


@jit
def nchwc_transformed(x, weight, stride, padding, out):
    """Convolve by Winograd's transformation; tell whether all results are finite."""
    check_nchwc(x, weight, stride, padding, out)
    if not is_transformable(weight, stride):
        return False
    u, size = nchwc_taps_transformed(x, weight)
    nchwc_pieces(x, u, size, padding, out, np.int64(0), np.int64(1))
    return winograd.all_finite(out)


@jit
def nchwc_pieces(x, u, size, padding, out, band, bands):
    """Compute one of `bands` bands of the pieces of all images, from transformed filters."""
    winograd_band(images_of(x), u, size, padding, images_of(out), x.shape[0], band, bands)


@register(
    "conv2d_nchwc",
    name="threads",
    instrument="compiled",
    story="bands of images on all cores",
    tags=("threads", "fewer_flops"),
)
def conv2d_nchwc_threads(x, weight, stride, padding, out):
    """Convolve as `conv2d_nchwc_winograd` or `conv2d_nchwc_tiled`, bands of images on all cores.

    Removes the wait for one core. Small convolutions stay on one.

    Parameters and errors as for `conv2d_nchwc_tiled`; cost as for the step that does the work.
    """
    flops = 2 * out.size * (weight.size // max(1, weight.shape[0] * weight.shape[5]))
    threads, single = get_num_threads(), x.dtype == np.float32
    if threads == 1 or flops < THREADS_PAY_FLOPS:
        (conv2d_nchwc_winograd if single else conv2d_nchwc_tiled)(x, weight, stride, padding, out)
        return
    pays = single and _pays(weight, out, stride)
    if pays and nchwc_transformed_in_bands(x, weight, stride, padding, out, 2 * threads):
        return
    if out.shape[4] != vector(out.dtype).lanes:
        conv2d_nchwc_tiled(x, weight, stride, padding, out)
        return
    bands = bands_of(x.shape[0], out.shape[2], flops, threads)
    conv2d_nchwc_in_bands(x, weight, stride, padding, out, bands)


@jit(parallel=True)
def conv2d_nchwc_in_bands(x, weight, stride, padding, out, bands):
    """Convolve each of `bands` bands of rows of each image on a core that is free."""
    check_nchwc(x, weight, stride, padding, out)
    rows = out.shape[2]
    for task in prange(x.shape[0] * bands):
        image, band = np.int64(task) // bands, np.int64(task) % bands  # as one core counts
        first, stop = band * rows // bands, (band + 1) * rows // bands
        image_nchwc(block_tile_for(x), x, weight, stride, padding, out, image, first, stop)


@jit(parallel=True)
def nchwc_transformed_in_bands(x, weight, stride, padding, out, bands):
    """Convolve as `nchwc_transformed`, `bands` bands of all pieces on the cores."""
    check_nchwc(x, weight, stride, padding, out)
    if not is_transformable(weight, stride):
        return False
    u, size = nchwc_taps_transformed(x, weight)
    for task in prange(bands):
        nchwc_pieces(x, u, size, padding, out, np.int64(task), bands)
    return winograd.all_finite(out)
