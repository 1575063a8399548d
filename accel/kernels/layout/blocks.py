"""`nchw_to_nchwc` and `nchwc_to_nchw`: channels in blocks as long as a register.

Convolutions like to find the same pixel of 8 or 16 channels side by side, one register of
them, and the next pixel behind it. Images of shape (batch, blocks, height, width, block)
offer that: block b holds channels ``b * block`` to ``(b + 1) * block - 1``. Where the last
block is ragged, the channels that are missing are zero, which a convolution may multiply by
anything.

Source
------
oneDNN Developer Guide, "Understanding Memory Formats", section "Blocked layout".
"""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import blank
from accel.kernels.layout.cores import ALONE_BYTES, bands, everywhere
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
    {"batch": 2, "channels": 17, "side": 3, "width": 9},
    {"batch": 1, "channels": 16, "side": 1, "width": 129},
    {"batch": 2, "channels": 24, "side": 4, "block": 8},
    {"batch": 1, "channels": 33, "side": 5, "values": "special"},
    {"batch": 1, "channels": 5, "side": 3, "width": 37, "block": 8, "values": "special"},
)

AWKWARD = (
    {"batch": 2, "channels": 3, "side": 227},
    {"batch": 1, "channels": 67, "side": 31},
    {"batch": 4, "channels": 40, "side": 13, "block": 8},
    {"batch": 1, "channels": 512, "side": 7},
)


