"""Tokens, which Python code passes around, and the Numba types behind them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.core.imputils import lower_constant
from numba.extending import (
    NativeValue,
    models,
    overload,
    overload_attribute,
    register_model,
    typeof_impl,
    unbox,
)

#: Element types that registers hold. Integers wrap around, as in the machine.
DTYPES = (
    "float32", "float64",
    "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip


@dataclass(frozen=True)
class Vector:
    """A kind of vector register; `vector` makes one.

    Parameters
    ----------
    dtype : numpy.dtype
        Element type, one of `DTYPES`.
    lanes : int
        Elements per register. Also readable in compiled code.

    Raises
    ------
    ValueError
        If there is no such register.
    """

    dtype: np.dtype
    lanes: int

    def __post_init__(self):
        if self.dtype.name not in DTYPES or not self.dtype.isnative:
            raise ValueError(f"vector: dtype must be one of {', '.join(DTYPES)}, not {self.dtype}")
        if not _is_count(self.lanes) or self.lanes not in (2, 4, 8, 16, 32, 64):
            raise ValueError(
                f"vector: lanes must be a power of two from 2 to 64, not {self.lanes!r}"
            )


def vector(dtype, lanes: int | None = None) -> Vector:
    """Return the token of a vector register.

    Parameters
    ----------
    dtype : dtype-like
        One of `DTYPES`, in this machine's byte order.
    lanes : int, optional
        Elements per register, a power of two from 2 to 64. By default what this
        machine's registers hold: 64 bytes with AVX-512 (16 float32, 8 float64, 64
        uint8), 32 with AVX, else 16.

    Raises
    ------
    ValueError
        If there is no such register.
    """
    dtype = np.dtype(dtype)
    if lanes is None:
        lanes = _host_register_bytes() // dtype.itemsize
    return Vector(dtype, lanes)


def _is_count(value) -> bool:
    """Return whether this is a whole number in type too: 4.0 would be another token."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


@functools.cache
def _host_register_bytes() -> int:
    features = config.CPU_FEATURES  # what Numba was told to compile for, if anything
    if features is None:
        features = get_host_cpu_features()
    there = features.split(",")
    return 64 if "+avx512f" in there else 32 if "+avx" in there else 16


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
    TypeError
        If `vector` is no token of a vector register.
    ValueError
        If it would be empty, or not of whole registers.
    """

    vector: Vector
    rows: int
    vectors: int

    def __post_init__(self):
        if not isinstance(self.vector, Vector):
            raise TypeError(f"Tile: vector must be a Vector token, not {self.vector!r}")
        if not all(_is_count(count) and count >= 1 for count in (self.rows, self.vectors)):
            raise ValueError(
                "Tile: rows and vectors must be whole numbers of at least 1, "
                f"not {self.rows!r} and {self.vectors!r}"
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


class MaskType(types.Type):
    """Numba type of a mask: yes or no for each lane."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__(name=f"mask[{lanes}]")


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
    bits = 8 * token.dtype.itemsize
    if token.dtype.kind != "f":  # LLVM's integers have no sign; its instructions have
        return ir.VectorType(ir.IntType(bits), token.lanes)
    return ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), token.lanes)


def llvm_mask(lanes: int) -> ir.VectorType:
    """Return the LLVM type of a mask: one bit per lane."""
    return ir.VectorType(ir.IntType(1), lanes)


register_model(TokenType)(models.OpaqueModel)


@register_model(RegisterType)
class _RegisterModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, llvm_vector(numba_type.token))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, llvm_mask(numba_type.lanes))


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


def alike(V: Vector, dtype) -> Vector:
    """Return the token with as many lanes as `V`, of another element type.

    What `convert` and masks need: they pair lanes, whatever the element's size. Also
    in compiled code, with the dtype's name as a constant: ``alike(V, "int32")``.

    Parameters
    ----------
    V : Vector
    dtype : dtype-like
        As for `vector`.

    Raises
    ------
    ValueError
        If there is no such register.
    """
    return vector(dtype, V.lanes)


@overload(alike)
def _alike(V, dtype):
    if not (isinstance(V, TokenType) and isinstance(V.token, Vector)):
        raise TypingError(f"alike: expected a Vector token, got {V}")
    if not isinstance(dtype, types.StringLiteral):
        raise TypingError(f"alike: expected the name of a dtype as a constant, got {dtype}")
    token = vector(dtype.literal_value, V.token.lanes)
    return lambda V, dtype: token
