"""Count what a function does to the elements of its arrays, exactly, in a small run.

`accel.timing.cost` works with what an operation declares. Here the declaration is checked
against the code: the function runs on arrays that log every access and on numbers that
count what is computed with them. A kernel for Numba runs as the Python function it was
compiled from. NumPy's part is counted by the rules of `accel.timing.counting.arrays`;
whatever has no rule is refused.

The function that runs is a copy of the one given, and of those of its own that it calls, in
which ``np`` and ``math`` count as well: an array that a kernel makes for itself is a
temporary, and a ``math.tanh`` an operation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from accel.timing.counting.arrays import Counted, argument
from accel.timing.counting.copies import Copies
from accel.timing.counting.log import CountError, Log, Trace

__all__ = ["CountError", "Counts", "count"]

@dataclass(frozen=True)
class Counts:
    """What one call did to the elements of its arrays.

    A count is a number of *elements*, each read or written as often as the code asks.
    Whatever stays in a cache or a register between two accesses is counted twice all the
    same; `accel.timing.counting.cache_model` says what a cache makes of it.
    """

    log: Log

    @cached_property
    def _all(self) -> Trace:
        return self.log.trace()

    def _per_argument(self, chosen: np.ndarray) -> dict[str, int]:
        counts = np.bincount(self._all.buffers[chosen], minlength=len(self.log.buffers)).tolist()
        return {
            buffer.name: number
            for buffer, number in zip(self.log.buffers, counts, strict=True)
            if not buffer.temporary
        }

    @property
    def reads(self) -> dict[str, int]:
        """Elements read, for each array among the arguments."""
        return self._per_argument(~self._all.writes)

    @property
    def writes(self) -> dict[str, int]:
        """Elements written, for each array among the arguments."""
        return self._per_argument(self._all.writes)

    @property
    def total_bytes(self) -> int:
        """Bytes of all accesses, to arguments and temporaries."""
        return int(self._all.sizes.sum())

    @property
    def unique_bytes(self) -> int:
        """Footprint: bytes of the arguments that were touched at all."""
        trace = self._all
        kept = ~np.array([each.temporary for each in self.log.buffers], bool)[trace.buffers]
        touched = [
            np.unique(trace.addresses[kept & (trace.sizes == size)])[:, None] + np.arange(size)
            for size in np.unique(trace.sizes[kept]).tolist()
        ]
        return np.unique(np.concatenate([each.ravel() for each in touched])).size if touched else 0

    @property
    def allocations(self) -> int:
        """Arrays that were made on the way."""
        return sum(buffer.temporary for buffer in self.log.buffers)

    @property
    def allocated_bytes(self) -> int:
        """Bytes of those arrays, none of them reused."""
        return sum(buffer.nbytes for buffer in self.log.buffers if buffer.temporary)

    @property
    def operations(self) -> dict[str, int]:
        """Arithmetic by kind: add, subtract, multiply, divide, compare, function.

        Raises
        ------
        CountError
            If some of it could not be seen; the message says what.
        """
        if self.log.unseen:
            raise CountError(f"FLOPs are not fully known: {'; '.join(self.log.unseen)}")
        return dict(self.log.operations)

    @property
    def flops(self) -> int:
        """Arithmetic operations on elements and on numbers computed from them.

        Numbers that were passed as arguments are not elements; arithmetic among those
        alone, done once and not per element, is not counted.

        Raises
        ------
        CountError
            As `operations`.
        """
        return sum(self.operations.values())

    @property
    def trace(self) -> Trace:
        """Every access in order.

        Raises
        ------
        CountError
            If something touched elements in an order that is not known.
        """
        if self.log.unordered:
            raise CountError(
                f"the order of accesses is not known within {', '.join(self.log.unordered)}; "
                "trace a kernel of loops"
            )
        return self._all


def count(function: Callable, arguments: Sequence[Any]) -> Counts:
    """Call a function once, and return what it did to the elements of its arrays.

    Parameters
    ----------
    function : callable
        A Python function, one compiled by Numba (its Python original runs), or a function
        of NumPy.
    arguments : sequence
        Arrays, and whatever else it takes. Views of one array keep their distance in memory;
        separate arrays lie one after another. They are used as by any call: `out` is
        overwritten.

    Returns
    -------
    Counts

    Raises
    ------
    CountError
        If something cannot be counted: a list among the arguments, vector registers, an array
        that is no argument, an operation whose accesses are not known. The message names it.

    Cost
    ----
    Some microseconds and 16 bytes for each access.

    Examples
    --------
    >>> import numpy as np
    >>> def shift(x, out):
    ...     for i in range(1, len(x)):
    ...         out[i] = x[i] + x[i - 1]
    >>> counts = count(shift, (np.ones(5), np.zeros(5)))
    >>> counts.reads, counts.writes, counts.flops
    ({'x': 8, 'out': 0}, {'x': 0, 'out': 4}, 4)
    """
    log = Log()
    runnable = Copies(log).of(function)
    names = _names(runnable, len(arguments))
    for name, value in zip(names, arguments, strict=True):
        _check_argument(name, value)
    arrays = {at: value for at, value in enumerate(arguments) if isinstance(value, np.ndarray)}
    lowest = _placed(list(arrays.values()), log)
    own = list(arguments)
    for (at, values), address in zip(arrays.items(), lowest, strict=True):
        own[at] = argument(values, names[at], address, log)
    runnable(*own)
    return Counts(log)


def _names(function: Callable, number: int) -> list[str]:
    """Return the names of the parameters that take this many arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some functions of NumPy say nothing about theirs
        parameters = []
    names = [each.name for each in parameters if each.kind != inspect.Parameter.VAR_POSITIONAL]
    return [names[at] if at < len(names) else f"argument {at}" for at in range(number)]


def _check_argument(name: str, value: Any) -> None:
    if type(value) is Counted:
        raise CountError(f"argument {name} is counted already; pass the plain array")
    if isinstance(value, list | tuple):
        raise CountError(
            f"argument {name} is a {type(value).__name__}, whose accesses cannot be seen; count "
            "a kernel that takes arrays"
        )
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
        raise CountError(
            f"argument {name}: expected a plain array, got {type(value).__name__}, which may "
            "touch more than its elements; pass np.asarray of it"
        )
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":
        raise CountError(f"argument {name}: expected an array of numbers, got {value.dtype}")


def _placed(arrays: list[np.ndarray], log: Log) -> list[int]:
    """Return the address of each array's lowest byte; views of one array stay where they are."""
    bounds = [np.lib.array_utils.byte_bounds(_owner(each)) for each in arrays]
    groups: list[list[int]] = []
    for at in sorted(range(len(arrays)), key=bounds.__getitem__):
        if groups and bounds[at][0] < max(bounds[other][1] for other in groups[-1]):
            groups[-1].append(at)
        else:
            groups.append([at])
    lowest = [0] * len(arrays)
    for group in sorted(groups, key=min):  # in the order of the arguments
        first = min(bounds[at][0] for at in group)
        base = log.reserve(max(bounds[at][1] for at in group) - first)
        for at in group:
            lowest[at] = base + np.lib.array_utils.byte_bounds(arrays[at])[0] - first
    return lowest


def _owner(values: np.ndarray) -> np.ndarray:
    """Return the array whose memory a view shows."""
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values
