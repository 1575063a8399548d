"""What a counted run wrote down: every access to an element, and every operation.

One log per run, in the order of the run. Counts, footprint and the trace for
`accel.timing.counting.cache_model` are all computed from it afterwards, so none of them can
disagree with another.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Every array begins at a multiple of this in the address space of a counted run, so that a
#: model of cache lines sees what it would see of arrays that an allocator aligned.
ALIGNMENT = 64

#: A counted run is a small one: 12 bytes are kept for each access.
MOST_ACCESSES = 50_000_000


class CountError(TypeError):
    """Something cannot be counted exactly; the message names it."""


class UnknownAccess(CountError, AttributeError):
    """An attribute of an array whose accesses are not known."""


@dataclass(frozen=True)
class Buffer:
    """One array of a counted run: an argument, or a temporary."""

    name: str
    itemsize: int
    nbytes: int
    temporary: bool


@dataclass(frozen=True)
class Trace:
    """Every access to an element, in order.

    Parameters
    ----------
    addresses : ndarray of int64, shape (n,)
        Byte address of each element. Arrays lie one after another from address 0.
    sizes : ndarray of int64, shape (n,)
        Bytes of each element.
    writes : ndarray of bool, shape (n,)
        Whether it was written, or else read.
    buffers : ndarray of int64, shape (n,)
        Which of `names` it belongs to.
    names : tuple of str
        Arguments, then temporaries.
    """

    addresses: np.ndarray
    sizes: np.ndarray
    writes: np.ndarray
    buffers: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Yield ``(array, byte address, "read" or "write")``."""
        columns = (self.buffers.tolist(), self.addresses.tolist(), self.writes.tolist())
        for buffer, address, write in zip(*columns, strict=True):
            yield self.names[buffer], address, "write" if write else "read"


class Log:
    """Accesses and operations of one run, in order.

    Attributes
    ----------
    buffers : list of Buffer
    operations : Counter of str
        How often each kind of arithmetic was done.
    unseen : dict of str to None
        Why the arithmetic is not fully known, in words; empty if it is.
    unordered : dict of str to None
        What touched elements in an order of its own; empty if there is a trace.
    """

    def __init__(self):
        self.buffers: list[Buffer] = []
        self.operations: Counter[str] = Counter()
        self.unseen: dict[str, None] = {}
        self.unordered: dict[str, None] = {}
        self._addresses = array("q")
        self._marks = array("q")  # twice the buffer, plus 1 for a write
        self._free = 0

    def reserve(self, nbytes: int) -> int:
        """Return the address of a free range of this many bytes."""
        start = self._free
        self._free += -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
        return start

    def add_buffer(self, name: str, values: np.ndarray, *, temporary: bool = False) -> int:
        """Return the number of a new buffer."""
        self.buffers.append(Buffer(name, values.itemsize, values.nbytes, temporary))
        return len(self.buffers) - 1

    def touch_one(self, buffer: int, address: int, write: bool = False) -> None:
        """Write down one access."""
        self._make_room(1)
        self._addresses.append(address)
        self._marks.append(2 * buffer + write)

    def touch(self, columns: list[tuple[int, np.ndarray, bool]]) -> None:
        """Write down whole arrays of accesses, element by element across `columns`.

        Parameters
        ----------
        columns : list of (buffer, addresses, write)
            Addresses of one shape: the first of each column, then the second of each.
        """
        if not columns:
            return
        self._make_room(len(columns) * columns[0][1].size)
        table = np.stack([addresses.ravel() for _, addresses, _ in columns], axis=1)
        marks = np.array([2 * buffer + write for buffer, _, write in columns], np.int64)
        self._addresses.frombytes(table.astype(np.int64, copy=False).tobytes())
        self._marks.frombytes(np.tile(marks, len(table)).tobytes())

    def _make_room(self, more: int) -> None:
        if len(self._addresses) + more > MOST_ACCESSES:
            raise CountError(
                f"this run touches more than {MOST_ACCESSES:,} elements; count a smaller size, "
                "accesses grow with it as the code says"
            )

    def trace(self) -> Trace:
        """Return all accesses; in order only if nothing is `unordered`."""
        marks = np.array(self._marks, np.int64)
        buffers = marks >> 1
        itemsizes = np.array([buffer.itemsize for buffer in self.buffers], np.int64)
        return Trace(
            np.array(self._addresses, np.int64),
            itemsizes[buffers] if len(buffers) else buffers,
            (marks & 1).astype(bool),
            buffers,
            tuple(buffer.name for buffer in self.buffers),
        )


def addresses_of(values: np.ndarray, lowest: int) -> np.ndarray:
    """Return the address of each element, with the array's lowest byte at `lowest`."""
    start = lowest
    grid = np.zeros(values.shape, np.int64)
    for axis, (size, stride) in enumerate(zip(values.shape, values.strides, strict=True)):
        steps = np.arange(size, dtype=np.int64) * stride
        start -= min(0, (size - 1) * stride) if size else 0
        grid += steps.reshape([-1 if at == axis else 1 for at in range(values.ndim)])
    return grid + start
