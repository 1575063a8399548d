"""Tokens, which Python code passes around, and the Numba types behind them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_constant
from numba.extending import (
    NativeValue,
    models,
    overload_attribute,
    register_model,
    typeof_impl,
    unbox,
)


@dataclass(frozen=True)
class Vector:
    """A kind of vector register; `vector` makes one.

    Parameters
    ----------
    dtype : numpy.dtype
        Element type, float32 or float64.
    lanes : int
        Elements per register. Also readable in compiled code.
    """

    dtype: np.dtype
    lanes: int


def vector(dtype, lanes: int | None = None) -> Vector:
    """Return the token of a vector register.

    Parameters
    ----------
    dtype : dtype-like
        float32 or float64.
    lanes : int, optional
        Elements per register, a power of two from 2 to 64. By default what this
        machine's registers hold: 16 float32 with AVX-512, 8 with AVX, else 4, and
        half as many float64.

    Raises
    ------
    ValueError
        If there is no such register.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"vector: dtype must be float32 or float64, not {dtype}")
    if lanes is None:
        lanes = _host_register_bytes() // dtype.itemsize
    if lanes not in (2, 4, 8, 16, 32, 64):
        raise ValueError(f"vector: lanes must be a power of two from 2 to 64, not {lanes!r}")
    return Vector(dtype, lanes)


@functools.cache
def _host_register_bytes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


@dataclass(frozen=True)
class Tile:
    """A block of registers that stays in registers while it is summed.

    Parameters
    ----------
    vector : Vector
        The registers it is made of.
    rows, vectors : int
        Rows, and registers per row. Also readable in compiled code, as is `columns`.

    Raises
    ------
    ValueError
        If it would be empty.
    """

    vector: Vector
    rows: int
    vectors: int

    def __post_init__(self):
        if self.rows < 1 or self.vectors < 1:
            raise ValueError(
                f"Tile: rows and vectors must be at least 1, not {self.rows} and {self.vectors}"
            )

    @property
    def columns(self) -> int:
        """Width in elements."""
        return self.vectors * self.vector.lanes


class TokenType(types.Type):
    """Numba type of a token: all known while compiling, nothing stored while running."""

    def __init__(self, token):
        self.token = token
        super().__init__(name=f"token[{_describe(token)}]")


class RegisterType(types.Type):
    """Numba type of a vector register."""

    def __init__(self, token):
        self.token = token
        super().__init__(name=f"register[{_describe(token)}]")


class RegistersType(types.Type):
    """Numba type of a register tile."""

    def __init__(self, token):
        self.token = token
        super().__init__(name=f"registers[{_describe(token)}]")


def _describe(token) -> str:
    if isinstance(token, Tile):
        return f"{token.rows} x {token.vectors} x {_describe(token.vector)}"
    return f"{token.lanes} {token.dtype}"


def scalar_of(token: Vector) -> types.Type:
    """Return the Numba type of one lane."""
    return numba.from_dtype(token.dtype)


def llvm_vector(token: Vector) -> ir.VectorType:
    """Return the LLVM type of the register."""
    lane = ir.FloatType() if token.dtype.itemsize == 4 else ir.DoubleType()
    return ir.VectorType(lane, token.lanes)


register_model(TokenType)(models.OpaqueModel)


@register_model(RegisterType)
class _RegisterModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, llvm_vector(numba_type.token))


@register_model(RegistersType)
class _RegistersModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        tile = numba_type.token
        array = ir.ArrayType(llvm_vector(tile.vector), tile.rows * tile.vectors)
        super().__init__(manager, numba_type, array)


_token_type = functools.cache(TokenType)  # asked for at every call with a token


@typeof_impl.register(Vector)
@typeof_impl.register(Tile)
def _type_of_token(token, context):
    return _token_type(token)


@unbox(TokenType)
def _unbox_token(numba_type, value, context):
    return NativeValue(context.context.get_dummy_value())


@lower_constant(TokenType)
def _constant_token(context, builder, numba_type, token):
    return context.get_dummy_value()


def _expose(name: str) -> None:
    """Make an attribute of tokens readable in compiled code, as a constant."""

    @overload_attribute(TokenType, name)
    def attribute(token):
        value = getattr(token.token, name, None)
        return None if value is None else lambda token: value


for _name in ("lanes", "rows", "vectors", "columns", "vector"):
    _expose(_name)
