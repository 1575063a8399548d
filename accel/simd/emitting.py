"""What the intrinsics share: checking argument types, and emitting LLVM instructions."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.typing.templates import signature

from accel.simd.types import (
    MaskType,
    RegisterType,
    TokenType,
    Vector,
    llvm_vector,
    scalar_of,
)

INT32 = ir.IntType(32)

#: Kinds of element type, in NumPy's letters: real, signed and unsigned integer.
EVERY, REAL, WHOLE = "fiu", "f", "iu"
_KINDS = {EVERY: "numbers", REAL: "float32 or float64", WHOLE: "integers"}


# Checking: a wrong argument is an error while compiling, in words


def require_token(name: str, kind: type, argument) -> None:
    """Refuse anything but a token of this kind."""
    if not (isinstance(argument, TokenType) and isinstance(argument.token, kind)):
        raise TypingError(f"{name}: expected a {kind.__name__} token, got {argument}")


def require_value(name: str, kind: type, argument) -> None:
    """Refuse anything but a register, or a register tile."""
    if not isinstance(argument, kind):
        what = {RegisterType: "register", MaskType: "mask"}.get(kind, "register tile")
        raise TypingError(f"{name}: expected a {what}, got {argument}")


def require_memory(name: str, token: Vector, x, *, writable: bool = False) -> None:
    """Refuse anything but a contiguous array, or a pointer, of the token's dtype."""
    contiguous = isinstance(x, types.CPointer) or isinstance(x, types.Array) and x.layout in "CF"
    if not contiguous or x.dtype != scalar_of(token):
        raise TypingError(
            f"{name}: expected a contiguous array or a pointer of {token.dtype}, got {x}"
        )
    if writable and isinstance(x, types.Array) and not x.mutable:
        raise TypingError(f"{name}: expected a writable array, got {x}")


def require_whole(name: str, *counts) -> None:
    """Refuse anything but integers as indices, strides and counts of elements."""
    for count in counts:
        if not isinstance(count, types.Integer):
            raise TypingError(f"{name}: expected whole numbers of elements, got {count}")


# Operations on corresponding lanes


def common_register(arguments) -> RegisterType | None:
    """Return the one register type among registers and scalars of its kind, else None.

    Whole numbers meet every register; real ones only a register of real numbers.
    """
    registers = {a for a in arguments if isinstance(a, RegisterType)}
    if len(registers) != 1:
        return None
    (common,) = registers
    scalars = (types.Integer, types.Float) if is_real(common.token) else (types.Integer,)
    return common if all(isinstance(a, (RegisterType, *scalars)) for a in arguments) else None


def require_common(name: str, arguments, kinds: str = EVERY) -> RegisterType:
    """Refuse anything but registers of one type, of these kinds, and scalars they take."""
    common = common_register(arguments)
    got = ", ".join(str(a) for a in arguments)
    if common is None:
        whole = any(isinstance(a, RegisterType) and not is_real(a.token) for a in arguments)
        scalars = "integer scalars" if whole else "real scalars"
        raise TypingError(f"{name}: expected registers of one type and {scalars}, got {got}")
    if common.token.dtype.kind not in kinds:
        raise TypingError(f"{name}: expected registers of {_KINDS[kinds]}, got {got}")
    return common


def is_real(token: Vector) -> bool:
    """Return whether the lanes are floating-point numbers."""
    return token.dtype.kind == "f"


def lanewise_signature(common: RegisterType, arguments, result=None):
    """Return the signature that casts scalars to the register's element type."""
    scalar = scalar_of(common.token)
    operands = (a if isinstance(a, RegisterType) else scalar for a in arguments)
    return signature(result or common, *operands)


def lanewise(name: str, emit, *arguments, kinds: str = EVERY, result=None):
    """Return signature and code generator of ``emit(builder, token, *registers)``.

    The result is a register like the operands, or of the type given.
    """
    common = require_common(name, arguments, kinds)

    def generate(context, builder, sig, values):
        return emit(builder, common.token, *spread(builder, common, sig, values))

    return lanewise_signature(common, arguments, result), generate


def spread(builder, common: RegisterType, sig, values) -> list:
    """Return the operands as registers: scalars are broadcast."""
    vec = llvm_vector(common.token)
    return [
        value if isinstance(argument, RegisterType) else splat(builder, vec, value)
        for argument, value in zip(sig.args, values, strict=True)
    ]


# Instructions


def splat(builder, vec: ir.VectorType, scalar):
    """Put a scalar in every lane."""
    undefined = ir.Constant(vec, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, lane_numbers([0] * vec.count))


def lane_numbers(lanes: list[int]) -> ir.Constant:
    """Return a constant vector of int32, such as a shuffle takes."""
    return ir.Constant(ir.VectorType(INT32, len(lanes)), lanes)


def call(builder, name: str, result: ir.Type, *values):
    """Call an LLVM intrinsic by its full name."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def suffix(vec: ir.VectorType) -> str:
    """Return what LLVM appends to an intrinsic's name for this type, such as v16f32."""
    letter = "i" if isinstance(vec.element, ir.IntType) else "f"
    return f"v{vec.count}{letter}{8 * itemsize(vec)}"


def itemsize(vec: ir.VectorType) -> int:
    """Return the bytes of one lane."""
    if isinstance(vec.element, ir.IntType):
        return vec.element.width // 8
    return 4 if isinstance(vec.element, ir.FloatType) else 8


def constant(vec: ir.VectorType, value) -> ir.Constant:
    """Return a register with one number in every lane."""
    return ir.Constant(vec, [value] * vec.count)


def address(context, builder, numba_type, memory, offset, vec: ir.VectorType | None = None):
    """Return where element `offset` of an array or pointer is, for a scalar or a register."""
    start = memory
    if isinstance(numba_type, types.Array):
        start = context.make_array(numba_type)(context, builder, memory).data
    where = builder.gep(start, [offset])
    return builder.bitcast(where, vec.as_pointer()) if vec else where


def read(builder, where):
    """Load a register from an address aligned to an element."""
    value = builder.load(where)
    value.align = itemsize(value.type)
    return value


def write(builder, value, where) -> None:
    """Store a register to an address aligned to an element."""
    builder.store(value, where).align = itemsize(value.type)
