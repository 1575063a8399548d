"""Across the lanes of a register: reductions."""

from __future__ import annotations

from numba.extending import intrinsic

from accel.simd.arithmetic import emit_add, emit_maximum, emit_minimum
from accel.simd.emitting import INT32, lane_numbers, require_value
from accel.simd.types import RegisterType, scalar_of


def _fold(name: str, emit, x):
    """Return signature and code generator of a reduction: halves upon halves."""
    require_value(name, RegisterType, x)

    def generate(context, builder, sig, values):
        part = values[0]
        while part.type.count > 1:
            half = part.type.count // 2
            low = builder.shuffle_vector(part, part, lane_numbers(list(range(half))))
            high = builder.shuffle_vector(
                part, part, lane_numbers(list(range(half, 2 * half)))
            )
            part = emit(builder, x.token, low, high)
        return builder.extract_element(part, INT32(0))

    return scalar_of(x.token)(x), generate


@intrinsic
def horizontal_sum(context, x):
    """``horizontal_sum(x)``: the sum of all lanes, a scalar; integers wrap around.

    Adds the upper half to the lower until one lane is left: log2(lanes) additions, in
    the same order on every machine, which ``llvm.vector.reduce.fadd`` does not promise.
    """
    return _fold("horizontal_sum", emit_add, x)


@intrinsic
def horizontal_max(context, x):
    """``horizontal_max(x)``: the largest of all lanes, a scalar; NaN if any is NaN.

    ``llvm.vector.reduce.fmax`` would ignore a NaN, and a softmax built on it hide one.
    """
    return _fold("horizontal_max", emit_maximum, x)


@intrinsic
def horizontal_min(context, x):
    """``horizontal_min(x)``: the smallest of all lanes, a scalar; NaN if any is NaN."""
    return _fold("horizontal_min", emit_minimum, x)
