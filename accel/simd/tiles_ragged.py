"""Tiles at the edges of a matrix: only the first rows and columns are in memory."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from accel.simd.arithmetic import emit_add
from accel.simd.comparing import emit_first_lanes
from accel.simd.emitting import (
    require_memory,
    require_token,
    require_value,
    require_whole,
)
from accel.simd.masked import emit_masked_load, emit_masked_store
from accel.simd.tiles import row_addresses
from accel.simd.types import RegistersType, Tile, llvm_vector


def _places_inside(context, builder, x, memory, i, stride, rows, columns, token: Tile):
    """Yield each register's number, address, and mask of the lanes inside."""
    lanes = token.vector.lanes
    masks = [
        emit_first_lanes(builder, builder.sub(columns, columns.type(c * lanes)), lanes)
        for c in range(token.vectors)
    ]
    nothing = ir.Constant(masks[0].type, None)
    for r in range(token.rows):
        inside = builder.icmp_signed(">", rows, rows.type(r))
        places = row_addresses(context, builder, x, memory, i, token)
        for c, (place, mask) in enumerate(zip(places, masks, strict=True)):
            yield r * token.vectors + c, place, builder.select(inside, mask, nothing)
        i = builder.add(i, stride)


@intrinsic
def tile_load_first(context, T, x, i, stride, rows, columns):
    """``tile_load_first(T, x, i, stride, rows, columns)``: as `tile_load`, of a corner.

    Elements (r, c) with r below `rows` and c below `columns` are read, and nothing else;
    zeros stand for the others. Numbers outside the tile mean none, or all.
    """
    require_token("tile_load_first", Tile, T)
    token = T.token
    require_memory("tile_load_first", token.vector, x)
    require_whole("tile_load_first", i, stride, rows, columns)

    def generate(context, builder, sig, values):
        tile = ir.Constant(context.get_value_type(sig.return_type), ir.Undefined)
        for at, place, mask in _places_inside(context, builder, x, *values[1:], token):
            part = emit_masked_load(builder, llvm_vector(token.vector), place, mask)
            tile = builder.insert_value(tile, part, at)
        return tile

    return RegistersType(token)(T, x, *[types.intp] * 4), generate


def _store_inside(name: str, use, tile, x, *where):
    """Return signature and code generator that pair the tile's corner with places in `x`."""
    require_value(name, RegistersType, tile)
    token = tile.token
    require_memory(name, token.vector, x, writable=True)
    require_whole(name, *where)

    def generate(context, builder, sig, values):
        for at, place, mask in _places_inside(context, builder, x, *values[1:], token):
            use(builder, token.vector, builder.extract_value(values[0], at), place, mask)
        return context.get_dummy_value()

    return types.void(tile, x, *[types.intp] * 4), generate


@intrinsic
def tile_store_first(context, tile, x, i, stride, rows, columns):
    """``tile_store_first(tile, x, i, stride, rows, columns)``: as `tile_store`, of a corner.

    Writes elements (r, c) with r below `rows` and c below `columns`, touching nothing else.
    """

    def write(builder, vector, value, place, mask):
        emit_masked_store(builder, value, place, mask)

    return _store_inside("tile_store_first", write, tile, x, i, stride, rows, columns)


@intrinsic
def tile_accumulate_first(context, tile, x, i, stride, rows, columns):
    """``tile_accumulate_first(tile, x, i, stride, rows, columns)``: adds to what is there."""

    def add(builder, vector, value, place, mask):
        before = emit_masked_load(builder, value.type, place, mask)
        emit_masked_store(builder, emit_add(builder, vector, before, value), place, mask)

    return _store_inside("tile_accumulate_first", add, tile, x, i, stride, rows, columns)
