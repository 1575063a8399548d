"""`augment_image`: crop, flip, normalise and channels first, in one pass over the bytes.

Training shows a network each image a little differently: another part of it, and half of the
time its mirror image. Libraries do this in steps that each make an image: a crop, a flip,
numbers of bytes, less the mean, over the deviation, channels first. All of them together
read three bytes and write three numbers per pixel.

The image is uint8 of shape (height, width, 3). The part of `out`'s height and width that
begins at row `top` and column `left` is taken, mirrored if `flip`, and written channels
first: `out` is float32 of shape (3, rows, columns), contiguous, as are the others.

Source
------
Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", *NIPS* (2012), section 4.1: crops and horizontal reflections. Mean and deviation
are those of `accel.kernels.augmentation.normalise`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.augmentation.normalise import MEAN, STD
from accel.kernels.inputs import blank
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: Rows and columns that the image of the inputs has beyond the crop.
MARGIN = 6

EDGES = tuple(
    {"side": side, "width": width, "flip": flip}
    for side, width in (
        (0, 3), (2, 0), (1, 1), (3, 15), (2, 16), (2, 17), (1, 127), (1, 128), (2, 129), (7, 7),
    )
    for flip in (False, True)
)  # fmt: skip


def augment_image_inputs(
    side: int, width: int | None = None, flip: bool = True, dtype: str = "float32"
) -> tuple:
    """Return the arguments for a crop of `side` rows, square unless a width is given."""
    width = side if width is None else width
    shape = (side + MARGIN, width + MARGIN, 3)
    image = np.random.default_rng([4, *shape]).integers(0, 256, shape, dtype=np.uint8)
    mean, std = np.array(MEAN, dtype), np.array(STD, dtype)
    return image, MARGIN // 2, MARGIN // 3, flip, mean, std, blank((3, side, width), dtype)


def augment_image_oracle(image, top, left, flip, mean, std, out) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    As for `normalise_image`: with the constants multiplied out, below
    2 eps (t + mean) / std for ``t = image / 255``, and the same again for the oracle.
    """
    _, rows, columns = out.shape
    part = image[top : top + rows, left : left + columns].astype(np.float64)
    t = (part[:, ::-1] if flip else part).transpose(2, 0, 1) / 255.0
    m, s = (each.astype(np.float64)[:, None, None] for each in (mean, std))
    return (t - m) / s, 4 * float(np.finfo(out.dtype).eps) * (t + m) / s


def augment_image_flops(side: int, width: int | None = None, **_) -> int:
    """Two divisions and a subtraction per number."""
    return 9 * side * (side if width is None else width)


def augment_image_bytes(side: int, width: int | None = None, dtype: str = "float32", **_) -> int:
    """Read a byte and write a number, three times per pixel."""
    return side * (side if width is None else width) * 3 * (1 + np.dtype(dtype).itemsize)


