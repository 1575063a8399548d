"""Comparisons, and masks: a yes or no for each lane, and what to do with it.

A mask has lanes and no element type: one that compared float32 may choose among int32,
as long as there are as many lanes.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from accel.simd.arithmetic import define_operator
from accel.simd.emitting import (
    INT32,
    constant,
    is_real,
    lane_numbers,
    lanewise,
    lanewise_signature,
    require_common,
    require_token,
    require_value,
    require_whole,
    splat,
    spread,
)
from accel.simd.types import MaskType, RegisterType, Vector


def _comparison(symbol: str):
    """Return a generator of masks. A lane with NaN is unequal, and in no order."""

    def emit(builder, token, x, y):
        if is_real(token):
            compare = builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered
        else:
            signed = token.dtype.kind == "i"
            compare = builder.icmp_signed if signed else builder.icmp_unsigned
        return compare(symbol, x, y)

    return emit


def _mask_of(common: RegisterType) -> MaskType:
    return MaskType(common.token.lanes)


def _compare(name: str, symbol: str, x, y):
    result = _mask_of(require_common(name, (x, y)))
    return lanewise(name, _comparison(symbol), x, y, result=result)


for _operator, _symbol in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    define_operator(_operator, _symbol, _comparison(_symbol), result=_mask_of)


@intrinsic
def less(context, x, y):
    """``less(x, y)``, or ``x < y``: a mask; no where either is NaN."""
    return _compare("less", "<", x, y)


@intrinsic
def less_equal(context, x, y):
    """``less_equal(x, y)``, or ``x <= y``: a mask; no where either is NaN."""
    return _compare("less_equal", "<=", x, y)


@intrinsic
def greater(context, x, y):
    """``greater(x, y)``, or ``x > y``: a mask; no where either is NaN."""
    return _compare("greater", ">", x, y)


@intrinsic
def greater_equal(context, x, y):
    """``greater_equal(x, y)``, or ``x >= y``: a mask; no where either is NaN."""
    return _compare("greater_equal", ">=", x, y)


@intrinsic
def equal(context, x, y):
    """``equal(x, y)``, or ``x == y``: a mask; no where either is NaN. -0 equals +0."""
    return _compare("equal", "==", x, y)


@intrinsic
def not_equal(context, x, y):
    """``not_equal(x, y)``, or ``x != y``: a mask; yes where either is NaN."""
    return _compare("not_equal", "!=", x, y)


@intrinsic
def isnan(context, x):
    """``isnan(x)``: a mask, yes where a lane is NaN."""
    common = require_common("isnan", (x,), "f")

    def emit(builder, token, x):
        return builder.fcmp_unordered("uno", x, x)

    return lanewise("isnan", emit, x, result=_mask_of(common))


@intrinsic
def first_lanes(context, V, count):
    """``first_lanes(V, count)``: a mask, yes in the first `count` lanes of V.

    A count below 0 means no lane, one above ``V.lanes`` all of them.
    """
    require_token("first_lanes", Vector, V)
    require_whole("first_lanes", count)

    def generate(context, builder, sig, values):
        return emit_first_lanes(builder, values[1], V.token.lanes)

    return MaskType(V.token.lanes)(V, types.intp), generate


def emit_first_lanes(builder, count, lanes: int):
    """Emit a mask: one bit per lane, set in the first `count`."""
    none, full = ir.Constant(count.type, 0), ir.Constant(count.type, lanes)
    count = builder.select(builder.icmp_signed("<", count, none), none, count)
    count = builder.select(builder.icmp_signed(">", count, full), full, count)
    numbers = lane_numbers(list(range(lanes)))
    limit = splat(builder, numbers.type, builder.trunc(count, INT32))
    return builder.icmp_signed("<", numbers, limit)


@intrinsic
def select(context, mask, x, y):
    """``select(mask, x, y)``: lanes of `x` where the mask says yes, of `y` elsewhere.

    One of them may be a scalar. Both are computed: a lane that is not taken does no
    harm, since arithmetic on registers raises nothing.
    """
    require_value("select", MaskType, mask)
    common = require_common("select", (x, y))
    require_lanes("select", mask, common)

    def generate(context, builder, sig, values):
        operands = signature(common, *sig.args[1:])
        return builder.select(values[0], *spread(builder, common, operands, values[1:]))

    return common(mask, *lanewise_signature(common, (x, y)).args), generate


def require_lanes(name: str, mask: MaskType, register: RegisterType) -> None:
    """Refuse a mask for another number of lanes."""
    if mask.lanes != register.token.lanes:
        raise TypingError(f"{name}: {mask} does not fit {register}")


def _masks(name: str, emit, *masks):
    """Return signature and code generator of a function of masks."""
    for each in masks:
        require_value(name, MaskType, each)
    if len(set(masks)) > 1:
        raise TypingError(f"{name}: {masks[0]} and {masks[1]} do not mix")

    def generate(context, builder, sig, values):
        return emit(builder, *values)

    return masks[0](*masks), generate


def _and(builder, x, y):
    return builder.and_(x, y)


def _or(builder, x, y):
    return builder.or_(x, y)


def _exclusive_or(builder, x, y):
    return builder.xor(x, y)


def _not(builder, x):
    return builder.xor(x, constant(x.type, 1))


@intrinsic
def both(context, x, y):
    """``both(x, y)``, or ``x & y``: yes where both masks say so."""
    return _masks("both", _and, x, y)


@intrinsic
def either(context, x, y):
    """``either(x, y)``, or ``x | y``: yes where one of the masks says so, or both."""
    return _masks("either", _or, x, y)


@intrinsic
def invert(context, x):
    """``invert(x)``, or ``~x``: yes where the mask says no."""
    return _masks("invert", _not, x)


def _define_mask_operator(symbol, emit, operands: int = 2) -> None:
    class Operator(AbstractTemplate):
        def generic(self, arguments, keywords):
            alike = len(set(arguments)) == 1 and isinstance(arguments[0], MaskType)
            return signature(arguments[0], *arguments) if alike else None

    def lower(context, builder, sig, values):
        return emit(builder, *values)

    infer_global(symbol)(Operator)
    lower_builtin(symbol, *[MaskType] * operands)(lower)


for _operator in (operator.and_, operator.iand):
    _define_mask_operator(_operator, _and)
for _operator in (operator.or_, operator.ior):
    _define_mask_operator(_operator, _or)
for _operator in (operator.xor, operator.ixor):
    _define_mask_operator(_operator, _exclusive_or)
_define_mask_operator(operator.invert, _not, operands=1)


@infer_global(bool)
class _Truth(AbstractTemplate):
    """Refuse a register or a mask as a condition, and say what would be one."""

    def generic(self, arguments, keywords):
        if len(arguments) == 1 and isinstance(arguments[0], (MaskType, RegisterType)):
            raise TypingError(
                f"{arguments[0]} is no single truth to branch on: use any_lane or all_lanes of a mask"
            )


def _bits(builder, mask):
    """Return a mask as an integer: one bit per lane."""
    return builder.bitcast(mask, ir.IntType(mask.type.count))


@intrinsic
def any_lane(context, mask):
    """``any_lane(mask)``: whether the mask says yes anywhere; a boolean to branch on."""
    require_value("any_lane", MaskType, mask)

    def generate(context, builder, sig, values):
        bits = _bits(builder, values[0])
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), generate


@intrinsic
def all_lanes(context, mask):
    """``all_lanes(mask)``: whether the mask says yes everywhere; a boolean to branch on."""
    require_value("all_lanes", MaskType, mask)

    def generate(context, builder, sig, values):
        bits = _bits(builder, values[0])
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(mask), generate


@intrinsic
def count_lanes(context, mask):
    """``count_lanes(mask)``: in how many lanes the mask says yes."""
    require_value("count_lanes", MaskType, mask)

    def generate(context, builder, sig, values):
        bits = builder.ctpop(_bits(builder, values[0]))
        wide = context.get_value_type(types.intp)
        return bits if bits.type == wide else builder.zext(bits, wide)

    return types.intp(mask), generate
