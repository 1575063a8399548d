"""What the intrinsics share: checking argument types, and emitting LLVM instructions."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.typing.templates import signature

from accel.simd.types import RegisterType, TokenType, Vector, llvm_vector, scalar_of

INT32 = ir.IntType(32)


# Checking: a wrong argument is an error while compiling, in words


def require_token(name: str, kind: type, argument) -> None:
    """Refuse anything but a token of this kind."""
    if not (isinstance(argument, TokenType) and isinstance(argument.token, kind)):
        raise TypingError(f"{name}: expected a {kind.__name__} token, got {argument}")


def require_value(name: str, kind: type, argument) -> None:
    """Refuse anything but a register, or a register tile."""
    if not isinstance(argument, kind):
        what = "register" if kind is RegisterType else "register tile"
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


# Operations on corresponding lanes


def common_register(arguments) -> RegisterType | None:
    """Return the one register type among registers and real scalars, else None."""
    registers = {a for a in arguments if isinstance(a, RegisterType)}
    rest = [a for a in arguments if not isinstance(a, (RegisterType, types.Integer, types.Float))]
    return registers.pop() if len(registers) == 1 and not rest else None


def lanewise_signature(common: RegisterType, arguments):
    """Return the signature that casts scalars to the register's element type."""
    scalar = scalar_of(common.token)
    return signature(common, *(a if isinstance(a, RegisterType) else scalar for a in arguments))


def lanewise(name: str, emit, *arguments):
    """Return signature and code generator of ``emit(builder, *registers) -> register``."""
    common = common_register(arguments)
    if common is None:
        got = ", ".join(str(a) for a in arguments)
        raise TypingError(f"{name}: expected registers of one type and real scalars, got {got}")

    def generate(context, builder, sig, values):
        return emit(builder, *spread(builder, sig, values))

    return lanewise_signature(common, arguments), generate


def spread(builder, sig, values) -> list:
    """Return the operands as registers: scalars are broadcast."""
    vec = llvm_vector(sig.return_type.token)
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
    return f"v{vec.count}f{8 * itemsize(vec)}"


def itemsize(vec: ir.VectorType) -> int:
    """Return the bytes of one lane."""
    return 4 if isinstance(vec.element, ir.FloatType) else 8


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
