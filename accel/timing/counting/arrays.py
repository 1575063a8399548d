"""An array that writes down every element it is asked for.

`Counted` behaves as the NumPy array it wraps, and logs the address of each element that is
read or written. It keeps, beside the values, an array of their addresses, and indexes,
reshapes and broadcasts both alike: whatever a view shows, its addresses are known.

What is counted, and what that means:

* An element taken out is one read, an element put in one write, ``x[i] += 1`` one of each.
  A compiler may keep an element in a register for its next use: counts are what the code
  asks for, and bound its traffic from above.
* A slice, a transpose or a reshape that makes a view touches nothing.
* A universal function reads each operand once for each element of its result (a
  broadcast operand again and again) and writes the result. Within an operation, accesses are
  logged element by element in C order.
* `matmul`, reductions, `tile` and the other functions of `MOVES` and `READ_ONCE` read each
  operand element once and write each result element once: what NumPy must do at least. What
  their loops read again is unknown, and so is the order, so that such a run has no trace.
* A new array is a temporary: its elements are counted, at an address never used again.
* Whatever else needs the elements is refused by name, never guessed.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from accel.timing.counting.elements import Elements, check_order, flush, uncounted
from accel.timing.counting.log import CountError, Log, addresses_of
from accel.timing.counting.numbers import plain, tally

#: Functions of arrays that rearrange addresses and touch no element where they make a view.
VIEWS = frozenset(
    (np.transpose, np.reshape, np.ravel, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze,
     np.broadcast_to, np.flip, np.atleast_1d, np.atleast_2d, np.diagonal)
)  # fmt: skip

#: Functions that ask about arrays, not about elements.
QUESTIONS = frozenset(
    (np.shape, np.ndim, np.size, np.may_share_memory, np.shares_memory, np.result_type)
)

#: Functions that are the reduction of a ufunc.
REDUCTIONS = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum}

#: Functions that read each element of their operands once, write each of their result once,
#: and compute nothing.
MOVES = frozenset((np.copy, np.tile, np.repeat, np.concatenate, np.stack))

#: Functions that do the same and compute something, of no agreed number of FLOPs.
READ_ONCE = frozenset(
    (np.any, np.all, np.argmax, np.argmin, np.cumsum, np.dot, np.inner, np.outer)
)

#: Functions that make an array of the same shape: how often they write each element.
LIKE = {np.empty_like: 0, np.zeros_like: 1, np.ones_like: 1, np.full_like: 1}

#: Keywords of a ufunc that change no access.
HARMLESS = frozenset(("casting", "order", "dtype", "subok", "axis", "keepdims"))


class Counted(Elements, np.lib.mixins.NDArrayOperatorsMixin):
    """An array whose element accesses are logged, whatever is done to it.

    Made by `accel.timing.counting.count` for each argument; views and results of it are
    `Counted` too.
    """

    def reshape(self, *shape, order="C"):
        return _view_or_copy(self, np.reshape, shape[0] if len(shape) == 1 else shape, order=order)

    def ravel(self, order="C"):
        return _view_or_copy(self, np.ravel, order=order)

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 else axes or None
        return _view_or_copy(self, np.transpose, axes)

    def swapaxes(self, first, second):
        return _view_or_copy(self, np.swapaxes, first, second)

    def copy(self, order="C"):
        return self._copied(self._values.copy(order), self._addresses)

    def flatten(self):
        return self._copied(self._values.flatten(), self._addresses.ravel())

    def astype(self, dtype):
        return self._copied(self._values.astype(dtype), self._addresses)

    def fill(self, value):
        self[...] = value

    def sum(self, axis=None, out=None, keepdims=False):
        return np.add.reduce(self, axis=axis, out=out, keepdims=keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        return np.maximum.reduce(self, axis=axis, out=out, keepdims=keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        return np.minimum.reduce(self, axis=axis, out=out, keepdims=keepdims)

    def mean(self, axis=None, keepdims=False):
        dtype = np.float64 if self.dtype.kind in "biu" else None
        total = np.add.reduce(self, axis=axis, dtype=dtype, keepdims=keepdims)
        terms = self.size // max(1, np.size(_values(total)))
        return np.divide(total, terms, out=total) if type(total) is Counted else total / terms

    # -- NumPy's protocols ----------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **keywords):
        strange = set(keywords) - HARMLESS
        if strange or method not in ("__call__", "reduce"):
            what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            how = f" with {', '.join(sorted(strange))}" if strange else ""
            raise CountError(
                f"np.{what}{how} cannot be counted: which elements it touches is not known; "
                "write it with plain calls of ufuncs, or loops"
            )
        operands = [_operand(each, ufunc.__name__) for each in inputs]
        targets = [_target(each, ufunc.__name__) for each in out if each is not None]
        if targets:
            keywords["out"] = tuple(target._values for target in targets)
        results = getattr(ufunc, method)(*map(_values, operands), **keywords)
        results = results if isinstance(results, tuple) else (results,)
        _tally_ufunc(self._log, ufunc, method, operands, results)
        elementwise = method == "__call__" and ufunc.signature is None
        columns = _reads(operands, np.shape(results[0]) if elementwise else None)
        answers = targets or [Counted._blank(each, self._log) for each in results]
        columns += [each._column(each._addresses, write=True)
                    for each in answers if type(each) is Counted]  # fmt: skip
        if elementwise:
            check_order(self._log, columns)
        else:
            self._log.unordered[f"np.{ufunc.__name__}"] = None
        flush(self._log, columns)
        return answers[0] if len(answers) == 1 else tuple(answers)

    def __array_function__(self, function, types, arguments, keywords):
        if function in QUESTIONS:
            return function(*_bare(arguments), **_bare(keywords))
        if function in VIEWS:
            first, *rest = arguments
            return _view_or_copy(first, function, *rest, **keywords)
        if function in LIKE:
            blank = Counted._blank(function(*_bare(arguments), **_bare(keywords)), self._log)
            flush(self._log, [blank._column(blank._addresses, write=True)] * LIKE[function])
            return blank
        if function in REDUCTIONS or function is np.mean:
            first, *how = inspect.signature(function).bind(*arguments, **keywords).arguments.items()
            return _reduced(function, first[1], dict(how))
        if function not in MOVES | READ_ONCE:
            raise CountError(
                f"np.{function.__name__} on a counted array: which elements it touches, and how "
                "often, is not known; write it with loops, operators or ufuncs"
            )
        self._log.unordered[f"np.{function.__name__}"] = None
        if function in READ_ONCE:
            self._log.unseen[f"np.{function.__name__} has no agreed number of FLOPs"] = None
        arrays = [*_found(arguments), *_found(keywords)]
        result = function(*_bare(arguments), **_bare(keywords))
        targets = [each for each in arrays if each._values is result]  # it was given an `out`
        reads = _reads([each for each in arrays if each._values is not result])
        if not targets:
            return Counted._new(result, self._log, reads)
        flush(self._log, [*reads, targets[0]._column(targets[0]._addresses, write=True)])
        return targets[0]


def argument(values: np.ndarray, name: str, lowest: int, log: Log) -> Counted:
    """Return an argument of a counted run, with its lowest byte at address `lowest`."""
    buffer = log.add_buffer(name, values)
    return Counted(values, addresses_of(values, lowest), buffer, log)


def made_here(values: np.ndarray, log: Log, written: bool) -> Counted:
    """Return an array that the function made from nothing but numbers."""
    return Counted._new(values, log, []) if written else Counted._blank(values, log)


def _reduced(function: Any, array: Counted, how: dict) -> Any:
    """Return a reduction, done as NumPy does it: a mean is a sum and a division in place."""
    if function is not np.mean:
        return REDUCTIONS[function].reduce(array, **{"axis": None, **how})
    if not set(how) <= {"axis", "keepdims"}:
        raise CountError(
            f"np.mean with {', '.join(sorted(how))} cannot be counted; only axis and keepdims can"
        )
    return array.mean(**how)


def _view_or_copy(array: Any, function, *arguments, **keywords) -> Counted:
    arguments, keywords = _bare(arguments), _bare(keywords)
    values = function(array._values, *arguments, **keywords)
    addresses = function(array._addresses, *arguments, **keywords)
    if values.size == 0 or np.may_share_memory(values, array._values):
        return array._view(values, addresses)
    return array._copied(values, addresses)


def _operand(value: Any, name: str) -> Any:
    if isinstance(value, list | tuple) or (type(value) is np.ndarray and value.ndim):
        raise uncounted(np.asarray(value), f"an operand of {name}")
    return value


def _target(value: Any, name: str) -> Counted:
    if type(value) is not Counted:
        raise uncounted(np.asarray(value), f"the result of {name}")
    return value


def _values(value: Any) -> Any:
    return value._values if type(value) is Counted else plain(value)


def _bare(arguments: Any) -> Any:
    """Return arguments with plain arrays and numbers for the counted ones."""
    if isinstance(arguments, dict):
        return {key: _bare(each) for key, each in arguments.items()}
    if isinstance(arguments, list | tuple):
        return type(arguments)(_bare(each) for each in arguments)
    return _values(arguments)


def _found(arguments: Any):
    """Yield the counted arrays among arguments; plain ones are refused."""
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    if isinstance(arguments, list | tuple):
        for each in arguments:
            yield from _found(each)
    elif type(arguments) is Counted:
        yield arguments
    elif isinstance(arguments, np.ndarray) and arguments.ndim:
        raise uncounted(arguments, "an operand")


def _reads(operands: list, shape: tuple[int, ...] | None = None) -> list:
    """Return the columns read: each element once, or once for each element of `shape`."""
    return [
        each._column(each._addresses if shape is None else np.broadcast_to(each._addresses, shape))
        for each in operands
        if type(each) is Counted
    ]


def _tally_ufunc(log: Log, ufunc, method: str, operands: list, results: tuple) -> None:
    if method == "reduce":
        tally(log, ufunc.__name__, max(0, np.size(_values(operands[0])) - np.size(results[0])))
    elif ufunc is np.matmul:
        terms = np.shape(_values(operands[0]))[-1] * np.size(results[0])
        log.operations.update({"multiply": terms, "add": terms})
    else:
        tally(log, ufunc.__name__, np.size(results[0]))
