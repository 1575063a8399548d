"""Between memory and registers. No function here checks bounds."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd.comparing import emit_first_lanes
from accel.simd.emitting import (
    INT32,
    address,
    call,
    read,
    require_memory,
    require_token,
    require_value,
    require_whole,
    write,
)
from accel.simd.masked import emit_masked_load, emit_masked_store
from accel.simd.types import RegisterType, Vector, llvm_vector


@intrinsic
def pointer(context, x):
    """``pointer(x)``: the address of an array's first element, as a typed pointer.

    For kernels that do their own index arithmetic: a pointer has no layout, so one
    compilation serves arrays of any strides. It does not keep the array alive; take it
    only from a function's own arguments, which live as long as the call.
    """
    if not isinstance(x, types.Array):
        raise TypingError(f"pointer: expected an array, got {x}")

    def generate(context, builder, sig, values):
        return context.make_array(x)(context, builder, values[0]).data

    return types.CPointer(x.dtype)(x), generate


@intrinsic
def load(context, V, x, i):
    """``load(V, x, i)``: the elements ``x[i : i + V.lanes]`` as a register.

    `x` is a contiguous array, or a `pointer`, of V's dtype, and `i` counts elements from
    its first. No alignment needed. Not checked: all lanes must lie inside the array.
    """
    require_token("load", Vector, V)
    require_memory("load", V.token, x)
    require_whole("load", i)

    def generate(context, builder, sig, values):
        _, memory, i = values
        return read(builder, address(context, builder, x, memory, i, llvm_vector(V.token)))

    return RegisterType(V.token)(V, x, types.intp), generate


@intrinsic
def store(context, x, i, v):
    """``store(x, i, v)``: write a register to ``x[i : i + lanes]``; as `load`, unchecked."""
    require_value("store", RegisterType, v)
    require_memory("store", v.token, x, writable=True)
    require_whole("store", i)

    def generate(context, builder, sig, values):
        memory, i, value = values
        write(builder, value, address(context, builder, x, memory, i, value.type))
        return context.get_dummy_value()

    return types.void(x, types.intp, v), generate


@intrinsic
def load_first(context, V, x, i, count):
    """``load_first(V, x, i, count)``: ``x[i : i + count]``, and zeros in the other lanes.

    Reads nothing else (``llvm.masked.load``), which makes it the way to end a loop. A
    count below 0 means no lane, one above ``V.lanes`` all of them.
    """
    require_token("load_first", Vector, V)
    require_memory("load_first", V.token, x)
    require_whole("load_first", i, count)

    def generate(context, builder, sig, values):
        _, memory, i, count = values
        vec = llvm_vector(V.token)
        where = address(context, builder, x, memory, i, vec)
        return emit_masked_load(builder, vec, where, emit_first_lanes(builder, count, vec.count))

    return RegisterType(V.token)(V, x, types.intp, types.intp), generate


@intrinsic
def store_first(context, x, i, v, count):
    """``store_first(x, i, v, count)``: write the first `count` lanes to ``x[i : i + count]``.

    Touches nothing else (``llvm.masked.store``). The count is read as by `load_first`.
    """
    require_value("store_first", RegisterType, v)
    require_memory("store_first", v.token, x, writable=True)
    require_whole("store_first", i, count)

    def generate(context, builder, sig, values):
        memory, i, value, count = values
        where = address(context, builder, x, memory, i, value.type)
        mask = emit_first_lanes(builder, count, value.type.count)
        emit_masked_store(builder, value, where, mask)
        return context.get_dummy_value()

    return types.void(x, types.intp, v, types.intp), generate


@intrinsic
def prefetch(context, x, i):
    """``prefetch(x, i)``: ask for the cache line of element `i` (``llvm.prefetch``).

    A hint, which never faults. `x` is an array, or a `pointer`.
    """
    if not isinstance(x, (types.Array, types.CPointer)):
        raise TypingError(f"prefetch: expected an array or a pointer, got {x}")
    require_whole("prefetch", i)

    def generate(context, builder, sig, values):
        where = address(context, builder, x, *values)
        where = builder.bitcast(where, ir.IntType(8).as_pointer())
        for_reading, keep_close, data = INT32(0), INT32(3), INT32(1)
        call(
            builder,
            "llvm.prefetch.p0",
            ir.VoidType(),
            where,
            for_reading,
            keep_close,
            data,
        )
        return context.get_dummy_value()

    return types.void(x, types.intp), generate
