"""NumPy's own inner loops, on the threads of parallel kernels.

NumPy computes a ufunc by calling a C function for a line of elements at a time. Where to find
that function it tells who asks; so it can be called from compiled code for parts of a call, by
threads that are awake. Results are NumPy's, bit for bit, and a loop of 20 microseconds is worth
a second core. Threads of Python, which take turns with the interpreter, need ten times that.

Source
------
NumPy reference, C API, "ArrayMethod and strided loops"; docstring of
``numpy.ufunc._get_strided_loop``, which also says that later versions may change it: where
it is not as expected here, there is no `InnerLoop`, and parts are given to `chunks`.
"""

from __future__ import annotations

import ctypes
import functools
import math
import platform
from collections.abc import Sequence

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from accel.arrays.leaving import ND, NUMBERS
from accel.backend.ladder_backends import threads_may_meet
from accel.simd import jit
from accel.simd.workers import left_behind

#: Functions whose loops are known to be NumPy's. Others' might begin threads of their own.
OWN = frozenset(each for each in vars(np).values() if type(each) is np.ufunc)

#: Kinds of elements whose loops run without the interpreter: bool, integers, floats, complex.
KINDS = "biufc"

#: Name of the capsules that are understood here.
CAPSULE = b"numpy_1.24_ufunc_call_info"

#: Bits of C's floating-point errors: divide by zero, overflow, underflow, invalid, in the order
#: of NumPy's bits 1, 2, 4 and 8.
C_BITS = {
    "x86_64": (4, 8, 16, 1),
    "AMD64": (4, 8, 16, 1),
    "aarch64": (2, 4, 8, 1),
    "arm64": (2, 4, 8, 1),
}

#: Elements that parts are multiples of: whole cache lines.
GRAIN = 256


