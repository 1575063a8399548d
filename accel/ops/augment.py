"""Operations between a decoded image and a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from accel.kernels.augmentation.normalise import MEAN, STD
from accel.ops.arguments import array, delivered, kernel_for, room


def normalise_image(
    image, mean: Sequence[float] = MEAN, std: Sequence[float] = STD, out: np.ndarray | None = None
) -> np.ndarray:
    """Return ``(image / 255 - mean) / std``, channels last as in the image.

    Parameters
    ----------
    image : array-like, shape (height, width, 3), uint8
    mean, std : three floats
        One for each channel, on a scale of 0 to 1; `std` above 0.
    out : ndarray, shape (height, width, 3), float32 or float64, optional
        Where to write; by default a new array of float32.

    Returns
    -------
    ndarray, shape (height, width, 3)
        `out`, or a new array.

    Raises
    ------
    TypeError
        If `image` is not uint8, `out` is no array of floats, or the statistics no numbers.
    ValueError
        If a shape does not fit, a deviation is not above 0, or `out` is read-only.
    """
    op = "normalise_image"
    image = _image(op, image)
    dtype = _dtype(op, out, (_SINGLE, _DOUBLE))
    mean, std = _statistics(op, mean, std, dtype)
    y = _place_for(op, out, image, image.shape, dtype)
    _kernel(op, y.dtype)(image, mean, std, y)
    return delivered(y, out)


def augment_image(
    image,
    *,
    top: int = 0,
    left: int = 0,
    size: Sequence[int] | None = None,
    flip: bool = False,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return part of an image or its mirror image, normalised, channels first, in one pass.

    Parameters
    ----------
    image : array-like, shape (height, width, 3), uint8
    top, left : int
        Row and column of the image where the part begins.
    size : two ints, optional
        Rows and columns of the part; by default all from `top` and `left` on.
    flip : bool
        Whether to exchange left and right.
    mean, std : three floats
        One for each channel, on a scale of 0 to 1; `std` above 0.
    out : ndarray, shape (3, rows, columns), float32, optional
        Where to write; by default a new array.

    Returns
    -------
    ndarray, shape (3, rows, columns), float32
        `out`, or a new array.

    Raises
    ------
    TypeError
        If `image` is not uint8, `out` not float32, or a number no number.
    ValueError
        If a shape does not fit, the part leaves the image, a deviation is not above 0, or
        `out` is read-only.
    """
    op = "augment_image"
    image = _image(op, image)
    dtype = _dtype(op, out, (_SINGLE,))
    mean, std = _statistics(op, mean, std, dtype)
    height, width, _ = image.shape
    top, left = _place(op, "top", top), _place(op, "left", left)
    rows, columns = (height - top, width - left) if size is None else _size(op, size)
    if rows < 0 or columns < 0 or top + rows > height or left + columns > width:
        raise ValueError(
            f"{op}: the part must lie inside the image of {height} x {width}, got {rows} x "
            f"{columns} from row {top} and column {left}"
        )
    y = _place_for(op, out, image, (3, rows, columns), dtype)
    _kernel(op, y.dtype)(image, top, left, bool(flip), mean, std, y)
    return delivered(y, out)


#: Element types in the machine's byte order.
_BYTES, _SINGLE, _DOUBLE = (np.dtype(name) for name in ("uint8", "float32", "float64"))


@functools.cache
def _kernel(op: str, dtype: np.dtype) -> Callable:
    return kernel_for(op, dtype)


def _place_for(op: str, out, image: np.ndarray, shape: tuple[int, ...], dtype) -> np.ndarray:
    """Return an array to write as `room` does, at once where `out` serves or there is none."""
    if out is None:
        return np.empty(shape, dtype)
    fits = out.shape == shape and out.dtype == dtype and out.flags.carray
    if type(out) is np.ndarray and fits and not np.may_share_memory(out, image):
        return out
    return room(op, out, shape, dtype, reads=(image,))


def _image(op: str, image) -> np.ndarray:
    plain = type(image) is np.ndarray and image.dtype == _BYTES and image.flags.carray
    if plain and image.ndim == 3 and image.shape[2] == 3:
        return image
    image = array(op, "image", image, dtypes=("uint8",), ndim=3)
    if image.shape[2] != 3:
        raise ValueError(f"{op}: image must have shape (height, width, 3), got {image.shape}")
    return image


def _dtype(op: str, out, allowed: tuple[np.dtype, ...]) -> np.dtype:
    """Return the element type of the answer."""
    if out is None:
        return _SINGLE
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{op}: out must be a NumPy array, got {type(out).__name__}")
    dtype = out.dtype.newbyteorder("=")
    if dtype not in allowed:
        names = " or ".join(each.name for each in allowed)
        raise TypeError(f"{op}: out must be {names}, got {out.dtype.name}")
    return dtype


def _statistics(op: str, mean, std, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return both as contiguous arrays of the element type of the answer."""
    if mean is MEAN and std is STD:
        return _usual(dtype)
    found = []
    for name, each in (("mean", mean), ("std", std)):
        values = np.asarray(each)
        if values.dtype.kind not in "iuf":
            raise TypeError(f"{op}: {name} must be three numbers, got {values.dtype.name}")
        if values.shape != (3,):
            raise ValueError(f"{op}: {name} must have shape (3,), got {values.shape}")
        found.append(np.ascontiguousarray(values, dtype=dtype))
    if not (found[1] > 0).all():
        raise ValueError(f"{op}: std must be above 0, got {found[1].tolist()}")
    return found[0], found[1]


@functools.cache
def _usual(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    return np.array(MEAN, dtype), np.array(STD, dtype)


def _place(op: str, name: str, value) -> int:
    if isinstance(value, bool | np.bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an integer, got {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{op}: {name} must be at least 0, got {value}")
    return int(value)


def _size(op: str, size) -> tuple[int, int]:
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"{op}: size must be rows and columns, got {size!r}")
    rows, columns = size
    return _place(op, "rows of size", rows), _place(op, "columns of size", columns)
