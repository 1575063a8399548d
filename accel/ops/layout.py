"""Operations that put the same numbers in another order.

Elements of 4 and 8 bytes are moved in registers whatever they mean: integers, complex
numbers and dates travel as float32 and float64 of the same bits. Those of 1 byte have a
kernel of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from accel.ops.arguments import array, delivered, kernel_for, room

#: Element types that are moved as they are, and as what.
_MOVED_AS = {
    "float32": "float32", "int32": "float32", "uint32": "float32",
    "float64": "float64", "int64": "float64", "uint64": "float64", "complex64": "float64",
    "uint8": "uint8", "int8": "uint8", "bool": "uint8",
}  # fmt: skip

#: The same for element types in the machine's byte order, to be found quickly.
_BITS = {np.dtype(name): np.dtype(bits) for name, bits in _MOVED_AS.items()}


def transpose(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return a matrix with rows and columns exchanged, written out in C order.

    Unlike ``x.T``, which is a view of the same memory, the answer is contiguous.

    Parameters
    ----------
    x : array-like, shape (rows, columns)
        Real numbers, integers or truth values of 1, 4 or 8 bytes, or complex64.
    out : ndarray, shape (columns, rows), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (columns, rows)
        `out`, or a new array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` is no matrix, or `out` has another shape or is read-only.
    """
    x = _taken("transpose", x, 2)
    return _moved("transpose", x, x.shape[::-1], out)


def nchw_to_nhwc(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return images with their channels last.

    Parameters
    ----------
    x : array-like, shape (batch, channels, height, width)
        Elements as for `transpose`.
    out : ndarray, shape (batch, height, width, channels), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (batch, height, width, channels)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` has not four dimensions, or `out` has another shape or is read-only.
    """
    x = _taken("nchw_to_nhwc", x, 4)
    batch, channels, height, width = x.shape
    return _moved("nchw_to_nhwc", x, (batch, height, width, channels), out)


def nhwc_to_nchw(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return images with their channels first.

    Parameters
    ----------
    x : array-like, shape (batch, height, width, channels)
        Elements as for `transpose`.
    out : ndarray, shape (batch, channels, height, width), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (batch, channels, height, width)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` has not four dimensions, or `out` has another shape or is read-only.
    """
    x = _taken("nhwc_to_nchw", x, 4)
    batch, height, width, channels = x.shape
    return _moved("nhwc_to_nchw", x, (batch, channels, height, width), out)


def nchw_to_nchwc(x, block: int = 16, out: np.ndarray | None = None) -> np.ndarray:
    """Return images with their channels in blocks, and zeros where the last one is ragged.

    Parameters
    ----------
    x : array-like, shape (batch, channels, height, width)
        Elements as for `transpose`.
    block : int
        Channels of a block, at least 1: 16 float32 or 8 float64 fill a register of 64 bytes.
    out : ndarray, shape (batch, blocks, height, width, block), optional
        Where to write, of the dtype of `x`; may overlap `x`. There are ``ceil(channels /
        block)`` blocks.

    Returns
    -------
    ndarray, shape (batch, blocks, height, width, block)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types, or `block` is no integer.
    ValueError
        If `x` has not four dimensions, `block` is below 1, or `out` has another shape or is
        read-only.
    """
    x = _taken("nchw_to_nchwc", x, 4)
    block = _count("nchw_to_nchwc", "block", block, least=1)
    batch, channels, height, width = x.shape
    return _moved("nchw_to_nchwc", x, (batch, -(-channels // block), height, width, block), out)


def nchwc_to_nchw(x, channels: int | None = None, out: np.ndarray | None = None) -> np.ndarray:
    """Return images in blocks of channels as images with their channels first.

    Parameters
    ----------
    x : array-like, shape (batch, blocks, height, width, block)
        Elements as for `transpose`.
    channels : int, optional
        How many there are where the last block is ragged; by default all blocks are full.
    out : ndarray, shape (batch, channels, height, width), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (batch, channels, height, width)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types, or `channels` is no integer.
    ValueError
        If `x` has not five dimensions, its number of blocks does not fit that of `channels`,
        or `out` has another shape or is read-only.
    """
    x = _taken("nchwc_to_nchw", x, 5)
    batch, blocks, height, width, block = x.shape
    full = blocks * block
    channels = full if channels is None else _count("nchwc_to_nchw", "channels", channels)
    if -(-channels // max(block, 1)) != blocks or channels > full:
        raise ValueError(
            f"nchwc_to_nchw: channels must fill {blocks} blocks of {block}, got {channels}"
        )
    return _moved("nchwc_to_nchw", x, (batch, channels, height, width), out)


def aos_to_soa(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return records taken apart: one array for each field.

    Parameters
    ----------
    x : array-like, shape (n, fields)
        Elements as for `transpose`. Fast with 2, 3 or 4 fields too.
    out : ndarray, shape (fields, n), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (fields, n)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` has not two dimensions, or `out` has another shape or is read-only.
    """
    x = _taken("aos_to_soa", x, 2)
    return _moved("aos_to_soa", x, x.shape[::-1], out)


def soa_to_aos(x, out: np.ndarray | None = None) -> np.ndarray:
    """Return records put together from one array for each field.

    Parameters
    ----------
    x : array-like, shape (fields, n)
        Elements as for `transpose`. Fast with 2, 3 or 4 fields too.
    out : ndarray, shape (n, fields), optional
        Where to write, of the dtype of `x`; may overlap `x`.

    Returns
    -------
    ndarray, shape (n, fields)
        `out`, or a new contiguous array, with the very bits of `x`.

    Raises
    ------
    TypeError
        If `x` or `out` are of other element types.
    ValueError
        If `x` has not two dimensions, or `out` has another shape or is read-only.
    """
    x = _taken("soa_to_aos", x, 2)
    return _moved("soa_to_aos", x, x.shape[::-1], out)


def _taken(op: str, x, ndim: int) -> np.ndarray:
    """Return an argument as `array` does, at once where a kernel can read it as it is."""
    if type(x) is np.ndarray and x.ndim == ndim and x.dtype in _BITS and x.flags.carray:
        return x
    return array(op, "x", x, dtypes=tuple(_MOVED_AS), ndim=ndim)


def _moved(op: str, x: np.ndarray, shape: tuple[int, ...], out: np.ndarray | None) -> np.ndarray:
    """Apply a kernel ``f(x, out)`` to the bits of an array."""
    if out is None:
        y = np.empty(shape, x.dtype)
    elif _can_be_written(out, x, shape):
        y = out
    else:
        y = room(op, out, shape, x.dtype, reads=(x,))
    bits = _BITS[x.dtype]
    if bits == x.dtype:
        _kernel(op, bits)(x, y)
    else:
        _kernel(op, bits)(x.view(bits), y.view(bits))
    return delivered(y, out)


def _can_be_written(out, x: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Tell at once whether a kernel can write `out` where it is."""
    return (
        type(out) is np.ndarray
        and out.shape == shape
        and out.dtype == x.dtype
        and out.flags.carray
        and not np.may_share_memory(out, x)
    )


@functools.cache
def _kernel(op: str, bits: np.dtype) -> Callable:
    return kernel_for(op, bits)


def _count(op: str, name: str, value, least: int = 0) -> int:
    """Return a number of things as an int."""
    if isinstance(value, bool | np.bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be at least {least}, got {value}")
    return int(value)
