"""`nchw_to_nhwc` and `nhwc_to_nchw`: channels first or channels last.

An image of c channels is c planes of pixels, or pixels of c numbers. Frameworks take either,
convolutions prefer one or the other, and so batches are turned around. Each image is the
transpose of a matrix, channels by pixels. It is often a very slim one: 3 channels, and as
many pixels as a megabyte holds.

Images have shape (batch, channels, height, width) or (batch, height, width, channels).

Source
------
PyTorch documentation, "Channels Last Memory Format in PyTorch": the two orders and their
strides.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import blank
from accel.kernels.layout.cores import ALONE_BYTES, bands, everywhere
from accel.kernels.layout.fields_ranges import NETWORK_BYTES, apart, together
from accel.kernels.layout.moves import by_blocks, by_buffer, by_element
from accel.kernels.layout.registers import STREAM_FROM, one_of_many, room
from accel.kernels.layout.values import TYPES, numbers
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import fence, jit

EDGES = (
    {"batch": 0, "channels": 3, "side": 4},
    {"batch": 2, "channels": 0, "side": 4},
    {"batch": 1, "channels": 3, "side": 0},
    {"batch": 1, "channels": 1, "side": 1},
    {"batch": 2, "channels": 3, "side": 7},
    {"batch": 2, "channels": 2, "side": 3, "width": 129},
    {"batch": 1, "channels": 4, "side": 1, "width": 127},
    {"batch": 1, "channels": 17, "side": 5, "width": 9},
    {"batch": 3, "channels": 16, "side": 8, "values": "special"},
    {"batch": 1, "channels": 129, "side": 1, "width": 3},
    {"batch": 1, "channels": 3, "side": 3, "width": 37, "values": "special"},
)

AWKWARD = (
    {"batch": 2, "channels": 3, "side": 227},
    {"batch": 1, "channels": 5, "side": 301, "width": 211},
    {"batch": 8, "channels": 67, "side": 13},
    {"batch": 1, "channels": 512, "side": 7},
)


def nchw_to_nhwc_inputs(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    dtype: str = "float32",
    values: str = "counted",
) -> tuple:
    """Return ``(x, out)``, images of `side` rows, square unless a width is given."""
    width = side if width is None else width
    x = numbers((batch, channels, side, width), dtype, values)
    return x, blank((batch, side, width, channels), dtype)


def nhwc_to_nchw_inputs(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    dtype: str = "float32",
    values: str = "counted",
) -> tuple:
    """Return ``(x, out)``, images of `side` rows, square unless a width is given."""
    width = side if width is None else width
    x = numbers((batch, side, width, channels), dtype, values)
    return x, blank((batch, channels, side, width), dtype)


def nchw_to_nhwc_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    return x.transpose(0, 2, 3, 1), 0.0


def nhwc_to_nchw_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    return x.transpose(0, 3, 1, 2), 0.0


def channels_flops(batch: int, channels: int, side: int, **_) -> int:
    """None."""
    return 0


def channels_bytes(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    dtype: str = "float32",
    **_,
) -> int:
    """Read `x`, write `out`."""
    pixels = batch * side * (side if width is None else width)
    return 2 * pixels * channels * np.dtype(dtype).itemsize


def channels_sizes(working_set_bytes: int) -> dict:
    """Return images of 64 channels and 14 x 14 pixels, as many as fit; one row at least."""
    pixels = max(1, working_set_bytes // (2 * 64 * 4))
    if pixels < 196:
        return {"batch": 1, "channels": 64, "side": 1, "width": pixels}
    return {"batch": pixels // 196, "channels": 64, "side": 14}


for _name, _inputs, _oracle in (
    ("nchw_to_nhwc", nchw_to_nhwc_inputs, nchw_to_nhwc_oracle),
    ("nhwc_to_nchw", nhwc_to_nchw_inputs, nhwc_to_nchw_oracle),
):
    register_operation(
        Operation(
            _name,
            _inputs,
            _oracle,
            channels_flops,
            channels_bytes,
            edges=EDGES,
            sizes=channels_sizes,
            awkward=AWKWARD,
        )
    )


def _by_networks(way, x, out, cores: bool = False) -> bool:
    """Turn images around as `apart` or `together` does, if they are worth it, and tell.

    There is a network for all of them or for none: all have as many channels.
    """
    batch = x.shape[0]
    if batch == 0 or x.nbytes < batch * NETWORK_BYTES:
        return False
    matrices, turned = _matrices(x, way is apart), _matrices(out, way is together)
    return all(way(one, other, cores) for one, other in zip(matrices, turned, strict=True))


def _matrices(images, last: bool):
    """Return each image as a matrix, whose columns are the channels if they come last."""
    batch = images.shape[0]
    if last:
        return images.reshape(batch, -1, images.shape[3])
    return images.reshape(batch, images.shape[1], -1)


def lists(x, out) -> tuple:
    """Turn the images into nested lists, for the plain loops."""
    return x.tolist(), out.tolist()


@register(
    "nchw_to_nhwc",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def nchw_to_nhwc_loop(x, out):
    """Put channels last by loops over nested lists.

    The starting point.

    Parameters
    ----------
    x : list, batch x channels x height x width
    out : list, batch x height x width x channels
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for image, out_image in zip(x, out, strict=True):
        for c, plane in enumerate(image):
            for row, out_row in zip(plane, out_image, strict=True):
                for value, out_pixel in zip(row, out_row, strict=True):
                    out_pixel[c] = value


