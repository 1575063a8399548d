"""Arithmetic on whole register tiles: what an epilogue does to its accumulators."""

from __future__ import annotations

import operator

from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from accel.simd.arithmetic import (
    emit_add,
    emit_divide,
    emit_maximum,
    emit_minimum,
    emit_multiply,
    emit_subtract,
)
from accel.simd.emitting import (
    address,
    is_real,
    read,
    require_memory,
    require_value,
    require_whole,
    splat,
)
from accel.simd.tiles import row_addresses
from accel.simd.types import RegistersType, RegisterType, llvm_vector, scalar_of


def _takes(tile: RegistersType, scalar) -> bool:
    """Return whether a scalar may meet the tile's numbers without loss of kind."""
    kinds = (types.Integer, types.Float) if is_real(tile.token.vector) else (types.Integer,)
    return isinstance(scalar, kinds)


def _common(name: str, x, y):
    """Return the signature of a function of two tiles of one type, or of one and a scalar."""
    for tile, other in ((x, y), (y, x)):
        if isinstance(tile, RegistersType) and (other == tile or _takes(tile, other)):
            scalar = scalar_of(tile.token.vector)
            return signature(tile, *(a if a == tile else scalar for a in (x, y)))
    raise TypingError(f"{name}: expected tiles of one type, or one and a real scalar, got {x}, {y}")


def _on_each(emit):
    """Return a code generator that applies ``emit(builder, vector, x, y)`` to each register."""

    def generate(context, builder, sig, values):
        token = sig.return_type.token
        vec, made = llvm_vector(token.vector), None
        every = [
            value if isinstance(kind, RegistersType) else splat(builder, vec, value)
            for kind, value in zip(sig.args, values, strict=True)
        ]
        made = every[0] if isinstance(sig.args[0], RegistersType) else every[1]
        for at in range(token.rows * token.vectors):
            operands = [
                builder.extract_value(value, at) if isinstance(kind, RegistersType) else value
                for kind, value in zip(sig.args, every, strict=True)
            ]
            made = builder.insert_value(made, emit(builder, token.vector, *operands), at)
        return made

    return generate


def _define_tile_operator(symbols, sign: str, emit) -> None:
    """Give tiles a Python operator, lane by lane; a scalar operand is broadcast."""
    for symbol in symbols:

        class Operator(AbstractTemplate):
            def generic(self, arguments, keywords):
                if keywords or not any(isinstance(a, RegistersType) for a in arguments):
                    return None
                if sign == "/" and not all(_real(a) for a in arguments):
                    raise TypingError(f"/: expected tiles of float32 or float64, got {arguments}")
                return _common(sign, *arguments)

        infer_global(symbol)(Operator)
        for pattern in (
            (RegistersType, RegistersType),
            (RegistersType, types.Number),
            (types.Number, RegistersType),
        ):
            lower_builtin(symbol, *pattern)(_on_each(emit))


def _real(argument) -> bool:
    return not isinstance(argument, RegistersType) or is_real(argument.token.vector)


_define_tile_operator((operator.add, operator.iadd), "+", emit_add)
_define_tile_operator((operator.sub, operator.isub), "-", emit_subtract)
_define_tile_operator((operator.mul, operator.imul), "*", emit_multiply)
_define_tile_operator((operator.truediv, operator.itruediv), "/", emit_divide)


@intrinsic
def tile_maximum(context, x, y):
    """``tile_maximum(x, y)``: as `maximum`, of tiles of one type, or of one and a scalar."""
    return _common("tile_maximum", x, y), _on_each(emit_maximum)


@intrinsic
def tile_minimum(context, x, y):
    """``tile_minimum(x, y)``: as `minimum`, of tiles of one type, or of one and a scalar."""
    return _common("tile_minimum", x, y), _on_each(emit_minimum)