def augment_image_sizes(working_set_bytes: int) -> dict:
    """Return the side of a square crop."""
    return {"side": max(1, math.isqrt(working_set_bytes // 15))}


register_operation(
    Operation(
        "augment_image",
        augment_image_inputs,
        augment_image_oracle,
        augment_image_flops,
        augment_image_bytes,
        edges=EDGES,
        sizes=augment_image_sizes,
        signature=(6,),
        awkward=({"side": 227}, {"side": 31, "width": 1001}, {"side": 1001, "width": 13}),
    )
)


def lists(image, top, left, flip, mean, std, out) -> tuple:
    """Turn the arrays into nested lists, for the plain loop."""
    return image.tolist(), top, left, flip, mean.tolist(), std.tolist(), out.tolist()


@register(
    "augment_image",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    dtypes=("float32",),
    tags=("ladder",),
)
def augment_image_loop(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise by loops over lists of lists of lists.

    The starting point.

    Parameters
    ----------
    image : list, height x width x 3 of int
    top, left : int
    flip : bool
    mean, std : list of float, length 3
    out : list, 3 x rows x columns of float
        Overwritten.

    Cost
    ----
    3 FLOPs per number, each some dozens of instructions of the interpreter.
    """
    for c, plane in enumerate(out):
        for i, row in enumerate(plane):
            columns = len(row)
            for j in range(columns):
                place = left + (columns - 1 - j if flip else j)
                row[j] = (image[top + i][place][c] / 255 - mean[c]) / std[c]


@register(
    "augment_image",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary images",
    dtypes=("float32",),
    tags=("ladder",),
)
def augment_image_numpy(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise by whole-array operations.

    Removes the interpreter. Crop, mirror image and channels first are views and cost
    nothing by themselves; the arithmetic then runs over strides, and makes two images.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8
    top, left : int
    flip : bool
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (3, rows, columns), float32
        Overwritten.

    Raises
    ------
    ValueError
        If the crop leaves the image.

    Cost
    ----
    3 FLOPs per number in three passes; up to two temporaries of the size of `out`.
    """
    part = image[top : top + out.shape[1], left : left + out.shape[2]]
    part = (part[:, ::-1] if flip else part).transpose(2, 0, 1)
    centred = part / out.dtype.type(255) - mean[:, None, None]
    np.divide(centred, std[:, None, None], out=out)


@register(
    "augment_image",
    name="numpy_out",
    instrument="NumPy",
    story="plane by plane in place: removes the temporary images and a division",
    dtypes=("float32",),
    tags=("ladder",),
)
def augment_image_numpy_out(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise plane by plane, in place in `out`.

    Removes the temporaries, and multiplies constants out: each plane is scaled and shifted
    by a number, in runs as long as the plane.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8
    top, left : int
    flip : bool
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (3, rows, columns), float32
        Overwritten.

    Raises
    ------
    ValueError
        If the crop leaves the image.

    Cost
    ----
    2 FLOPs per number in two passes, the first of which reads every third byte.
    """
    part = image[top : top + out.shape[1], left : left + out.shape[2]]
    part = part[:, ::-1] if flip else part
    for c in range(3):
        np.multiply(part[:, :, c], 1 / (255 * std[c]), out=out[c])
        out[c] -= mean[c] / std[c]


@register(
    "augment_image",
    name="compiled",
    instrument="compiled",
    story="one compiled pass: removes the second pass and the third of each line read thrice",
    dtypes=("float32",),
    tags=("ladder",),
)
@jit
def augment_image_compiled(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise in one compiled pass over the pixels.

    Removes the second pass, and the passes over the same bytes for each channel: a pixel's
    three bytes are widened, scaled and shifted together.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    top, left : int
    flip : bool
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (3, rows, columns), float32, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the crop leaves the image or there are not three channels.

    Cost
    ----
    2 FLOPs per number in one pass.
    """
    check_crop(image, top, left, mean, std, out)
    _, rows, columns = out.shape
    number = out.dtype.type
    scale0, shift0 = number(1.0 / (255.0 * std[0])), number(-mean[0] / std[0])
    scale1, shift1 = number(1.0 / (255.0 * std[1])), number(-mean[1] / std[1])
    scale2, shift2 = number(1.0 / (255.0 * std[2])), number(-mean[2] / std[2])
    for i in range(rows):
        row = image[top + i]
        red, green, blue = out[0, i], out[1, i], out[2, i]
        if flip:
            for j in range(columns):
                place = left + columns - 1 - j
                red[j] = number(row[place, 0]) * scale0 + shift0
                green[j] = number(row[place, 1]) * scale1 + shift1
                blue[j] = number(row[place, 2]) * scale2 + shift2
        else:
            for j in range(columns):
                red[j] = number(row[left + j, 0]) * scale0 + shift0
                green[j] = number(row[left + j, 1]) * scale1 + shift1
                blue[j] = number(row[left + j, 2]) * scale2 + shift2


@jit
def check_crop(image, top, left, mean, std, out):
    """Refuse a crop that leaves the image, and anything but three channels."""
    height, width, channels = image.shape
    planes, rows, columns = out.shape
    if not channels == planes == mean.size == std.size == 3:
        raise ValueError("augment_image: image, mean, std and out must have three channels")
    if top < 0 or left < 0 or top + rows > height or left + columns > width:
        raise ValueError("augment_image: the crop must lie inside the image")


@register(
    "augment_image",
    name="rows",
    instrument="compiled",
    story="indices that count from the front only: removes what kept the compiler from registers",
    dtypes=("float32",),
    tags=("ladder", "best"),
)
@jit
def augment_image_rows(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise row by row, with unsigned indices.

    Removes what kept the compiler from vector instructions in a mirrored row: an index that
    is a difference may be negative, and then counts from the end, which has to be asked for
    every pixel. Unsigned numbers cannot be. Now the compiler sees in both directions that
    three registers of bytes are three of red, green and blue, and shuffles them.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    top, left : int
    flip : bool
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (3, rows, columns), float32, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the crop leaves the image or there are not three channels.

    Cost
    ----
    2 FLOPs per number in one pass, 16 pixels at a time where registers hold as many.
    """
    check_crop(image, top, left, mean, std, out)
    _rows(image, top, left, flip, mean, std, out, 0, out.shape[1])


@jit
def _rows(image, top, left, flip, mean, std, out, first, last):
    """Augment rows ``[first, last)`` of `out`."""
    number, size = out.dtype.type, np.uintp
    rows, columns, width = size(out.shape[1]), size(out.shape[2]), size(image.shape[1])
    constants = (
        number(1.0 / (255.0 * std[0])), number(-mean[0] / std[0]),
        number(1.0 / (255.0 * std[1])), number(-mean[1] / std[1]),
        number(1.0 / (255.0 * std[2])), number(-mean[2] / std[2]),
    )  # fmt: skip
    source, target = image.reshape(-1), out.reshape(-1)
    for i in range(first, last):
        at, to = ((size(top) + size(i)) * width + size(left)) * size(3), size(i) * columns
        if flip:
            _mirrored(source, at, target, to, rows * columns, columns, constants)
        else:
            _straight(source, at, target, to, rows * columns, columns, constants)


@jit
def _straight(source, at, target, to, plane, columns, constants):
    """Write a row of each plane, `plane` elements apart."""
    scale0, shift0, scale1, shift1, scale2, shift2 = constants
    for j in range(columns):
        k = at + np.uintp(3) * j
        red, green, blue = source[k], source[k + np.uintp(1)], source[k + np.uintp(2)]
        target[to + j] = np.float32(red) * scale0 + shift0
        target[to + plane + j] = np.float32(green) * scale1 + shift1
        target[to + np.uintp(2) * plane + j] = np.float32(blue) * scale2 + shift2


@jit
def _mirrored(source, at, target, to, plane, columns, constants):
    """Write a row of each plane, `plane` elements apart, the last pixel first."""
    scale0, shift0, scale1, shift1, scale2, shift2 = constants
    for j in range(columns):
        k = at + np.uintp(3) * (columns - np.uintp(1) - j)
        red, green, blue = source[k], source[k + np.uintp(1)], source[k + np.uintp(2)]
        target[to + j] = np.float32(red) * scale0 + shift0
        target[to + plane + j] = np.float32(green) * scale1 + shift1
        target[to + np.uintp(2) * plane + j] = np.float32(blue) * scale2 + shift2


#: Below this many pixels the cores take longer to start than one takes to finish.
ALONE = 1 << 15


@register(
    "augment_image",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the rows",
    dtypes=("float32",),
    tags=("threads",),
)
def augment_image_threads(image, top, left, flip, mean, std, out):
    """Crop, mirror and normalise on all cores.

    Removes idle cores: each takes a part of the rows. Small images stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    top, left : int
    flip : bool
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (3, rows, columns), float32, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the crop leaves the image or there are not three channels.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    if out.size < 3 * ALONE:
        augment_image_rows(image, top, left, flip, mean, std, out)
    else:
        _rows_everywhere(image, top, left, flip, mean, std, out)


#: Rows that a core takes at a time.
PART = 16


@jit(parallel=True)
def _rows_everywhere(image, top, left, flip, mean, std, out):
    check_crop(image, top, left, mean, std, out)
    rows = out.shape[1]
    for part in prange(-(-rows // PART)):
        first, last = part * PART, min(rows, (part + 1) * PART)
        _rows(image, top, left, flip, mean, std, out, first, last)
