"""Augmentation: the step between a decoded image and a network.

`normalise_image` turns bytes into numbers around zero, a mean and a deviation
for each channel: ``(image / 255 - mean) / std``. The arithmetic is trivial; what
decides is how long the innermost loop is. NumPy and compilers are fast on long
runs of equal work, and an image offers them three channels at a time, unless
its rows are seen as what they are in memory: one run of ``3 width`` numbers.

Images are of shape (height, width, 3), contiguous, ``uint8``; `out` has the same
shape, is float32 or float64, contiguous, and must not overlap the image.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning*, section 12.2.1, on standardising
images by training set statistics. The mean and deviation used here are those of the
ImageNet training set that torchvision documents for its models.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from accel.kernels.inputs import blank
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

#: Mean and standard deviation of red, green and blue, on a scale of 0 to 1.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

EDGES = (
    {"side": 0},
    {"side": 1},
    {"side": 2, "width": 0},
    {"side": 7},
    {"side": 1, "width": 127},
    {"side": 3, "width": 128},
    {"side": 2, "width": 129},
)


def normalise_image_inputs(side: int, dtype: str = "float32", width: int | None = None) -> tuple:
    """Return ``(image, mean, std, out)`` with `side` rows, square unless a width is given."""
    shape = (side, side if width is None else width, 3)
    image = np.random.default_rng([3, *shape]).integers(0, 256, shape, dtype=np.uint8)
    return image, np.array(MEAN, dtype), np.array(STD, dtype), blank(shape, dtype)


def normalise_image_oracle(image, mean, std, out) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    Write t for ``image / 255``. With the constants multiplied out, the scale is off
    by three roundings and the shift by one, and the sum is rounded: below
    2 eps (t + mean) / std. The direct form loses less; the oracle's own error, where
    the kernel computes in float64 too, no more than the same again.
    """
    t, m, s = image / 255.0, mean.astype(np.float64), std.astype(np.float64)
    return (t - m) / s, 4 * float(np.finfo(out.dtype).eps) * (t + m) / s


def normalise_image_flops(side: int, width: int | None = None, **_) -> int:
    """Two divisions and a subtraction per number."""
    return 3 * side * (side if width is None else width) * 3


def normalise_image_bytes(side: int, dtype: str = "float32", width: int | None = None) -> int:
    """Read a byte and write a number, three times per pixel."""
    return side * (side if width is None else width) * 3 * (1 + np.dtype(dtype).itemsize)


