"""Formulas over registers while code is generated, written as formulas.

A `Number` stands for a register in LLVM's code, and its operators emit instructions.
Those are all lanewise and exactly what is written: nothing is fused or reordered.
"""

from __future__ import annotations

from llvmlite import ir

from accel.simd.arithmetic import (
    emit_absolute,
    emit_fma,
    emit_maximum,
    emit_minimum,
    machine,
)
from accel.simd.emitting import INT32, call, constant, itemsize
from accel.simd.types import Vector


class Number:
    """A register of real numbers in the code that is being generated.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    token : Vector
    features : str
        What the processor can do, as LLVM lists it.
    value : llvmlite.ir.Value
    """

    def __init__(self, builder, token: Vector, features: str, value):
        self.builder, self.token, self.features, self.value = (
            builder,
            token,
            features,
            value,
        )

    def like(self, value) -> Number:
        """Return another number: a register as it is, a Python float in every lane."""
        if isinstance(value, Number):
            return value
        if isinstance(value, (int, float)):
            value = constant(self.value.type, float(value))
        return Number(self.builder, self.token, self.features, value)

    def __neg__(self) -> Number:
        return self.like(self.builder.fneg(self.value))

    def __add__(self, other) -> Number:
        return self.like(self.builder.fadd(self.value, self.like(other).value))

    def __sub__(self, other) -> Number:
        return self.like(self.builder.fsub(self.value, self.like(other).value))

    def __mul__(self, other) -> Number:
        return self.like(self.builder.fmul(self.value, self.like(other).value))

    def __truediv__(self, other) -> Number:
        return self.like(self.builder.fdiv(self.value, self.like(other).value))

    def times_plus(self, factor, summand) -> Number:
        """Return ``self * factor + summand``, rounded once."""
        factor, summand = self.like(factor), self.like(summand)
        return self.like(emit_fma(self.builder, self.value, factor.value, summand.value))

    def plus(self, smaller: Number) -> tuple[Number, Number]:
        """Return the sum and what its rounding lost, exactly where the other is smaller."""
        total = self + smaller
        return total, smaller - (total - self)

    def polynomial(self, coefficients) -> Number:
        """Return ``sum(c * self**k)`` by Horner's rule; the lowest power comes first."""
        *rest, total = [self.like(c) for c in coefficients]
        for coefficient in reversed(rest):
            total = total.times_plus(self, coefficient)
        return total

    def at_least(self, low: float) -> Number:
        """Return this, or the bound where it is less; NaN stays."""
        bound = self.like(low).value
        return self.like(emit_maximum(self.builder, self.token, bound, self.value))

    def at_most(self, high: float) -> Number:
        """Return this, or the bound where it is larger; NaN stays."""
        bound = self.like(high).value
        return self.like(emit_minimum(self.builder, self.token, bound, self.value))

    def magnitude(self) -> Number:
        """Return this without its sign."""
        return self.like(emit_absolute(self.builder, self.token, self.value))

    def with_sign_of(self, other: Number) -> Number:
        """Return this magnitude with another's sign bit."""
        return self.like(machine("copysign")(self.builder, self.token, self.value, other.value))

    def compare(self, symbol: str, other):
        """Return a mask; no in a lane with NaN."""
        return self.builder.fcmp_ordered(symbol, self.value, self.like(other).value)

    def choose(self, mask, yes, no) -> Number:
        """Return the one number where a mask says yes, the other elsewhere."""
        return self.like(self.builder.select(mask, self.like(yes).value, self.like(no).value))

    # Bits

    @property
    def words(self) -> ir.VectorType:
        """The LLVM type of integers as wide as the numbers."""
        return ir.VectorType(ir.IntType(8 * itemsize(self.value.type)), self.value.type.count)

    def bits(self):
        """Return this as integers of the same bits."""
        return self.builder.bitcast(self.value, self.words)

    def of_bits(self, integers) -> Number:
        """Return the number with these bits."""
        return self.like(self.builder.bitcast(integers, self.value.type))

    def scaled(self, exponent: Number) -> Number | None:
        """Return ``self * 2**exponent`` in one instruction, or None where there is none.

        Rounded once, for any whole exponent. AVX-512 has ``vscalef``; LLVM's general
        ``llvm.ldexp`` calls a function per lane on every other machine.
        """
        vec = self.value.type
        size = 8 * itemsize(vec) * vec.count
        if not {"+avx512f", "+avx512vl"} <= set(self.features.split(",")):
            return None
        if size not in (128, 256, 512):
            return None
        name = f"llvm.x86.avx512.mask.scalef.p{'s' if itemsize(vec) == 4 else 'd'}.{size}"
        every = ir.IntType(max(8, vec.count))(-1)
        as_usual = [INT32(4)] if size == 512 else []  # rounding
        values = (self.value, exponent.value, self.value, every, *as_usual)
        return self.like(call(self.builder, name, vec, *values))
