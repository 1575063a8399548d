"""Integers in lanes: operators on bits, and the ways between element types."""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd.arithmetic import define_operator, emit_maximum, emit_minimum
from accel.simd.emitting import (
    INT32,
    WHOLE,
    constant,
    is_real,
    require_token,
    require_value,
)
from accel.simd.types import RegisterType, Vector, llvm_vector


def _and(builder, token, x, y):
    return builder.and_(x, y)


def _or(builder, token, x, y):
    return builder.or_(x, y)


def _exclusive_or(builder, token, x, y):
    return builder.xor(x, y)


def _not(builder, token, x):
    return builder.xor(x, constant(x.type, -1))


def _shift_left(builder, token, x, y):
    """Shift to the left; all bits are gone after as many steps as there are, as in NumPy."""
    inside = builder.icmp_unsigned("<", y, constant(y.type, 8 * token.dtype.itemsize))
    return builder.select(inside, builder.shl(x, y), constant(x.type, 0))


def _shift_right(builder, token, x, y):
    """Shift to the right, the sign of signed integers staying, as in NumPy."""
    bits = 8 * token.dtype.itemsize
    inside = builder.icmp_unsigned("<", y, constant(y.type, bits))
    if token.dtype.kind == "u":
        return builder.select(inside, builder.lshr(x, y), constant(x.type, 0))
    return builder.ashr(x, builder.select(inside, y, constant(y.type, bits - 1)))


for _sign, _symbols, _emit in (
    ("&", (operator.and_, operator.iand), _and),
    ("|", (operator.or_, operator.ior), _or),
    ("^", (operator.xor, operator.ixor), _exclusive_or),
    ("<<", (operator.lshift, operator.ilshift), _shift_left),
    (">>", (operator.rshift, operator.irshift), _shift_right),
):
    for _symbol in _symbols:
        define_operator(_symbol, _sign, _emit, kinds=WHOLE)
define_operator(operator.invert, "~", _not, operands=1, kinds=WHOLE)


@intrinsic
def convert(context, V, x):
    """``convert(V, x)``: each lane as a number of V's dtype; V has as many lanes.

    * Integer to integer keeps the low bits: narrowing wraps around, widening fills
      with the sign of signed integers and with zeros of unsigned ones.
    * Integer to real, and float64 to float32, round to the nearest.
    * Real to integer drops the fraction. What is too large or too small gives the
      largest or least integer, and NaN gives 0.

    From uint8 to float32 takes two instructions, by way of int32, which LLVM finds.
    """
    require_token("convert", Vector, V)
    require_value("convert", RegisterType, x)
    if V.token.lanes != x.token.lanes:
        raise TypingError(f"convert: expected a token of {x.token.lanes} lanes for {x}, got {V}")

    def generate(context, builder, sig, values):
        return emit_convert(builder, x.token, V.token, values[1])

    return RegisterType(V.token)(V, x), generate


def emit_convert(builder, source: Vector, target: Vector, value):
    """Emit the numbers of one element type as those of another, lane by lane."""
    vec = llvm_vector(target)
    if source.dtype == target.dtype:
        return value
    if is_real(source) and is_real(target):
        wider = target.dtype.itemsize > source.dtype.itemsize
        return builder.fpext(value, vec) if wider else builder.fptrunc(value, vec)
    if is_real(source):
        return _real_to_integer(builder, source, target, value)
    signed = source.dtype.kind == "i"
    if is_real(target):
        return builder.sitofp(value, vec) if signed else builder.uitofp(value, vec)
    if target.dtype.itemsize == source.dtype.itemsize:
        return value
    if target.dtype.itemsize < source.dtype.itemsize:
        return builder.trunc(value, vec)
    return builder.sext(value, vec) if signed else builder.zext(value, vec)


@intrinsic
def bitcast(context, V, x):
    """``bitcast(V, x)``: the same bits as a register V of the same size; no instruction.

    The number of lanes may differ: 16 float32 are also 64 uint8. The first lane is at
    the lowest address, as in ``ndarray.view``.
    """
    require_token("bitcast", Vector, V)
    require_value("bitcast", RegisterType, x)
    sizes = {token: token.lanes * token.dtype.itemsize for token in (V.token, x.token)}
    if len(set(sizes.values())) > 1:
        raise TypingError(f"bitcast: expected a token of {sizes[x.token]} bytes for {x}, got {V}")

    def generate(context, builder, sig, values):
        return builder.bitcast(values[1], llvm_vector(V.token))

    return RegisterType(V.token)(V, x), generate


def _real_to_integer(builder, source: Vector, target: Vector, value):
    """Drop the fraction, and take the nearest integer there is for what lies outside.

    LLVM leaves what lies outside undefined, and its own saturating conversion takes
    registers apart into scalars. So the number is brought inside first.
    """
    about = np.iinfo(target.dtype)
    number = source.dtype.type
    low, high = number(about.min), number(about.max)
    rounded_up = int(high) > about.max  # then the last number inside is the one before
    last = np.nextafter(high, number(0)) if rounded_up else high
    ordered = builder.fcmp_ordered("ord", value, value)
    inside = builder.select(ordered, value, constant(value.type, 0.0))
    inside = emit_maximum(builder, source, constant(value.type, float(low)), inside)
    inside = emit_minimum(builder, source, constant(value.type, float(last)), inside)
    result = _inside_to_integer(builder, target, inside)
    if not rounded_up:
        return result
    beyond = builder.fcmp_ordered(">=", value, constant(value.type, float(high)))
    return builder.select(beyond, constant(result.type, int(about.max)), result)


def _inside_to_integer(builder, target: Vector, value):
    """Drop the fraction of numbers that fit; short integers by way of int32, as machines do."""
    vec = llvm_vector(target)
    if target.dtype.itemsize < 4:
        return builder.trunc(builder.fptosi(value, ir.VectorType(INT32, vec.count)), vec)
    signed = target.dtype.kind == "i"
    return builder.fptosi(value, vec) if signed else builder.fptoui(value, vec)