@intrinsic
def tile_add_row(context, tile, x, i):
    """``tile_add_row(tile, x, i)``: adds ``x[i + c]`` to each element (r, c), as a bias."""
    require_value("tile_add_row", RegistersType, tile)
    token = tile.token
    require_memory("tile_add_row", token.vector, x)
    require_whole("tile_add_row", i)

    def generate(context, builder, sig, values):
        tile, memory, i = values
        row = [read(builder, at) for at in row_addresses(context, builder, x, memory, i, token)]
        for at in range(token.rows * token.vectors):
            term = row[at % token.vectors]
            total = emit_add(builder, token.vector, builder.extract_value(tile, at), term)
            tile = builder.insert_value(tile, total, at)
        return tile

    return tile(tile, x, types.intp), generate


@intrinsic
def tile_add_column(context, tile, x, i, stride):
    """``tile_add_column(tile, x, i, stride)``: adds ``x[i + r * stride]`` to each (r, c)."""
    require_value("tile_add_column", RegistersType, tile)
    token = tile.token
    require_memory("tile_add_column", token.vector, x)
    require_whole("tile_add_column", i, stride)

    def generate(context, builder, sig, values):
        tile, memory, i, stride = values
        down = address(context, builder, x, memory, i)
        for r in range(token.rows):
            term = splat(builder, llvm_vector(token.vector), builder.load(down))
            for at in range(r * token.vectors, (r + 1) * token.vectors):
                total = emit_add(builder, token.vector, builder.extract_value(tile, at), term)
                tile = builder.insert_value(tile, total, at)
            down = builder.gep(down, [stride])
        return tile

    return tile(tile, x, types.intp, types.intp), generate


@intrinsic
def tile_map(context, function, tile):
    """``tile_map(function, tile)``: a compiled function of one register, of each of the tile.

    For epilogues of any kind: ``tile_map(gelu, tile)`` with a jitted ``gelu(v)``. The
    code is there once per register.
    """
    require_value("tile_map", RegistersType, tile)
    register = RegisterType(tile.token.vector)
    if not isinstance(function, types.Callable):
        raise TypingError(f"tile_map: expected a compiled function, got {function}")
    resolved = context.resolve_function_type(function, (register,), {})
    if resolved is None or resolved.return_type != register:
        got = resolved and resolved.return_type
        raise TypingError(f"tile_map: expected a function from {register} to the same, got {got}")

    def generate(context, builder, sig, values):
        implementation = context.get_function(function, resolved)
        context.add_linking_libs(getattr(implementation, "libs", ()))
        made = values[1]
        for at in range(tile.token.rows * tile.token.vectors):
            result = implementation(builder, [builder.extract_value(values[1], at)])
            made = builder.insert_value(made, result, at)
        return made

    return tile(function, tile), generate


def _place(name: str, tile, r, c) -> int:
    """Return where a tile keeps a register; refuse places that are no constants in it."""
    require_value(name, RegistersType, tile)
    if not (isinstance(r, types.IntegerLiteral) and isinstance(c, types.IntegerLiteral)):
        raise TypingError(f"{name}: expected constant numbers of row and register, got {r}, {c}")
    row, column, token = r.literal_value, c.literal_value, tile.token
    if not (0 <= row < token.rows and 0 <= column < token.vectors):
        raise TypingError(f"{name}: no register {row}, {column} in {tile}")
    return row * token.vectors + column


@intrinsic(prefer_literal=True)
def tile_get(context, tile, r, c):
    """``tile_get(tile, r, c)``: register c of row r, both constants."""
    at = _place("tile_get", tile, r, c)

    def generate(context, builder, sig, values):
        return builder.extract_value(values[0], at)

    return RegisterType(tile.token.vector)(tile, r, c), generate


@intrinsic(prefer_literal=True)
def tile_set(context, tile, r, c, v):
    """``tile_set(tile, r, c, v)``: the tile with register c of row r replaced, both constants."""
    at = _place("tile_set", tile, r, c)
    if v != RegisterType(tile.token.vector):
        raise TypingError(f"tile_set: expected a register of {tile}, got {v}")

    def generate(context, builder, sig, values):
        return builder.insert_value(values[0], values[3], at)

    return tile(tile, r, c, v), generate
