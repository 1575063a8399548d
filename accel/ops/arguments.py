"""What every operation asks of its arguments, and how it says that it did not get it.

A kernel wants native, aligned, contiguous arrays of one element type, and an `out` that
overlaps nothing. A user has whatever they have. Between them stand four functions::

    x = array("gelu", "x", x, dtypes=FLOATS)
    y = room("gelu", out, x.shape, x.dtype, reads=(x,), elementwise=True)
    kernel_for("gelu", x.dtype)(flat(x), flat(y))
    return delivered(y, out)

`array` and `room` copy only what a kernel could not have read or written where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from accel.backend import dispatch

FLOATS = ("float32", "float64")

#: Element type in the machine's byte order -> its name; to ask for it takes a microsecond.
_NAMES = {np.dtype(name): name for name in (*FLOATS, "int64", "int32", "uint8")}

#: Bits of ``flags.num``, as in NumPy's C interface. What a kernel can take as it is has its
#: elements side by side in C order, at their own alignment.
ALIGNED = 0x100
AS_IT_IS = ALIGNED | 0x1


def array(
    op: str,
    name: str,
    value,
    *,
    dtypes: Sequence[str] = FLOATS,
    ndim: int | None = None,
    like: np.ndarray | None = None,
    contiguous: bool = True,
) -> np.ndarray:
    """Return an argument as an array that a kernel can read.

    Parameters
    ----------
    op, name : str
        Operation and parameter, for the message.
    value : array-like
        What the user gave.
    dtypes : sequence of str
        Element types that the operation knows, in the machine's byte order.
    ndim : int, optional
        Dimensions it must have; any number by default.
    like : ndarray, optional
        An argument whose element type this one must share.
    contiguous : bool
        Whether the kernel needs elements side by side, in C order.

    Returns
    -------
    ndarray
        `value` itself where it serves, else a copy in the machine's byte order.

    Raises
    ------
    TypeError
        If it is not an array of such elements, or is masked.
    ValueError
        If it has another number of dimensions.
    """
    if (
        type(value) is np.ndarray
        and _NAMES.get(value.dtype) in dtypes
        and (like is None or value.dtype == like.dtype)
        and ndim in (None, value.ndim)
        and not ~value.flags.num & (AS_IT_IS if contiguous else ALIGNED)
    ):
        return value  # as most calls bring it, and short ones have no time for what follows
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{op}: {name} is a masked array, whose mask would be lost; fill it first")
    try:
        x = np.asarray(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{op}: {name} cannot be made an array: {error}") from None
    if x.dtype.newbyteorder("=").name not in dtypes:
        raise TypeError(
            f"{op}: {name} must be {_any_of(dtypes)}, got {x.dtype.name}; convert it first"
        )
    if like is not None and x.dtype.newbyteorder("=") != like.dtype:
        raise TypeError(
            f"{op}: {name} must be {like.dtype.name} as the first argument is, got {x.dtype.name}"
        )
    if ndim is not None and x.ndim != ndim:
        raise ValueError(
            f"{op}: {name} must have {ndim} dimension{'s' * (ndim != 1)}, got shape {x.shape}"
        )
    if not x.dtype.isnative or not x.flags.aligned:
        x = x.astype(x.dtype.newbyteorder("="), order="C")
    return np.ascontiguousarray(x).reshape(x.shape) if contiguous else x


def room(
    op: str,
    out: np.ndarray | None,
    shape: tuple[int, ...],
    dtype: np.dtype,
    *,
    reads: Sequence[np.ndarray] = (),
    elementwise: bool = False,
    contiguous: bool = True,
) -> np.ndarray:
    """Return an array for a kernel to write: `out`, or another where `out` will not do.

    Parameters
    ----------
    op : str
        Operation, for the message.
    out : ndarray or None
        What the user gave.
    shape, dtype
        What the answer is.
    reads : sequence of ndarray
        Arrays that the kernel reads, which it must not overwrite meanwhile.
    elementwise : bool
        Whether the kernel reads each element before it writes the one at the same place,
        so that `out` may be exactly the array that it reads.
    contiguous : bool
        Whether the kernel needs elements side by side, in C order.

    Returns
    -------
    ndarray
        Pass it to `delivered` when it is written.

    Raises
    ------
    TypeError
        If `out` is no array, or of another element type.
    ValueError
        If `out` has another shape, or is read-only.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"{op}: out must be a NumPy array, got {type(out).__name__}")
    if out.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{op}: out must be {np.dtype(dtype).name}, got {out.dtype.name}")
    if out.shape != tuple(shape):
        raise ValueError(f"{op}: out must have shape {tuple(shape)}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{op}: out is read-only; give an array that may be written")
    fits = out.dtype.isnative and out.flags.aligned and (out.flags.c_contiguous or not contiguous)
    if not fits or any(_in_the_way(out, x, elementwise) for x in reads):
        return np.empty(shape, dtype)
    return out


def delivered(written: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Return the user's `out` with the answer in it, or the answer where there is no `out`."""
    if out is None or written is out:
        return written
    np.copyto(out, written)
    return out


def flat(x: np.ndarray) -> np.ndarray:
    """Return a contiguous array as one line of elements, without a copy."""
    return x.reshape(-1)


def kernel_for(op: str, dtype: np.dtype) -> Callable[..., None]:
    """Return what runs calls of an operation for elements of this type.

    Whose kernel that is, `accel.use` and the size of each call decide.
    """
    return dispatch.runner(op, dtype)


def _in_the_way(out: np.ndarray, x: np.ndarray, elementwise: bool) -> bool:
    """Tell whether writing `out` could spoil what is still to be read of `x`."""
    if not np.may_share_memory(out, x):
        return False
    same = out.ctypes.data == x.ctypes.data and out.strides == x.strides and out.shape == x.shape
    return not (elementwise and same)


def _any_of(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
