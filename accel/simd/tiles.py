"""Register tiles: a block of accumulators as one value."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from accel.simd.arithmetic import emit_add, emit_fma
from accel.simd.emitting import (
    address,
    is_real,
    read,
    require_memory,
    require_token,
    require_value,
    require_whole,
    splat,
    write,
)
from accel.simd.types import RegistersType, Tile, Vector, llvm_vector


@intrinsic
def tile_zeros(context, T):
    """``tile_zeros(T)``: a tile of zeros."""
    require_token("tile_zeros", Tile, T)

    def generate(context, builder, sig, values):
        return ir.Constant(context.get_value_type(sig.return_type), None)

    return RegistersType(T.token)(T), generate


@intrinsic
def tile_load(context, T, x, i, stride):
    """``tile_load(T, x, i, stride)``: a tile of elements ``x[i + r * stride + c]``."""
    require_token("tile_load", Tile, T)
    token = T.token
    require_memory("tile_load", token.vector, x)
    require_whole("tile_load", i, stride)

    def generate(context, builder, sig, values):
        _, memory, i, stride = values
        tile = ir.Constant(context.get_value_type(sig.return_type), ir.Undefined)
        for r in range(token.rows):
            for c, place in enumerate(row_addresses(context, builder, x, memory, i, token)):
                tile = builder.insert_value(tile, read(builder, place), r * token.vectors + c)
            i = builder.add(i, stride)
        return tile

    return RegistersType(token)(T, x, types.intp, types.intp), generate


@intrinsic
def tile_outer_fma(context, tile, a, ia, stride, b, ib):
    """``tile_outer_fma(tile, a, ia, stride, b, ib)``: the tile plus an outer product.

    Adds ``a[ia + r * stride] * b[ib + c]`` to each element (r, c): a rank-1 update. One
    scalar of `a` at a time is broadcast and meets every register of the row of `b`, so
    ``rows + vectors`` loads feed ``rows * vectors`` independent fused multiply-adds;
    integers are multiplied and added, and wrap around.
    Arrays or pointers as for `load`, and as unchecked.
    """
    require_value("tile_outer_fma", RegistersType, tile)
    token = tile.token
    for memory in (a, b):
        require_memory("tile_outer_fma", token.vector, memory)
    require_whole("tile_outer_fma", ia, stride, ib)

    def generate(context, builder, sig, values):
        tile, a_memory, ia, stride, b_memory, ib = values
        _keep_rolled(builder)
        places = row_addresses(context, builder, b, b_memory, ib, token)
        across = [read(builder, place) for place in places]
        down = address(context, builder, a, a_memory, ia)
        for r in range(token.rows):
            every = splat(builder, across[0].type, builder.load(down))
            for c in range(token.vectors):
                at = r * token.vectors + c
                total = _multiply_add(
                    builder,
                    token.vector,
                    every,
                    across[c],
                    builder.extract_value(tile, at),
                )
                tile = builder.insert_value(tile, total, at)
            down = builder.gep(down, [stride])
        return tile

    return tile(tile, a, types.intp, types.intp, b, types.intp), generate


def _multiply_add(builder, token: Vector, x, y, z):
    """Emit ``x * y + z``: fused where the numbers are real, exact where they are not."""
    if is_real(token):
        return emit_fma(builder, x, y, z)
    return builder.add(builder.mul(x, y), z)


def _keep_rolled(builder) -> None:
    """Emit nothing, in a form that LLVM does not unroll a loop around.

    Unrolled twice, with all loads of both rounds moved to the front, a tile that fills
    the register file no longer fits it, and the accumulators are spilled to the stack.
    An empty piece of inline assembly counts as a call, and loops with calls stay rolled.
    """
    nothing = ir.FunctionType(ir.VoidType(), [])
    builder.asm(nothing, "", "", [], side_effect=True)


def row_addresses(context, builder, numba_type, memory, offset, token: Tile) -> list:
    """Return the addresses of the registers of one row."""
    vec = llvm_vector(token.vector)
    steps = [ir.Constant(offset.type, c * vec.count) for c in range(token.vectors)]
    return [
        address(context, builder, numba_type, memory, builder.add(offset, step), vec)
        for step in steps
    ]


def _each_register(name: str, use, tile, x, i, stride):
    """Return signature and code generator that pair a tile's registers with places in `x`."""
    require_value(name, RegistersType, tile)
    token = tile.token
    require_memory(name, token.vector, x, writable=True)
    require_whole(name, i, stride)

    def generate(context, builder, sig, values):
        tile, memory, i, stride = values
        for r in range(token.rows):
            for c, place in enumerate(row_addresses(context, builder, x, memory, i, token)):
                use(builder, builder.extract_value(tile, r * token.vectors + c), place)
            i = builder.add(i, stride)
        return context.get_dummy_value()

    return types.void(tile, x, types.intp, types.intp), generate


@intrinsic
def tile_store(context, tile, x, i, stride):
    """``tile_store(tile, x, i, stride)``: write element (r, c) to ``x[i + r * stride + c]``."""
    return _each_register("tile_store", write, tile, x, i, stride)


@intrinsic
def tile_accumulate(context, tile, x, i, stride):
    """``tile_accumulate(tile, x, i, stride)``: as `tile_store`, but add to what is there."""

    def add(builder, value, place):
        total = emit_add(builder, tile.token.vector, read(builder, place), value)
        write(builder, total, place)

    return _each_register("tile_accumulate", add, tile, x, i, stride)
