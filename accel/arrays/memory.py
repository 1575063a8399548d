"""Memory for results, used again as soon as nobody can see it.

Code written in NumPy makes an array for every step. Memory fresh from the system costs a page
fault for each of its pages, which for a short step is more than the arithmetic; memory that
was just in use is near the processor. So large results live in buffers that are kept when the
arrays in them are gone.

A buffer comes back when its last array dies: every view, memoryview, ``ctypes`` pointer or
DLPack capsule holds a reference that leads to the `Lease` at the bottom, and the lease's end
is what returns the buffer. Nothing is counted or searched.
"""

from __future__ import annotations

import mmap
import threading
from collections import OrderedDict

import numpy as np

#: Results of so many bytes and more live in buffers. Of smaller ones the C library often has
#: the memory at hand, and asking here first takes longer than their pages.
LEAST_BYTES = 1 << 21

#: Bytes that are kept for later, at most; of those longest unused, the system gets them back.
MOST_KEPT_BYTES = 1 << 29

#: From here on pages of 2 MiB are asked for, as NumPy asks for its own arrays.
HUGE_BYTES = 1 << 22


class Lease(np.ndarray):
    """The bytes of a buffer, for as long as an array in it lives."""

    __slots__ = ("buffer", "store")

    def __del__(self):
        # A view of a lease is a lease by type; only the first has something to return.
        store = getattr(self, "store", None)
        if store is not None:
            store.take_back(self.buffer)


class Store:
    """Buffers that wait for their next use.

    Parameters
    ----------
    most_kept_bytes : int
        Bound of what waits. What is in use is the arrays' own.
    """

    def __init__(self, most_kept_bytes: int = MOST_KEPT_BYTES):
        self.most_kept_bytes = most_kept_bytes
        self.kept_bytes = 0
        #: Size -> buffers of that size, the last one used last. Sizes longest unused first.
        self._waiting: OrderedDict[int, list[mmap.mmap]] = OrderedDict()
        self._lock = threading.Lock()

    def empty(self, cls: type[np.ndarray], shape: tuple[int, ...], dtype: np.dtype, nbytes: int):
        """Return an array of a class, not filled, in a buffer that nobody else can see.

        Parameters
        ----------
        cls : type
            A subclass of ndarray: NumPy makes an array of the same class as what is below
            the lease skip the lease.
        shape, dtype
        nbytes : int
            What they come to, at least 1.

        Raises
        ------
        MemoryError
            If the system has no more.
        """
        size = _rounded(nbytes)
        with self._lock:
            same = self._waiting.get(size)
            buffer = same.pop() if same else None
            if buffer is not None:
                self.kept_bytes -= size
        if buffer is None:
            buffer = _mapped(size)
        lease = np.ndarray.__new__(Lease, (size,), np.uint8, buffer)
        lease.buffer, lease.store = buffer, self
        return np.ndarray.__new__(cls, shape, dtype, lease)

    def take_back(self, buffer: mmap.mmap) -> None:
        """Keep a buffer that is no longer in use, or return it to the system.

        Arrays may die at any moment, even while this thread holds the lock: then the buffer is
        not kept, and goes when its last reference does.
        """
        size = len(buffer)
        if size > self.most_kept_bytes or not self._lock.acquire(blocking=False):
            return
        try:
            self._waiting.setdefault(size, []).append(buffer)
            self._waiting.move_to_end(size)
            self.kept_bytes += size
            while self.kept_bytes > self.most_kept_bytes:
                oldest, buffers = next(iter(self._waiting.items()))
                if buffers:
                    del buffers[0]
                    self.kept_bytes -= oldest
                else:
                    del self._waiting[oldest]
        finally:
            self._lock.release()

    def clear(self) -> None:
        """Return all that waits to the system."""
        with self._lock:
            self._waiting.clear()
            self.kept_bytes = 0


#: The one that results come from.
store = Store()


def _rounded(nbytes: int) -> int:
    """Return a size of buffers: eight between two powers of two, and whole pages."""
    step = max(mmap.PAGESIZE, 1 << max(0, nbytes.bit_length() - 4))
    return -(-nbytes // step) * step


def _mapped(size: int) -> mmap.mmap:
    """Return fresh memory from the system: of this process alone, also after a fork."""
    try:
        buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no memory for an array of {size} bytes: {error.strerror}") from error
    if size >= HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer
