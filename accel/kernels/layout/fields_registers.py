"""Records and fields in registers: the networks of `fields_networks` as instructions."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from accel.kernels.layout.fields_networks import Network, apart, together
from accel.kernels.layout.slim import SPELLED_OUT
from accel.simd import Tile, vector
from accel.simd.comparing import emit_first_lanes
from accel.simd.emitting import (
    INT32,
    address,
    itemsize,
    lane_numbers,
    read,
    require_memory,
    require_token,
    require_value,
    require_whole,
)
from accel.simd.masked import emit_masked_load
from accel.simd.types import RegistersType, llvm_vector

#: Lanes of the machine's registers, by the type of their elements.
LANES = {np.dtype(name): vector(name).lanes for name in ("float32", "float64")}


def has_network(x, fields: int) -> bool:
    """Tell whether records of so many fields, of the type of `x`, go through a network."""
    return SPELLED_OUT < fields < LANES.get(x.dtype, 0)


def tile_of(x, fields):
    """Return the token of a register for each field, in compiled code.

    Parameters
    ----------
    x : ndarray, float32 or float64
    fields : tuple
        As many numbers as there are fields: its length is known while compiling, and Numba
        finds the code for it faster than the code for a token.
    """
    raise NotImplementedError("compiled code only")


@overload(tile_of)
def _tile_of(x, fields):
    token = Tile(vector(x.dtype.name), len(fields), 1)
    return lambda x, fields: token


def reach_of(T):
    """Return how far behind the first element `fields_apart` reads, in compiled code."""
    raise NotImplementedError("compiled code only")


@overload(reach_of)
def _reach_of(T):
    lanes = T.token.vector.lanes
    reach = max(apart(lanes, T.token.rows).loads) + lanes
    return lambda T: reach


@intrinsic
def fields_apart(context, T, x, i):
    """``fields_apart(T, x, i)``: as many records as lanes, from element i on; a row per field.

    T has one register for each of the fields. Reads ``x[i : i + reach_of(T)]``.
    """
    require_token("fields_apart", Tile, T)
    require_memory("fields_apart", T.token.vector, x)
    require_whole("fields_apart", i)

    def generate(context, builder, sig, values):
        _, memory, i = values
        vec = llvm_vector(T.token.vector)
        network = apart(vec.count, T.token.rows)
        loaded = [
            read(builder, address(context, builder, x, memory, builder.add(i, i.type(at)), vec))
            for at in network.loads
        ]
        return _tile(context, builder, sig, _shuffled(builder, network, loaded))

    return RegistersType(T.token)(T, x, types.intp), generate


@intrinsic
def fields_apart_first(context, T, x, i, count):
    """``fields_apart_first(T, x, i, count)``: as `fields_apart`, of ``x[i : i + count]`` only."""
    require_token("fields_apart_first", Tile, T)
    require_memory("fields_apart_first", T.token.vector, x)
    require_whole("fields_apart_first", i, count)

    def generate(context, builder, sig, values):
        _, memory, i, count = values
        vec = llvm_vector(T.token.vector)
        network = apart(vec.count, T.token.rows)
        loaded = [
            emit_masked_load(
                builder,
                vec,
                address(context, builder, x, memory, builder.add(i, i.type(at)), vec),
                emit_first_lanes(builder, builder.sub(count, i.type(at)), vec.count),
            )
            for at in network.loads
        ]
        return _tile(context, builder, sig, _shuffled(builder, network, loaded))

    return RegistersType(T.token)(T, x, types.intp, types.intp), generate


@intrinsic
def fields_together(context, tile):
    """``fields_together(tile)``: of a row per field, records, from one register to the next."""
    require_value("fields_together", RegistersType, tile)

    def generate(context, builder, sig, values):
        fields = tile.token.rows
        given = [builder.extract_value(values[0], field) for field in range(fields)]
        network = together(tile.token.vector.lanes, fields)
        return _tile(context, builder, sig, _shuffled(builder, network, given))

    return tile(tile), generate


@intrinsic
def tile_store_streaming(context, tile, x, i):
    """``tile_store_streaming(tile, x, i)``: one register after the other, past the caches.

    The address of ``x[i]`` must be a multiple of a register; see `store_streaming`.
    """
    require_value("tile_store_streaming", RegistersType, tile)
    require_memory("tile_store_streaming", tile.token.vector, x, writable=True)
    require_whole("tile_store_streaming", i)

    def generate(context, builder, sig, values):
        value, memory, i = values
        mark = builder.module.add_metadata([INT32(1)])
        for row in range(tile.token.rows):
            register = builder.extract_value(value, row)
            vec = register.type
            at = builder.add(i, i.type(row * vec.count))
            stored = builder.store(register, address(context, builder, x, memory, at, vec))
            stored.align = vec.count * itemsize(vec)
            stored.set_metadata("nontemporal", mark)
        return context.get_dummy_value()

    return types.void(tile, x, types.intp), generate


def _shuffled(builder, network: Network, given: list) -> list:
    """Emit the shuffles of a network; return the registers that come out."""
    registers = list(given)
    for a, b, order in network.steps:
        lanes = lane_numbers([max(lane, 0) for lane in order])  # any lane will do for idle ones
        registers.append(builder.shuffle_vector(registers[a], registers[b], lanes))
    return [registers[at] for at in network.results]


def _tile(context, builder, sig, registers):
    made = ir.Constant(context.get_value_type(sig.return_type), ir.Undefined)
    for row, register in enumerate(registers):
        made = builder.insert_value(made, register, row)
    return made