def normalise_image_sizes(working_set_bytes: int) -> dict:
    """Return the side of a square image and its float32 numbers."""
    return {"side": max(1, math.isqrt(working_set_bytes // 15))}


def lists(image, mean, std, out) -> tuple:
    """Turn the arrays into nested lists, for the plain loop."""
    return image.tolist(), mean.tolist(), std.tolist(), out.tolist()


register_operation(
    Operation(
        "normalise_image",
        normalise_image_inputs,
        normalise_image_oracle,
        normalise_image_flops,
        normalise_image_bytes,
        edges=EDGES,
        sizes=normalise_image_sizes,
        awkward=({"side": 227}, {"side": 31, "width": 1001}, {"side": 1001, "width": 13}),
    )
)


@register(
    "normalise_image",
    name="loop",
    instrument="interpreter",
    story="Python loops over nested lists",
    adapt=lists,
    tags=("ladder",),
)
def normalise_image_loop(image, mean, std, out):
    """Normalise an image by loops over lists of lists of lists.

    The starting point: pixel by pixel, channel by channel.

    Parameters
    ----------
    image : list, height x width x 3 of int
    mean, std : list of float, length 3
    out : list, height x width x 3 of float
        Overwritten.

    Cost
    ----
    3 FLOPs per number, each some dozens of instructions of the interpreter.
    """
    for row, out_row in zip(image, out, strict=True):
        for pixel, out_pixel in zip(row, out_row, strict=True):
            for c in range(3):
                out_pixel[c] = (pixel[c] / 255 - mean[c]) / std[c]


@register(
    "normalise_image",
    name="array_scalars",
    instrument="interpreter",
    story="the same loops over NumPy arrays: makes a Python object of every number",
    tags=("ladder",),
)
def normalise_image_array_scalars(image, mean, std, out):
    """Normalise an image by loops over the elements of arrays.

    Removes nothing: each index of three numbers has to be taken apart and checked,
    and each number becomes an object of NumPy's.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64
        Overwritten.

    Cost
    ----
    3 FLOPs and 7 objects per number.
    """
    height, width, channels = image.shape
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                out[i, j, c] = (image[i, j, c] / 255 - mean[c]) / std[c]


@register(
    "normalise_image",
    name="numpy",
    instrument="NumPy",
    story="whole-array expression: removes the interpreter, adds temporary images",
    tags=("ladder",),
)
def normalise_image_numpy(image, mean, std, out):
    """Normalise an image by a whole-array expression.

    Removes the interpreter. Divided by a plain 255, bytes would become float64;
    a number of the type of `out` keeps the temporaries as small as the result.
    The last division writes `out`, which stands for the array that the expression
    would return: no copy is charged that a user would not make.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    3 FLOPs per number in three passes, two of them in runs of three numbers; up to
    two temporaries of the size of `out`.
    """
    np.divide(image / out.dtype.type(255) - mean, std, out=out)


@register(
    "normalise_image",
    name="numpy_out",
    instrument="NumPy",
    story="in place: removes the temporary images",
    tags=("ladder",),
)
def normalise_image_numpy_out(image, mean, std, out):
    """Normalise an image in place in `out`.

    Removes the temporaries. Subtraction and division still run over three numbers
    at a time, since `mean` and `std` begin anew with each pixel.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    3 FLOPs per number in three passes, two of them in runs of three numbers.
    """
    np.divide(image, out.dtype.type(255), out=out)
    out -= mean
    out /= std


@register(
    "normalise_image",
    name="rows",
    instrument="NumPy",
    story="constants repeated to the length of a row: removes the runs of three",
    tags=("ladder",),
)
def normalise_image_rows(image, mean, std, out):
    """Normalise an image row by row, with a constant for each number of a row.

    Removes the runs of three: a row is one run of ``3 width`` numbers, and so are
    the constants, repeated once per image. Multiplied out they are a scale and a
    shift, which removes the divisions and one pass too.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit or `out` is not contiguous.

    Cost
    ----
    2 FLOPs per number in two passes; two temporaries of one row.
    """
    if not out.flags.c_contiguous:
        raise ValueError("normalise_image: out must be contiguous; write to out.copy()")
    height, width, _ = image.shape
    scale = np.tile(1 / (255 * std), width)
    shift = np.tile(-mean / std, width)
    flat = out.reshape(height, 3 * width)
    np.multiply(image.reshape(height, 3 * width), scale, out=flat)
    flat += shift


@register(
    "normalise_image",
    name="compiled",
    instrument="compiled",
    story="rows again, compiled: removes the second pass",
    tags=("ladder", "best"),
)
@jit
def normalise_image_compiled(image, mean, std, out):
    """Normalise an image by a compiled loop over its rows.

    Removes the second pass: a byte is widened, scaled and shifted in a register.
    The compiler uses vector instructions because the inner loop is long and even;
    over the three channels of a pixel it compiles the same arithmetic to one
    number at a time.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes differ or there are not three channels.

    Cost
    ----
    2 FLOPs per number in one pass; two temporaries of one row.
    """
    height, width, channels = image.shape
    if image.shape != out.shape:
        raise ValueError("normalise_image: out must have the shape of the image")
    if not channels == mean.size == std.size == 3:
        raise ValueError("normalise_image: image, mean and std must have three channels")
    number = out.dtype.type
    scale = np.empty(3 * width, out.dtype)
    shift = np.empty(3 * width, out.dtype)
    for k in range(3 * width):
        scale[k] = number(1) / (number(255) * std[k % 3])
        shift[k] = -mean[k % 3] / std[k % 3]
    rows = image.reshape(height, 3 * width)
    out_rows = out.reshape(height, 3 * width)
    for i in range(height):
        for k in range(3 * width):
            out_rows[i, k] = number(rows[i, k]) * scale[k] + shift[k]


#: Below this many pixels the cores take longer to start than one takes to finish.
ALONE = 1 << 15

#: Rows that a core takes at a time.
PART = 16


@register(
    "normalise_image",
    name="threads",
    instrument="compiled",
    story="all cores, each with a part of the rows",
    tags=("threads",),
)
def normalise_image_threads(image, mean, std, out):
    """Normalise an image on all cores.

    Removes idle cores: each takes a part of the rows. Small images stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, contiguous
    mean, std : ndarray, shape (3,)
    out : ndarray, shape (height, width, 3), float32 or float64, contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes differ or there are not three channels.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    if out.size < 3 * ALONE:
        normalise_image_compiled(image, mean, std, out)
    else:
        _normalise_everywhere(image, mean, std, out)


@jit(parallel=True)
def _normalise_everywhere(image, mean, std, out):
    if image.shape != out.shape:
        raise ValueError("normalise_image: out must have the shape of the image")
    height = image.shape[0]
    for part in prange(-(-height // PART)):
        first, last = part * PART, min(height, (part + 1) * PART)
        normalise_image_compiled(image[first:last], mean, std, out[first:last])
