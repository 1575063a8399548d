"""Loads and stores of whole registers at addresses that divide evenly, past the cache too.

A register of 64 bytes at an address that is no multiple of 64 lies in two cache lines.
The functions here promise the processor that it does not: the address of element ``i``
must be a multiple of the register's size in bytes, ``V.lanes * itemsize``, or the
processor may end the program. `elements_to_alignment` says where the first such place
in an array is. Bounds are not checked, as nowhere in this package.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from accel.simd.emitting import (
    INT32,
    address,
    itemsize,
    require_memory,
    require_token,
    require_value,
    require_whole,
)
from accel.simd.types import RegisterType, Vector, llvm_vector


def _bytes(vec: ir.VectorType) -> int:
    return vec.count * itemsize(vec)


@intrinsic
def load_aligned(context, V, x, i):
    """``load_aligned(V, x, i)``: as `load`, from an address that is a multiple of the register."""
    require_token("load_aligned", Vector, V)
    require_memory("load_aligned", V.token, x)
    require_whole("load_aligned", i)

    def generate(context, builder, sig, values):
        _, memory, i = values
        vec = llvm_vector(V.token)
        value = builder.load(address(context, builder, x, memory, i, vec))
        value.align = _bytes(vec)
        return value

    return RegisterType(V.token)(V, x, types.intp), generate


def _aligned_store(name: str, x, i, v, mark):
    """Return signature and code generator of a store that `mark` may change."""
    require_value(name, RegisterType, v)
    require_memory(name, v.token, x, writable=True)
    require_whole(name, i)

    def generate(context, builder, sig, values):
        memory, i, value = values
        written = builder.store(value, address(context, builder, x, memory, i, value.type))
        written.align = _bytes(value.type)
        mark(builder, written)
        return context.get_dummy_value()

    return types.void(x, types.intp, v), generate


@intrinsic
def store_aligned(context, x, i, v):
    """``store_aligned(x, i, v)``: as `store`, to an address that is a multiple of the register."""
    return _aligned_store("store_aligned", x, i, v, lambda builder, written: None)


@intrinsic
def store_streaming(context, x, i, v):
    """``store_streaming(x, i, v)``: as `store_aligned`, past the caches (non-temporal).

    A common store reads the line that it overwrites into the cache first. This one does
    not: it saves a third of the traffic of a copy, provided that whole lines are
    written one after the other and nobody reads them soon. Below the size of the last
    cache it loses: what was written has to come back from memory.

    Other threads may see these stores late. Call `fence` after the last of them.
    """

    def mark(builder, written):
        written.set_metadata("nontemporal", builder.module.add_metadata([INT32(1)]))

    return _aligned_store("store_streaming", x, i, v, mark)


@intrinsic
def fence(context):
    """``fence()``: all stores before this, streaming ones too, are seen before any after it."""

    def generate(context, builder, sig, values):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def elements_to_alignment(context, V, x, i):
    """``elements_to_alignment(V, x, i)``: how many elements after `i` the next aligned place is.

    From 0 to ``V.lanes - 1``: element ``i + that`` lies at a multiple of the register's
    bytes. What is left over before a loop of aligned stores, for `store_first`.
    """
    require_token("elements_to_alignment", Vector, V)
    require_memory("elements_to_alignment", V.token, x)
    require_whole("elements_to_alignment", i)

    def generate(context, builder, sig, values):
        _, memory, i = values
        place = builder.ptrtoint(address(context, builder, x, memory, i), i.type)
        size = V.token.dtype.itemsize
        inside = builder.and_(builder.neg(place), i.type(V.token.lanes * size - 1))
        return builder.udiv(inside, i.type(size))

    return types.intp(V, x, types.intp), generate
