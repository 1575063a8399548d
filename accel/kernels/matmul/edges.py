"""Tiles at the edge of a matrix, of which only the first columns count.

Where registers have masks, as with AVX-512, a row of `b` is read as far as it goes and a row
of `out` written so, at no cost: nothing at an edge is copied. Elsewhere a masked access takes
longer than an access, and tiles are used whole, on copies that are filled up with zeros. Which
of the two is a matter of a tile's type: `masked` is a constant in compiled code.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from accel.simd.arithmetic import emit_add, emit_fma
from accel.simd.comparing import emit_first_lanes
from accel.simd.emitting import (
    address,
    is_real,
    read,
    require_memory,
    require_value,
    require_whole,
    splat,
    write,
)
from accel.simd.masked import emit_masked_load, emit_masked_store
from accel.simd.tiles import row_addresses
from accel.simd.types import RegistersType, Tile, llvm_vector


def has_masks(token: Tile) -> bool:
    """Return whether registers of a tile are those that AVX-512 has masks for, full width."""
    return token.vector.lanes * token.vector.dtype.itemsize == 64


def masked(T):
    """Return in compiled code whether edges of a matrix are met by masks."""
    raise NotImplementedError  # in compiled code only


@overload(masked)
def _masked(T):
    answer = has_masks(T.token)
    return lambda T: answer


@intrinsic
def outer_first(context, tile, a, ia, stride, b, ib, columns):
    """``outer_first(tile, a, ia, stride, b, ib, columns)``: the tile plus an outer product.

    As `tile_outer_fma`, of a row of `b` of which `columns` elements are read, and which is
    followed by zeros. Loops around it may be unrolled: it is for few rows.
    """
    return _outer(True, tile, (), a, ia, stride, b, ib, columns)


@intrinsic
def store_first_columns(context, tile, x, i, stride, columns):
    """``store_first_columns(tile, x, i, stride, columns)``: write some columns of all rows."""
    return _leave(True, False, tile, (), x, i, stride, columns)


@intrinsic
def outer_columns(context, T, tile, a, ia, stride, b, ib, columns):
    """As `outer_first` with masks; without, as `tile_outer_fma`. `T` is the whole tile."""
    return _outer(has_masks(T.token), tile, (T,), a, ia, stride, b, ib, columns)


@intrinsic
def store_columns(context, T, tile, x, i, stride, columns):
    """As `store_first_columns` with masks; without, as `tile_store`. `T` is the whole tile."""
    return _leave(has_masks(T.token), False, tile, (T,), x, i, stride, columns)


@intrinsic
def add_columns(context, T, tile, x, i, stride, columns):
    """As `store_columns`, but add to what is there."""
    return _leave(has_masks(T.token), True, tile, (T,), x, i, stride, columns)


def _outer(masks: bool, tile, before: tuple, a, ia, stride, b, ib, columns):
    """Return signature and code generator of an outer product."""
    require_value("outer_first", RegistersType, tile)
    token = tile.token
    for memory in (a, b):
        require_memory("outer_first", token.vector, memory)
    require_whole("outer_first", ia, stride, ib, columns)

    def generate(context, builder, sig, values):
        tile, a_memory, ia, stride, b_memory, ib, columns = values[len(before) :]
        down = address(context, builder, a, a_memory, ia)
        places = row_addresses(context, builder, b, b_memory, ib, token)
        across = list(_read(builder, places, token, columns, masks))
        rows = list(_rows(builder, down, stride, token.rows))
        for r, place in enumerate(rows):
            every = splat(builder, across[0].type, builder.load(place))
            for c, row in enumerate(across):
                at = r * token.vectors + c
                total = _multiply_add(builder, token, every, row, builder.extract_value(tile, at))
                tile = builder.insert_value(tile, total, at)
        return tile

    numbers = (types.intp, types.intp, b, types.intp, types.intp)
    return tile(*before, tile, a, *numbers), generate


def _rows(builder, first, stride, count: int):
    """Yield the addresses of rows, three from each of a few that do not wait for each other.

    Left to itself, LLVM makes each address from the one before it, round after round of the
    loop: a chain of additions, which takes longer than what is done with narrow tiles. What
    comes out of assembly, even an empty one, it knows nothing about.
    """
    unknown = ir.FunctionType(stride.type, [stride.type])
    for r in range(0, count, 3):
        base = first
        if r:
            distance = builder.mul(stride, stride.type(r))
            base = builder.gep(first, [builder.asm(unknown, "", "=r,0", [distance], False)])
        yield base
        for step in range(1, min(3, count - r)):
            yield builder.gep(base, [builder.mul(stride, stride.type(step))])


def _leave(masks: bool, adds: bool, tile, before: tuple, x, i, stride, columns):
    """Return signature and code generator that write a tile, or add it to what is there."""
    require_value("store_columns", RegistersType, tile)
    token = tile.token
    require_memory("store_columns", token.vector, x, writable=True)
    require_whole("store_columns", i, stride, columns)

    def generate(context, builder, sig, values):
        tile, memory, i, stride, columns = values[len(before) :]
        for r in range(token.rows):
            places = row_addresses(context, builder, x, memory, i, token)
            present = _read(builder, places, token, columns, masks) if adds else places
            for c, (place, now) in enumerate(zip(places, present, strict=True)):
                value = builder.extract_value(tile, r * token.vectors + c)
                value = emit_add(builder, token.vector, now, value) if adds else value
                if masks:
                    emit_masked_store(builder, value, place, _mask(builder, token, c, columns))
                else:
                    write(builder, value, place)
            i = builder.add(i, stride)
        return context.get_dummy_value()

    return types.void(*before, tile, x, types.intp, types.intp, types.intp), generate


def _read(builder, places, token: Tile, columns, masks: bool):
    """Yield a row's registers: as far as the columns go, or whole."""
    for c, place in enumerate(places):
        if masks:
            mask = _mask(builder, token, c, columns)
            yield emit_masked_load(builder, llvm_vector(token.vector), place, mask)
        else:
            yield read(builder, place)


def _mask(builder, token: Tile, c: int, columns):
    """Emit the mask of a row's register c: lanes before the last column."""
    lanes = token.vector.lanes
    return emit_first_lanes(builder, builder.sub(columns, columns.type(c * lanes)), lanes)


def _multiply_add(builder, token: Tile, x, y, z):
    if is_real(token.vector):
        return emit_fma(builder, x, y, z)
    return builder.add(builder.mul(x, y), z)
