"""Elements of an array that write down that they were touched.

Beside the values lies an array of their addresses. Both are indexed alike, so that
whatever a view shows, its addresses are known.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from accel.timing.counting.log import CountError, Log, UnknownAccess, addresses_of
from accel.timing.counting.numbers import CountedNumber, plain


class Elements:
    """An array that logs which of its elements are taken out and put in.

    What it does to whole arrays is added by `accel.timing.counting.arrays.Counted`.

    Parameters
    ----------
    values : ndarray
    addresses : ndarray of int64, of the same shape
    buffer : int
        Number of the buffer in the log.
    log : Log
    """

    def __init__(self, values: np.ndarray, addresses: np.ndarray, buffer: int, log: Log):
        self._values = values
        self._addresses = addresses
        self._buffer = buffer
        self._log = log

    # Kernels check their arguments with isinstance(x, np.ndarray).
    __class__ = property(lambda self: np.ndarray)

    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    itemsize = property(lambda self: self._values.itemsize)
    nbytes = property(lambda self: self._values.nbytes)
    strides = property(lambda self: self._values.strides)
    flags = property(lambda self: self._values.flags)
    base = property(lambda self: self._values.base)
    T = property(lambda self: self.transpose())

    def __repr__(self) -> str:
        name = self._log.buffers[self._buffer].name
        return f"Counted({name}, shape {self.shape}, {self.dtype})"

    def __getattr__(self, name: str) -> Any:
        raise UnknownAccess(
            f"a counted array has no {name!r}: what it reads or writes is not known; write it "
            "with indices, slices, operators, ufuncs or the functions that "
            "accel.timing.counting.arrays lists"
        )

    def __array__(self, dtype=None, copy=None):
        raise CountError(
            f"{self!r} was about to be turned into a plain array, whose accesses nobody counts; "
            "use it as it is"
        )

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def item(self) -> Any:
        """Return the only element."""
        self._values.item()  # refuses several elements, in NumPy's words
        flush(self._log, [self._column(self._addresses)])
        return CountedNumber(self._values.reshape(-1)[0], self._log)

    def __bool__(self) -> bool:
        if self.size != 1:
            return bool(self._values)  # NumPy's error
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    # -- elements -----------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        own, reads = self._own_index(index)
        values = self._values[own]
        if not isinstance(values, np.ndarray):
            self._log.touch_one(self._buffer, self._addresses[own].item())
            return CountedNumber(values, self._log)
        if reads is None:
            return self._view(values, self._addresses[own])
        return self._new(values, self._log, [*reads, self._column(self._addresses[own])])

    def __setitem__(self, index: Any, value: Any) -> None:
        own, reads = self._own_index(index)
        places = self._addresses[own]
        if not isinstance(places, np.ndarray) and not isinstance(value, np.ndarray | list | tuple):
            self._values[own] = plain(value)
            self._log.touch_one(self._buffer, places.item(), write=True)
            return
        places = np.asarray(places)
        if isinstance(value, Elements) and value._same(self._buffer, places):
            return  # end of `x[...] += y`: NumPy does not copy elements onto themselves
        content, source = self._content(value, places.shape)
        self._values[own] = content
        columns = [*(reads or ()), *source, self._column(places, write=True)]
        if reads is None:
            check_order(self._log, columns)
        flush(self._log, columns)

    def _own_index(self, index: Any) -> tuple[Any, list | None]:
        """Return the index with plain arrays in it, and what reading those means.

        The second is None where the index makes a view: integers, slices, ellipsis.
        """
        parts = index if isinstance(index, tuple) else (index,)
        reads, own, advanced = [], [], False
        for part in parts:
            if isinstance(part, Elements):
                reads.append(part._column(part._addresses))
                part = part._values
            elif isinstance(part, CountedNumber):
                part = operator.index(part)
            elif isinstance(part, np.ndarray) and part.ndim:
                raise uncounted(part, "an index")
            elif isinstance(part, list):
                part = _plain_list(part)
            advanced |= isinstance(part, list | np.ndarray | bool)
            own.append(part)
        return (tuple(own) if isinstance(index, tuple) else own[0]), reads if advanced else None

    def _content(self, value: Any, shape: tuple[int, ...]) -> tuple[Any, list]:
        """Return plain values to store in `shape`, and what reading them means."""
        if isinstance(value, Elements):
            places = value._addresses  # leading axes of length 1 are dropped, as in NumPy
            while places.ndim > len(shape) and places.shape[0] == 1:
                places = places[0]
            return value._values, [value._column(np.broadcast_to(places, shape))]
        return _plain_list(value), []

    @classmethod
    def _new(cls, values: Any, log: Log, reads: list) -> Any:
        """Return a result that was computed from `reads`: a new array, or a number."""
        made = cls._blank(values, log)
        writes = [made._column(made._addresses, write=True)] if isinstance(made, cls) else []
        flush(log, [*reads, *writes])
        return made

    @classmethod
    def _blank(cls, values: Any, log: Log) -> Any:
        """Return a result before its elements are logged."""
        if not isinstance(values, np.ndarray):
            return CountedNumber(values, log)
        buffer = log.add_buffer("temporary", values, temporary=True)
        return cls(values, addresses_of(values, log.reserve(values.nbytes)), buffer, log)

    def _same(self, buffer: int, places: np.ndarray) -> bool:
        return (
            self._buffer == buffer
            and self._addresses.shape == places.shape
            and np.array_equal(self._addresses, places)
        )

    def _view(self, values: np.ndarray, addresses: np.ndarray) -> Elements:
        return type(self)(values, addresses, self._buffer, self._log)

    def _column(self, addresses: np.ndarray, write: bool = False) -> tuple:
        return self._buffer, addresses, write

    def _copied(self, values: np.ndarray, addresses: np.ndarray) -> Elements:
        reads = [self._column(addresses)]
        check_order(self._log, reads)
        return self._new(values, self._log, reads)


def flush(log: Log, columns: list) -> None:
    """Log columns of accesses: side by side if they are of one shape, else one by one."""
    together = len({addresses.shape for _, addresses, _ in columns}) == 1
    for group in [columns] if together else [[column] for column in columns]:
        log.touch(group)


def check_order(log: Log, columns: list) -> None:
    """Write down if NumPy may not walk these elements in C order: it follows the memory."""
    for _, addresses, _ in columns:
        first = addresses.ravel()[:1]
        axes = [axis for axis, size in enumerate(addresses.shape) if size > 1]
        seconds = [np.take(addresses, 1, axis).ravel()[:1] for axis in axes]
        steps = [step for second in seconds for step in (second - first).tolist() if step]
        if steps != sorted(steps, reverse=True) or min(steps, default=1) < 0:
            log.unordered["an operation on an array that is not in C order"] = None


def uncounted(values: np.ndarray, use: str) -> CountError:
    return CountError(
        f"a plain array of shape {values.shape} as {use}: its accesses are not counted; pass it "
        "to the function as an argument"
    )


def _plain_list(value: Any) -> Any:
    """Return what may be stored without being read: numbers, and lists of them."""
    if isinstance(value, list | tuple):
        return [_plain_list(each) for each in value]
    if type(value) is np.ndarray and value.ndim:
        raise uncounted(value, "what is stored")
    return plain(value)