@register(
    "nchw_to_nhwc",
    name="numpy",
    instrument="NumPy",
    story="copy of a view with its axes exchanged: removes the interpreter",
    dtypes=TYPES,
    tags=("ladder",),
)
def nchw_to_nhwc_numpy(x, out):
    """Put channels last by copying a view with its axes exchanged.

    Removes the interpreter. NumPy copies one element at a time.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    out : ndarray, shape (batch, height, width, channels)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    np.copyto(out, x.transpose(0, 2, 3, 1))


@register(
    "nchw_to_nhwc",
    name="compiled",
    instrument="compiled",
    story="compiled loops over channels and pixels: removes two of the four loops",
    tags=("ladder",),
)
@jit
def nchw_to_nhwc_compiled(x, out):
    """Put channels last, each image a matrix of channels by pixels.

    Removes two of NumPy's four loops: rows of an image follow one another, so height and
    width are one axis.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), contiguous
    out : ndarray, shape (batch, height, width, channels), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time, in the order of `x`: a line of `out` is
    fetched anew for each channel where the image does not stay in the cache.
    """
    batch, channels, height, width = x.shape
    if out.shape != (batch, height, width, channels):
        raise ValueError("nchw_to_nhwc: out must have the shape of x with channels last")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        at = image * channels * pixels
        by_element(source, at, pixels, target, at, channels, channels, pixels)


@register(
    "nchw_to_nhwc",
    name="blocked",
    instrument="compiled",
    story="blocks of pixels: removes the lines of out fetched again for each channel",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def nchw_to_nhwc_blocked(x, out):
    """Put channels last, in blocks of channels by pixels.

    Removes the lines of `out` fetched again: all channels of a block of pixels are written
    while its lines are in the cache.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), contiguous
    out : ndarray, shape (batch, height, width, channels), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time, each line fetched once.
    """
    batch, channels, height, width = x.shape
    if out.shape != (batch, height, width, channels):
        raise ValueError("nchw_to_nhwc: out must have the shape of x with channels last")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        at = image * channels * pixels
        by_blocks(source, at, pixels, target, at, channels, channels, pixels)


@register(
    "nchw_to_nhwc",
    name="vector",
    instrument="compiled",
    story="squares of registers, or as many registers as channels: removes single elements",
    tags=("ladder", "best"),
)
def nchw_to_nhwc_vector(x, out):
    """Put channels last, each image transposed in registers, as by `transpose_vector`.

    Removes the moves of single elements. Two to four channels, as of a photograph, are so
    many registers interleaved; more, up to the lanes of a register, go through a network of
    shuffles where an image has many elements.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), float32 or float64, contiguous
    out : ndarray, shape (batch, height, width, channels), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As `transpose_vector`.
    """
    batch, channels, height, width = x.shape
    if out.shape != (batch, height, width, channels) or not _by_networks(together, x, out):
        nchw_to_nhwc_registers(x, out)


@jit
def nchw_to_nhwc_registers(x, out):
    """Put channels last by `one_of_many`."""
    batch, channels, height, width = x.shape
    if out.shape != (batch, height, width, channels):
        raise ValueError("nchw_to_nhwc: out must have the shape of x with channels last")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    streaming = 2 * x.nbytes >= STREAM_FROM
    buffer = room(target) if streaming else target  # none is needed
    for image in range(batch):
        at = image * channels * pixels
        one_of_many(
            source, at, pixels, target, at, channels, channels, pixels, channels, streaming, buffer
        )
    if streaming:
        fence()


@register(
    "nchw_to_nhwc",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def nchw_to_nhwc_threads(x, out):
    """Put channels last on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), float32 or float64, contiguous
    out : ndarray, shape (batch, height, width, channels), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    batch, channels, height, width = x.shape
    if 2 * x.nbytes < ALONE_BYTES or out.shape != (batch, height, width, channels):
        nchw_to_nhwc_vector(x, out)
        return
    if _by_networks(together, x, out, cores=True):
        return
    pixels = height * width
    start = np.arange(batch) * (channels * pixels)
    table = bands(start, start, channels, pixels, pixels, channels, x.itemsize)
    streaming = 2 * x.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), pixels, out.reshape(-1), channels, table, 0, streaming)


