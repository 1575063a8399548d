"""Loads and stores of some lanes, and from places all over an array."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd.comparing import require_lanes
from accel.simd.emitting import (
    INT32,
    address,
    call,
    constant,
    itemsize,
    require_memory,
    require_token,
    require_value,
    require_whole,
    suffix,
)
from accel.simd.types import MaskType, RegisterType, Vector, llvm_mask, llvm_vector


@intrinsic
def load_masked(context, V, x, i, mask):
    """``load_masked(V, x, i, mask)``: ``x[i + lane]`` where the mask says yes, zeros elsewhere.

    Reads nothing else (``llvm.masked.load``).
    """
    require_token("load_masked", Vector, V)
    require_memory("load_masked", V.token, x)
    require_whole("load_masked", i)
    require_value("load_masked", MaskType, mask)
    result = RegisterType(V.token)
    require_lanes("load_masked", mask, result)

    def generate(context, builder, sig, values):
        _, memory, i, chosen = values
        where = address(context, builder, x, memory, i, llvm_vector(V.token))
        return emit_masked_load(builder, llvm_vector(V.token), where, chosen)

    return result(V, x, types.intp, mask), generate


def emit_masked_load(builder, vec: ir.VectorType, where, mask):
    """Emit a load of the lanes that the mask names, with zeros in the others."""
    name = f"llvm.masked.load.{suffix(vec)}.p0"
    align = INT32(itemsize(vec))
    return call(builder, name, vec, where, align, mask, ir.Constant(vec, None))


@intrinsic
def store_masked(context, x, i, v, mask):
    """``store_masked(x, i, v, mask)``: write the lanes where the mask says yes.

    Touches nothing else (``llvm.masked.store``).
    """
    require_value("store_masked", RegisterType, v)
    require_memory("store_masked", v.token, x, writable=True)
    require_whole("store_masked", i)
    require_value("store_masked", MaskType, mask)
    require_lanes("store_masked", mask, v)

    def generate(context, builder, sig, values):
        memory, i, value, chosen = values
        where = address(context, builder, x, memory, i, value.type)
        emit_masked_store(builder, value, where, chosen)
        return context.get_dummy_value()

    return types.void(x, types.intp, v, mask), generate


def emit_masked_store(builder, value, where, mask) -> None:
    """Emit a store of the lanes that the mask names."""
    name = f"llvm.masked.store.{suffix(value.type)}.p0"
    align = INT32(itemsize(value.type))
    call(builder, name, ir.VoidType(), value, where, align, mask)


@intrinsic
def gather(context, V, x, indices):
    """``gather(V, x, indices)``: ``x[indices[lane]]`` in each lane.

    `indices` is a register of as many int32 or int64, which count elements from the
    first of `x` and are not checked (``llvm.masked.gather``). Few processors do this
    faster than a load per lane; it saves the code around them.
    """
    require_token("gather", Vector, V)
    require_memory("gather", V.token, x)
    _require_indices("gather", indices, V.token)

    def generate(context, builder, sig, values):
        _, memory, lanes = values
        vec = llvm_vector(V.token)
        places = _places(context, builder, x, memory, lanes)
        every, align = constant(llvm_mask(vec.count), 1), INT32(itemsize(vec))
        name = f"llvm.masked.gather.{suffix(vec)}.v{vec.count}p0"
        return call(builder, name, vec, places, align, every, ir.Constant(vec, None))

    return RegisterType(V.token)(V, x, indices), generate


@intrinsic
def scatter(context, x, indices, v):
    """``scatter(x, indices, v)``: write each lane to ``x[indices[lane]]``; see `gather`.

    Where indices are equal the last lane stays (``llvm.masked.scatter``).
    """
    require_value("scatter", RegisterType, v)
    require_memory("scatter", v.token, x, writable=True)
    _require_indices("scatter", indices, v.token)

    def generate(context, builder, sig, values):
        memory, lanes, value = values
        places = _places(context, builder, x, memory, lanes)
        every, align = constant(llvm_mask(v.token.lanes), 1), INT32(v.token.dtype.itemsize)
        name = f"llvm.masked.scatter.{suffix(value.type)}.v{v.token.lanes}p0"
        call(builder, name, ir.VoidType(), value, places, align, every)
        return context.get_dummy_value()

    return types.void(x, indices, v), generate


def _require_indices(name: str, indices, token: Vector) -> None:
    """Refuse anything but a register of as many integers that count elements."""
    require_value(name, RegisterType, indices)
    kind = indices.token
    if kind.dtype.name not in ("int32", "int64") or kind.lanes != token.lanes:
        raise TypingError(
            f"{name}: expected indices of {token.lanes} int32 or int64, got {indices}"
        )


def _places(context, builder, numba_type, memory, numbers):
    """Return a vector of addresses, of the elements with these numbers."""
    start = address(context, builder, numba_type, memory, ir.IntType(64)(0))
    places = builder.gep(start, [numbers], source_etype=start.type.pointee)
    # To llvmlite that is one pointer.
    places.type = ir.VectorType(start.type, numbers.type.count)
    return places
