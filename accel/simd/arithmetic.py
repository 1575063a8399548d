"""Operators, and functions of corresponding lanes that take an instruction or two."""

from __future__ import annotations

import itertools
import operator

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin

from accel.simd.emitting import (
    EVERY,
    REAL,
    call,
    is_real,
    lanewise,
    lanewise_signature,
    require_common,
    require_token,
    splat,
    spread,
    suffix,
)
from accel.simd.types import RegisterType, Vector, llvm_vector, scalar_of


def define_operator(symbol, sign: str, emit, *, operands: int = 2, kinds: str = EVERY, result=None):
    """Give registers a Python operator; a scalar operand is broadcast.

    `emit` and `kinds` as for `lanewise`; `result` makes the result's type of the
    registers' type, by default that itself.
    """

    class Operator(AbstractTemplate):
        def generic(self, arguments, keywords):
            if keywords or not any(isinstance(a, RegisterType) for a in arguments):
                return None
            common = require_common(sign, arguments, kinds)
            return lanewise_signature(common, arguments, result and result(common))

    def lower(context, builder, sig, values):
        common = next(a for a in sig.args if isinstance(a, RegisterType))
        return emit(builder, common.token, *spread(builder, common, sig, values))

    infer_global(symbol)(Operator)
    for pattern in itertools.product((RegisterType, types.Float, types.Integer), repeat=operands):
        if RegisterType in pattern:
            lower_builtin(symbol, *pattern)(lower)


def emit_add(builder, token: Vector, x, y):
    """Emit a sum; integers wrap around."""
    return builder.fadd(x, y) if is_real(token) else builder.add(x, y)


def emit_subtract(builder, token: Vector, x, y):
    """Emit a difference; integers wrap around."""
    return builder.fsub(x, y) if is_real(token) else builder.sub(x, y)


def emit_multiply(builder, token: Vector, x, y):
    """Emit a product; integers wrap around."""
    return builder.fmul(x, y) if is_real(token) else builder.mul(x, y)


def emit_divide(builder, token: Vector, x, y):
    """Emit a quotient, of real numbers."""
    return builder.fdiv(x, y)


def _negate(builder, token, x):
    return builder.fneg(x) if is_real(token) else builder.neg(x)


for _symbol in (operator.add, operator.iadd):
    define_operator(_symbol, "+", emit_add)
for _symbol in (operator.sub, operator.isub):
    define_operator(_symbol, "-", emit_subtract)
for _symbol in (operator.mul, operator.imul):
    define_operator(_symbol, "*", emit_multiply)
for _symbol in (operator.truediv, operator.itruediv):
    define_operator(_symbol, "/", emit_divide, kinds=REAL)
define_operator(operator.neg, "-", _negate, operands=1)


@intrinsic
def zeros(context, V):
    """``zeros(V)``: a register full of zeros."""
    require_token("zeros", Vector, V)

    def generate(context, builder, sig, values):
        return ir.Constant(llvm_vector(V.token), None)

    return RegisterType(V.token)(V), generate


@intrinsic
def broadcast(context, V, scalar):
    """``broadcast(V, scalar)``: the scalar, cast to V's dtype, in every lane."""
    require_token("broadcast", Vector, V)
    if not isinstance(scalar, (types.Integer, types.Float)):
        raise TypingError(f"broadcast: expected a real scalar, got {scalar}")

    def generate(context, builder, sig, values):
        return splat(builder, llvm_vector(V.token), values[1])

    return RegisterType(V.token)(V, scalar_of(V.token)), generate


def emit_fma(builder, x, y, z):
    """Emit a fused multiply-add; llvmlite's own ``builder.fma`` takes scalars only."""
    return call(builder, f"llvm.fma.{suffix(z.type)}", z.type, x, y, z)


@intrinsic
def fma(context, x, y, z):
    """``fma(x, y, z)``: ``x * y + z``, rounded once (``llvm.fma``); scalars are broadcast."""
    return lanewise(
        "fma", lambda builder, token, *xyz: emit_fma(builder, *xyz), x, y, z, kinds=REAL
    )


def emit_minimum(builder, token: Vector, x, y):
    """Emit the smaller of each lane, NaN if either is."""
    if not is_real(token):
        return _integer_extreme(builder, token, "min", x, y)
    smaller = builder.select(builder.fcmp_ordered("<", x, y), x, y)  # y if either is NaN
    return builder.select(builder.fcmp_unordered("uno", x, x), x, smaller)


def emit_maximum(builder, token: Vector, x, y):
    """Emit the larger of each lane, NaN if either is."""
    if not is_real(token):
        return _integer_extreme(builder, token, "max", x, y)
    larger = builder.select(builder.fcmp_ordered(">", x, y), x, y)  # y if either is NaN
    return builder.select(builder.fcmp_unordered("uno", x, x), x, larger)


def _integer_extreme(builder, token, which: str, x, y):
    sign = "s" if token.dtype.kind == "i" else "u"
    return call(builder, f"llvm.{sign}{which}.{suffix(x.type)}", x.type, x, y)


@intrinsic
def minimum(context, x, y):
    """``minimum(x, y)``: the smaller of each lane; NaN if either is NaN, as in NumPy.

    Of -0 and +0 either may come back. Put a constant first: that makes it a single
    instruction, since only a NaN in the first operand is lost by the machine's own.
    """
    return lanewise("minimum", emit_minimum, x, y)


@intrinsic
def maximum(context, x, y):
    """``maximum(x, y)``: the larger of each lane; NaN if either is NaN, as in NumPy.

    Of -0 and +0 either may come back. Put a constant first, as for `minimum`.
    """
    return lanewise("maximum", emit_maximum, x, y)


def machine(name: str):
    """Return a generator that calls LLVM's function of this name on real registers."""

    def emit(builder, token, *registers):
        vec = registers[0].type
        return call(builder, f"llvm.{name}.{suffix(vec)}", vec, *registers)

    return emit


@intrinsic
def floor(context, x):
    """``floor(x)``: each lane rounded towards minus infinity (``llvm.floor``)."""
    return lanewise("floor", machine("floor"), x, kinds=REAL)


@intrinsic
def truncate(context, x):
    """``truncate(x)``: each lane rounded towards zero (``llvm.trunc``)."""
    return lanewise("truncate", machine("trunc"), x, kinds=REAL)


@intrinsic
def round_to_even(context, x):
    """``round_to_even(x)``: each lane rounded to the nearest, halves to even, as in NumPy."""
    return lanewise("round_to_even", machine("roundeven"), x, kinds=REAL)


@intrinsic
def sqrt(context, x):
    """``sqrt(x)``: the square root, correctly rounded; -0 of -0, NaN below it."""
    return lanewise("sqrt", machine("sqrt"), x, kinds=REAL)


@intrinsic
def copysign(context, x, y):
    """``copysign(x, y)``: the magnitude of `x` with the sign bit of `y`, -0 and NaN included."""
    return lanewise("copysign", machine("copysign"), x, y, kinds=REAL)


def emit_absolute(builder, token: Vector, x):
    """Emit the magnitude of each lane."""
    if is_real(token):
        return machine("fabs")(builder, token, x)
    if token.dtype.kind == "u":
        return x
    wraps = ir.Constant(ir.IntType(1), 0)
    return call(builder, f"llvm.abs.{suffix(x.type)}", x.type, x, wraps)


@intrinsic
def absolute(context, x):
    """``absolute(x)``: each lane without its sign; the least integer stays, as in NumPy."""
    return lanewise("absolute", emit_absolute, x)