@register(
    "nhwc_to_nchw",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def nhwc_to_nchw_loop(x, out):
    """Put channels first by loops over nested lists.

    The starting point.

    Parameters
    ----------
    x : list, batch x height x width x channels
    out : list, batch x channels x height x width
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for image, out_image in zip(x, out, strict=True):
        for i, row in enumerate(image):
            for j, pixel in enumerate(row):
                for plane, value in zip(out_image, pixel, strict=True):
                    plane[i][j] = value


@register(
    "nhwc_to_nchw",
    name="numpy",
    instrument="NumPy",
    story="copy of a view with its axes exchanged: removes the interpreter",
    dtypes=TYPES,
    tags=("ladder",),
)
def nhwc_to_nchw_numpy(x, out):
    """Put channels first by copying a view with its axes exchanged.

    Removes the interpreter. NumPy copies one element at a time.

    Parameters
    ----------
    x : ndarray, shape (batch, height, width, channels)
    out : ndarray, shape (batch, channels, height, width)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    np.copyto(out, x.transpose(0, 3, 1, 2))


@register(
    "nhwc_to_nchw",
    name="compiled",
    instrument="compiled",
    story="compiled loops over pixels and channels: removes two of the four loops",
    tags=("ladder",),
)
@jit
def nhwc_to_nchw_compiled(x, out):
    """Put channels first, each image a matrix of pixels by channels.

    Removes two of NumPy's four loops: height and width are one axis.

    Parameters
    ----------
    x : ndarray, shape (batch, height, width, channels), contiguous
    out : ndarray, shape (batch, channels, height, width), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time, in the order of `x`: as many lines of `out`
    are open at once as there are channels.
    """
    batch, height, width, channels = x.shape
    if out.shape != (batch, channels, height, width):
        raise ValueError("nhwc_to_nchw: out must have the shape of x with channels first")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        at = image * channels * pixels
        by_element(source, at, channels, target, at, pixels, pixels, channels)


@register(
    "nhwc_to_nchw",
    name="buffered",
    instrument="compiled",
    story="blocks through a small buffer: removes collisions between the planes",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def nhwc_to_nchw_buffered(x, out):
    """Put channels first, in blocks of pixels by channels, through a small buffer.

    Removes the collisions of lines in planes that are a power of two apart, as planes of
    images often are.

    Parameters
    ----------
    x : ndarray, shape (batch, height, width, channels), contiguous
    out : ndarray, shape (batch, channels, height, width), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Two elements read and two written at a time, each line fetched once; a buffer of
    32 x 33 elements.
    """
    batch, height, width, channels = x.shape
    if out.shape != (batch, channels, height, width):
        raise ValueError("nhwc_to_nchw: out must have the shape of x with channels first")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        at = image * channels * pixels
        by_buffer(source, at, channels, target, at, pixels, pixels, channels)


@register(
    "nhwc_to_nchw",
    name="vector",
    instrument="compiled",
    story="squares of registers, or as many registers as channels: removes the buffer",
    tags=("ladder", "best"),
)
def nhwc_to_nchw_vector(x, out):
    """Put channels first, each image transposed in registers, as by `transpose_vector`.

    Removes the buffer. Two to four channels, as of a photograph, are taken from so many
    registers; more, up to the lanes of a register, go through a network of shuffles where an
    image has many elements.

    Parameters
    ----------
    x : ndarray, shape (batch, height, width, channels), float32 or float64, contiguous
    out : ndarray, shape (batch, channels, height, width), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As `transpose_vector`.
    """
    batch, height, width, channels = x.shape
    if out.shape != (batch, channels, height, width) or not _by_networks(apart, x, out):
        nhwc_to_nchw_registers(x, out)


@jit
def nhwc_to_nchw_registers(x, out):
    """Put channels first by `one_of_many`."""
    batch, height, width, channels = x.shape
    if out.shape != (batch, channels, height, width):
        raise ValueError("nhwc_to_nchw: out must have the shape of x with channels first")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    streaming = 2 * x.nbytes >= STREAM_FROM
    buffer = room(target) if streaming else target  # none is needed
    for image in range(batch):
        at = image * channels * pixels
        one_of_many(
            source, at, channels, target, at, pixels, pixels, channels, pixels, streaming, buffer
        )
    if streaming:
        fence()


@register(
    "nhwc_to_nchw",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def nhwc_to_nchw_threads(x, out):
    """Put channels first on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (batch, height, width, channels), float32 or float64, contiguous
    out : ndarray, shape (batch, channels, height, width), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    batch, height, width, channels = x.shape
    if 2 * x.nbytes < ALONE_BYTES or out.shape != (batch, channels, height, width):
        nhwc_to_nchw_vector(x, out)
        return
    if _by_networks(apart, x, out, cores=True):
        return
    pixels = height * width
    start = np.arange(batch) * (channels * pixels)
    table = bands(start, start, pixels, channels, channels, pixels, x.itemsize)
    streaming = 2 * x.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), channels, out.reshape(-1), pixels, table, 0, streaming)