class _CallInfo(ctypes.Structure):
    """What a capsule holds."""

    _fields_ = (
        ("loop", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("needs_interpreter", ctypes.c_bool),
        ("meets_no_errors", ctypes.c_bool),
    )


class InnerLoop:
    """The C function by which NumPy computes a ufunc of some element types.

    Parameters
    ----------
    dtypes : tuple of dtype
        Of the inputs and of the result. Others must not be given to it.
    capsule
        What NumPy returned. It owns what the addresses lead to.
    info : _CallInfo
    """

    def __init__(self, dtypes: tuple[np.dtype, ...], capsule, info: _CallInfo):
        self.dtypes = dtypes
        self.meets_no_errors = bool(info.meets_no_errors)
        self._capsule = capsule
        self._addresses = np.array([info.loop, info.context, info.data or 0], np.uint64)

    def taken(self, inputs: Sequence, out: tuple[ND] | None) -> list[ND] | None:
        """Return inputs as arrays that the loop can read, or None if it cannot, or write `out`."""
        *_, result = self.dtypes
        if out is not None and not (out[0].dtype == result and out[0].flags.aligned):
            return None
        found = []
        for x, dtype in zip(inputs, self.dtypes, strict=False):
            if type(x) is not ND:
                x = _as_number(x, dtype)
                if x is None:
                    return None
            if x.dtype != dtype or not x.flags.aligned:
                return None
            found.append(x)
        return found

    def run(self, operands: Sequence[ND], parts: int) -> int:
        """Compute a call in parts, and return the floating-point errors that were met.

        Parameters
        ----------
        operands : sequence of ndarray
            Inputs that broadcast to the shape of the result, which comes last. The result
            does not overlap an input, unless it is the same elements.
        parts : int

        Returns
        -------
        int
            NumPy's bits: divide by zero 1, overflow 2, underflow 4, invalid 8.
        """
        return self._run(operands, parts, GRAIN)

    def reduce_rows(self, x: ND, out: ND, parts: int) -> int:
        """Combine the elements of each row with what `out` holds; errors as those of `run`.

        Parameters
        ----------
        x : ndarray, shape (..., n)
            Of the type of the loop's both inputs and its result.
        out : ndarray, shape (..., 1)
            Overwritten.
        parts : int
        """
        both = np.broadcast_to(out, x.shape)  # the loop sees that it goes to one place
        return self._run([both, x, both], parts, x.shape[-1])

    def _run(self, operands: Sequence[ND], parts: int, grain: int) -> int:
        shape, strides = _lines(
            operands[-1].shape, tuple([(x.shape, x.strides) for x in operands])
        )
        starts = np.array([x.__array_interface__["data"][0] for x in operands], np.uint64)
        each = -(-operands[-1].size // parts)
        each = -(-each // grain) * grain
        bits = _run_parts(self._addresses, starts, shape, strides, parts, each)
        if not bits or self.meets_no_errors:
            return 0
        return sum(1 << place for place, each in enumerate(_c_bits()) if bits & each)


#: (ufunc, types of the inputs) -> its loop, or None if there is none to be had.
_known: dict[tuple, InnerLoop | None] = {}


def inner_loop(ufunc: np.ufunc, inputs: Sequence) -> InnerLoop | None:
    """Return the loop that computes a ufunc of inputs of such types, if it can be shared out.

    Parameters
    ----------
    ufunc : np.ufunc
    inputs : sequence
        Plain arrays and numbers.
    """
    key = (ufunc, *[x.dtype if type(x) is ND else type(x) for x in inputs])
    if key not in _known:
        _known[key] = _found(ufunc, inputs)
    loop = _known[key]
    return None if loop is None or left_behind() or not threads_may_meet() else loop


def _found(ufunc: np.ufunc, inputs: Sequence) -> InnerLoop | None:
    if ufunc not in OWN or ufunc.nout != 1 or not _c_bits():
        return None
    kinds = [x.dtype if type(x) is ND else _kind(x) for x in inputs]
    try:
        dtypes, capsule = ufunc._resolve_dtypes_and_context((*kinds, None))
        ufunc._get_strided_loop(capsule)
        address = _address(capsule, CAPSULE)
    except (AttributeError, TypeError, ValueError):  # another NumPy, or no such loop
        return None
    info = _CallInfo.from_address(address)
    if info.needs_interpreter or any(each.kind not in KINDS for each in dtypes):
        return None
    if ufunc is np.power and dtypes[-1].kind in "iu":
        return None  # it raises an error where an exponent is negative, without saying that it may
    return InnerLoop(dtypes, capsule, info)


def _kind(number) -> type | np.dtype:
    """Return how NumPy is told of a number: Python's have no element type of their own."""
    kind = type(number)
    return kind if kind in (int, float, complex) else np.asarray(number).dtype


def _as_number(number, dtype: np.dtype) -> ND | None:
    """Return a number as an array of no dimensions, or None if it would not be that number."""
    kind = type(number)
    if kind not in NUMBERS:
        return None
    if kind in (int, float, complex):
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(number, dtype)
            except (OverflowError, TypeError):
                return None
        infinite = dtype.kind in "fc" and not np.isfinite(found)
        return None if infinite and math.isfinite(abs(number)) else found
    return np.asarray(number)


_address = ctypes.pythonapi.PyCapsule_GetPointer
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


@functools.cache
def _c_bits() -> tuple[int, ...]:
    """Return C's bits of floating-point errors on this machine; none where they are not known."""
    return C_BITS.get(platform.machine(), ())


@functools.lru_cache(maxsize=1024)  # to find them takes longer than a short call
def _lines(result: tuple[int, ...], operands: tuple) -> tuple[ND, ND]:
    """Return a shape, and the strides of all operands, with as few dimensions as will do.

    Parameters
    ----------
    result : tuple of int
        Shape of the result.
    operands : tuple of (shape, strides)

    Returns
    -------
    shape : ndarray, shape (d,), int64
        At least one dimension; the last is that of the lines.
    strides : ndarray, shape (d, operands), int64
        In bytes; 0 where an operand is broadcast.
    """
    steps = []
    for shape, strides in operands:
        own = [0 if n == 1 else step for n, step in zip(shape, strides, strict=True)]
        steps.append([0] * (len(result) - len(shape)) + own)
    lengths, merged = [], []
    for length, *here in zip(result, *steps, strict=True):
        if length == 1:
            continue
        if merged and all(a == b * length for a, b in zip(merged[-1], here, strict=True)):
            lengths[-1] *= length
            merged[-1] = here
        else:
            lengths.append(length)
            merged.append(here)
    if not merged:
        lengths, merged = [1], [[0] * len(operands)]
    return np.array(lengths, np.int64), np.array(merged, np.int64)


@intrinsic
def _call(context, loop, told, data, length, steps, memory):
    """Call ``int loop(context, char **data, intp *length, intp *strides, auxdata)``."""

    def codegen(context, builder, signature, values):
        pointer = cgutils.voidptr_t
        function = ir.FunctionType(ir.IntType(32), [pointer] * 5).as_pointer()
        loop, *others = values
        given = [builder.inttoptr(each, pointer) for each in others]
        return builder.call(builder.inttoptr(loop, function), given)

    address = types.uint64
    return types.int32(*[address] * 6), codegen


_clear = types.ExternalFunction("feclearexcept", types.int32(types.int32))
_test = types.ExternalFunction("fetestexcept", types.int32(types.int32))


@jit(parallel=True, nogil=True)
def _run_parts(addresses, starts, shape, strides, parts, each):
    """Call a loop for all lines, in parts of so many elements; return C's bits of errors met."""
    last = shape.size - 1
    width = shape[last]
    total = np.int64(1)
    for axis in range(shape.size):
        total *= shape[axis]
    met = np.zeros(parts, np.int32)
    for part in numba.prange(parts):
        data = np.empty(starts.size, np.int64)
        length = np.empty(1, np.int64)
        steps = strides[last].copy()
        at, stop = part * each, min(total, (part + 1) * each)
        _clear(ALL)
        while at < stop:
            line, column = at // width, at % width
            length[0] = min(width - column, stop - at)
            at += length[0]
            for k in range(starts.size):
                data[k] = np.int64(starts[k]) + column * steps[k]
            for axis in range(last - 1, -1, -1):
                line, place = line // shape[axis], line % shape[axis]
                for k in range(starts.size):
                    data[k] += place * strides[axis, k]
            _call(
                addresses[0], addresses[1], data.ctypes.data, length.ctypes.data,
                steps.ctypes.data, addresses[2],
            )  # fmt: skip
        met[part] = _test(ALL)
    bits = 0
    for part in range(parts):
        bits |= met[part]
    return bits


#: All of C's floating-point errors.
ALL = functools.reduce(lambda a, b: a | b, _c_bits(), 0)