def nchw_to_nchwc_inputs(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    block: int = 16,
    dtype: str = "float32",
    values: str = "counted",
) -> tuple:
    """Return ``(x, out)``, images of `side` rows, square unless a width is given."""
    width = side if width is None else width
    x = numbers((batch, channels, side, width), dtype, values)
    return x, blank((batch, -(-channels // block), side, width, block), dtype)


def nchwc_to_nchw_inputs(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    block: int = 16,
    dtype: str = "float32",
    values: str = "counted",
) -> tuple:
    """Return ``(x, out)``; what is missing in a ragged block is no zero, to be noticed."""
    width = side if width is None else width
    x = numbers((batch, -(-channels // block), side, width, block), dtype, values)
    return x, blank((batch, channels, side, width), dtype)


def nchw_to_nchwc_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    batch, channels, height, width = x.shape
    blocks, block = out.shape[1], out.shape[4]
    filled = np.zeros((batch, blocks * block, height, width), x.dtype)
    filled[:, :channels] = x
    return filled.reshape(batch, blocks, block, height, width).transpose(0, 1, 3, 4, 2), 0.0


def nchwc_to_nchw_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    batch, blocks, height, width, block = x.shape
    planes = x.transpose(0, 1, 4, 2, 3).reshape(batch, blocks * block, height, width)
    return planes[:, : out.shape[1]], 0.0


def blocks_flops(batch: int, channels: int, side: int, **_) -> int:
    """None."""
    return 0


def nchw_to_nchwc_bytes(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    block: int = 16,
    dtype: str = "float32",
    **_,
) -> int:
    """Read `x`; write `out`, with the zeros of a ragged block."""
    pixels = batch * side * (side if width is None else width)
    return pixels * (channels + -(-channels // block) * block) * np.dtype(dtype).itemsize


def nchwc_to_nchw_bytes(
    batch: int,
    channels: int,
    side: int,
    width: int | None = None,
    block: int = 16,
    dtype: str = "float32",
    **_,
) -> int:
    """Read what there is of the channels, write `out`."""
    pixels = batch * side * (side if width is None else width)
    return 2 * pixels * channels * np.dtype(dtype).itemsize


def blocks_sizes(working_set_bytes: int) -> dict:
    """Return images of 64 channels and 14 x 14 pixels, as many as fit; one row at least."""
    pixels = max(1, working_set_bytes // (2 * 64 * 4))
    if pixels < 196:
        return {"batch": 1, "channels": 64, "side": 1, "width": pixels}
    return {"batch": pixels // 196, "channels": 64, "side": 14}


for _name, _inputs, _oracle, _bytes in (
    ("nchw_to_nchwc", nchw_to_nchwc_inputs, nchw_to_nchwc_oracle, nchw_to_nchwc_bytes),
    ("nchwc_to_nchw", nchwc_to_nchw_inputs, nchwc_to_nchw_oracle, nchwc_to_nchw_bytes),
):
    register_operation(
        Operation(
            _name,
            _inputs,
            _oracle,
            blocks_flops,
            _bytes,
            edges=EDGES,
            sizes=blocks_sizes,
            awkward=AWKWARD,
        )
    )


def lists(x, out) -> tuple:
    """Turn the images into nested lists, for the plain loops."""
    return x.tolist(), out.tolist()


@register(
    "nchw_to_nchwc",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def nchw_to_nchwc_loop(x, out):
    """Put channels into blocks by loops over nested lists.

    The starting point. The length of a block is that of a pixel of `out`; the first channel
    of the image says which zero is zero.

    Parameters
    ----------
    x : list, batch x channels x height x width
    out : list, batch x blocks x height x width x block
        Overwritten; missing channels are zero.

    Cost
    ----
    One assignment per element of `out`, each some dozens of instructions of the interpreter.
    """
    for image, out_image in zip(x, out, strict=True):
        for b, out_block in enumerate(out_image):
            for i, out_row in enumerate(out_block):
                for j, out_pixel in enumerate(out_row):
                    first = b * len(out_pixel)
                    for k in range(len(out_pixel)):
                        inside = first + k < len(image)
                        out_pixel[k] = image[first + k][i][j] if inside else 0


@register(
    "nchw_to_nchwc",
    name="numpy",
    instrument="NumPy",
    story="a copy for each block: removes the interpreter from the inner loops",
    dtypes=TYPES,
    tags=("ladder",),
)
def nchw_to_nchwc_numpy(x, out):
    """Put channels into blocks by copying views with their axes exchanged.

    Removes the interpreter from all loops but that over blocks of channels. Whole blocks
    could be copied at once; the ragged one needs a copy of its own and zeros anyway, and
    each copy is long.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    out : ndarray, shape (batch, blocks, height, width, block)
        Overwritten; missing channels are zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    channels, block = x.shape[1], out.shape[4]
    if out.shape[1] * block < channels:
        raise ValueError("nchw_to_nchwc: out must have blocks for all channels of x")
    for b in range(out.shape[1]):
        part = x[:, b * block : (b + 1) * block]
        np.copyto(out[:, b, :, :, : part.shape[1]], part.transpose(0, 2, 3, 1))
        out[:, b, :, :, part.shape[1] :] = 0


@register(
    "nchw_to_nchwc",
    name="compiled",
    instrument="compiled",
    story="compiled loops: removes NumPy's preparations",
    tags=("ladder",),
)
@jit
def nchw_to_nchwc_compiled(x, out):
    """Put channels into blocks, each a matrix of `block` channels by pixels.

    Removes NumPy's preparations. The order is still that of `x`.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), contiguous
    out : ndarray, shape (batch, blocks, height, width, block), contiguous
        Overwritten; missing channels are zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time; a line of `out` is fetched anew for each
    channel where a plane does not stay in the cache.
    """
    batch, channels, height, width = x.shape
    blocks, block = out.shape[1], out.shape[4]
    if out.shape != (batch, -(-channels // max(block, 1)), height, width, block):
        raise ValueError("nchw_to_nchwc: out must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        for b in range(blocks):
            at = (image * channels + b * block) * pixels
            to = (image * blocks + b) * block * pixels
            there = min(block, channels - b * block)
            by_element(source, at, pixels, target, to, block, there, pixels)
            fill_missing(target, to, there, block, pixels)


@jit
def fill_missing(out, to, there, block, pixels):
    """Write zeros to the channels of a block from number `there` on, for each pixel."""
    if there < block:
        for pixel in range(pixels):
            for k in range(there, block):
                out[to + pixel * block + k] = 0


@register(
    "nchw_to_nchwc",
    name="blocked",
    instrument="compiled",
    story="blocks of pixels: removes the lines of out fetched again for each channel",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def nchw_to_nchwc_blocked(x, out):
    """Put channels into blocks, some pixels of all channels of a block at a time.

    Removes the lines of `out` fetched again: all channels of some pixels are written while
    their lines are in the cache.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), contiguous
    out : ndarray, shape (batch, blocks, height, width, block), contiguous
        Overwritten; missing channels are zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time, each line fetched once.
    """
    batch, channels, height, width = x.shape
    blocks, block = out.shape[1], out.shape[4]
    if out.shape != (batch, -(-channels // max(block, 1)), height, width, block):
        raise ValueError("nchw_to_nchwc: out must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        for b in range(blocks):
            at = (image * channels + b * block) * pixels
            to = (image * blocks + b) * block * pixels
            there = min(block, channels - b * block)
            by_blocks(source, at, pixels, target, to, block, there, pixels)
            fill_missing(target, to, there, block, pixels)


@register(
    "nchw_to_nchwc",
    name="vector",
    instrument="compiled",
    story="squares of registers: removes single elements, and zeros written by themselves",
    tags=("ladder", "best"),
)
@jit
def nchw_to_nchwc_vector(x, out):
    """Put channels into blocks, each transposed in registers, as by `transpose_vector`.

    Removes the moves of single elements, and the pass that writes zeros: a ragged block is
    a square of registers some of which are zero.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), float32 or float64, contiguous
    out : ndarray, shape (batch, blocks, height, width, block), contiguous
        Overwritten; missing channels are zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As `transpose_vector`.
    """
    batch, channels, height, width = x.shape
    blocks, block = out.shape[1], out.shape[4]
    if out.shape != (batch, -(-channels // max(block, 1)), height, width, block):
        raise ValueError("nchw_to_nchwc: out must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    streaming = x.nbytes + out.nbytes >= STREAM_FROM
    buffer = room(target) if streaming else target  # none is needed
    for image in range(batch):
        for b in range(blocks):
            at = (image * channels + b * block) * pixels
            to = (image * blocks + b) * block * pixels
            there = min(block, channels - b * block)
            one_of_many(
                source, at, pixels, target, to, block, there, pixels, block, streaming, buffer
            )
    if streaming:
        fence()


@register(
    "nchw_to_nchwc",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def nchw_to_nchwc_threads(x, out):
    """Put channels into blocks on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width), float32 or float64, contiguous
    out : ndarray, shape (batch, blocks, height, width, block), contiguous
        Overwritten; missing channels are zero.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    batch, channels, height, width = x.shape
    _, blocks, *_, block = out.shape
    fits = out.shape == (batch, -(-channels // max(block, 1)), height, width, block)
    if x.nbytes + out.nbytes < ALONE_BYTES or not fits:
        nchw_to_nchwc_vector(x, out)
        return
    pixels, (image, b) = height * width, np.indices((batch, blocks)).reshape(2, -1)
    at = (image * channels + b * block) * pixels
    to = (image * blocks + b) * block * pixels
    there = np.minimum(block, channels - b * block)
    table = bands(at, to, there, pixels, pixels, block, x.itemsize)
    streaming = x.nbytes + out.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), pixels, out.reshape(-1), block, table, block, streaming)


@register(
    "nchwc_to_nchw",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def nchwc_to_nchw_loop(x, out):
    """Take channels out of blocks by loops over nested lists.

    The starting point.

    Parameters
    ----------
    x : list, batch x blocks x height x width x block
    out : list, batch x channels x height x width
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for image, out_image in zip(x, out, strict=True):
        for c, plane in enumerate(out_image):
            for i, row in enumerate(plane):
                for j in range(len(row)):
                    block = len(image[0][i][j])
                    row[j] = image[c // block][i][j][c % block]


@register(
    "nchwc_to_nchw",
    name="numpy",
    instrument="NumPy",
    story="a copy for each block: removes the interpreter from the inner loops",
    dtypes=TYPES,
    tags=("ladder",),
)
def nchwc_to_nchw_numpy(x, out):
    """Take channels out of blocks by copying views with their axes exchanged.

    Removes the interpreter from all loops but that over blocks of channels.

    Parameters
    ----------
    x : ndarray, shape (batch, blocks, height, width, block)
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
    channels, block = out.shape[1], x.shape[4]
    if x.shape[1] * block < channels:
        raise ValueError("nchwc_to_nchw: x must have blocks for all channels of out")
    for b in range(x.shape[1]):
        part = out[:, b * block : (b + 1) * block]
        np.copyto(part, x[:, b, :, :, : part.shape[1]].transpose(0, 3, 1, 2))


@register(
    "nchwc_to_nchw",
    name="compiled",
    instrument="compiled",
    story="compiled loops: removes NumPy's preparations",
    tags=("ladder",),
)
@jit
def nchwc_to_nchw_compiled(x, out):
    """Take channels out of blocks, each a matrix of pixels by `block` channels.

    Removes NumPy's preparations. The order is that of `x`.

    Parameters
    ----------
    x : ndarray, shape (batch, blocks, height, width, block), contiguous
    out : ndarray, shape (batch, channels, height, width), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time; as many lines of `out` are open at once as a
    block has channels.
    """
    batch, blocks, height, width, block = x.shape
    channels = out.shape[1]
    if x.shape != (out.shape[0], -(-channels // max(block, 1)), out.shape[2], out.shape[3], block):
        raise ValueError("nchwc_to_nchw: x must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        for b in range(blocks):
            at = (image * blocks + b) * block * pixels
            to = (image * channels + b * block) * pixels
            there = min(block, channels - b * block)
            by_element(source, at, block, target, to, pixels, pixels, there)


@register(
    "nchwc_to_nchw",
    name="buffered",
    instrument="compiled",
    story="blocks of pixels through a small buffer: removes collisions between the planes",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def nchwc_to_nchw_buffered(x, out):
    """Take channels out of blocks, some pixels at a time, through a small buffer.

    Removes the collisions of lines in planes that are a power of two apart.

    Parameters
    ----------
    x : ndarray, shape (batch, blocks, height, width, block), contiguous
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
    batch, blocks, height, width, block = x.shape
    channels = out.shape[1]
    if x.shape != (out.shape[0], -(-channels // max(block, 1)), out.shape[2], out.shape[3], block):
        raise ValueError("nchwc_to_nchw: x must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    for image in range(batch):
        for b in range(blocks):
            at = (image * blocks + b) * block * pixels
            to = (image * channels + b * block) * pixels
            there = min(block, channels - b * block)
            by_buffer(source, at, block, target, to, pixels, pixels, there)


@register(
    "nchwc_to_nchw",
    name="vector",
    instrument="compiled",
    story="squares of registers: removes the buffer",
    tags=("ladder", "best"),
)
@jit
def nchwc_to_nchw_vector(x, out):
    """Take channels out of blocks, each transposed in registers, as by `transpose_vector`.

    Removes the buffer.

    Parameters
    ----------
    x : ndarray, shape (batch, blocks, height, width, block), float32 or float64, contiguous
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
    batch, blocks, height, width, block = x.shape
    channels = out.shape[1]
    if x.shape != (out.shape[0], -(-channels // max(block, 1)), out.shape[2], out.shape[3], block):
        raise ValueError("nchwc_to_nchw: x must have shape (batch, blocks, height, width, block)")
    pixels, source, target = height * width, x.reshape(-1), out.reshape(-1)
    streaming = x.nbytes + out.nbytes >= STREAM_FROM
    buffer = room(target) if streaming else target  # none is needed
    for image in range(batch):
        for b in range(blocks):
            at = (image * blocks + b) * block * pixels
            to = (image * channels + b * block) * pixels
            there = min(block, channels - b * block)
            one_of_many(
                source, at, block, target, to, pixels, pixels, there, pixels, streaming, buffer
            )
    if streaming:
        fence()


@register(
    "nchwc_to_nchw",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def nchwc_to_nchw_threads(x, out):
    """Take channels out of blocks on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (batch, blocks, height, width, block), float32 or float64, contiguous
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
    batch, blocks, height, width, block = x.shape
    channels = out.shape[1]
    fits = x.shape == (out.shape[0], -(-channels // max(block, 1)), *out.shape[2:], block)
    if x.nbytes + out.nbytes < ALONE_BYTES or not fits:
        nchwc_to_nchw_vector(x, out)
        return
    pixels, (image, b) = height * width, np.indices((batch, blocks)).reshape(2, -1)
    at = (image * blocks + b) * block * pixels
    to = (image * channels + b * block) * pixels
    there = np.minimum(block, channels - b * block)
    table = bands(at, to, pixels, there, block, pixels, x.itemsize)
    streaming = x.nbytes + out.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), block, out.reshape(-1), pixels, table, 0, streaming)
