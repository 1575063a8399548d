"""Formulas over registers while code is generated, written as formulas.

A `Number` stands for a register in LLVM's code, and its operators emit instructions.
Those are all lanewise and exactly what is written: nothing is fused or reordered.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accel.simd.arithmetic import (
    emit_absolute,
    emit_fma,
    emit_maximum,
    emit_minimum,
    machine,
)
from accel.simd.emitting import INT32, call, constant, itemsize, lane_numbers
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

    # AVX-512

    @property
    def has_avx512(self) -> bool:
        """Whether the instructions of AVX-512 are there, and take registers of this size."""
        size = 8 * itemsize(self.value.type) * self.value.type.count
        there = {"+avx512f", "+avx512dq", "+avx512vl"} <= set(self.features.split(","))
        return there and size in (128, 256, 512)

    def _avx512(self, name: str, *values):
        """Call LLVM's intrinsic for an instruction of AVX-512, of registers of this type."""
        vec = self.value.type
        size = 8 * itemsize(vec) * vec.count
        kind = "ps" if itemsize(vec) == 4 else "pd"
        return self.like(call(self.builder, f"llvm.x86.avx512.{name}.{kind}.{size}", vec, *values))

    def scaled(self, exponent: Number) -> Number | None:
        """Return ``self * 2**floor(exponent)`` in one instruction, or None where there is none.

        Rounded once, for any exponent. AVX-512 has ``vscalef``; LLVM's general
        ``llvm.ldexp`` calls a function per lane on every other machine.
        """
        if not self.has_avx512:
            return None
        vec = self.value.type
        every = ir.IntType(max(8, vec.count))(-1)
        as_usual = [INT32(4)] if itemsize(vec) * vec.count == 64 else []  # rounding
        values = (self.value, exponent.value, self.value, every, *as_usual)
        return self._avx512("mask.scalef", *values)

    def no_larger_than(self, bound: float) -> Number:
        """Return this, its size cut to a bound; either sign of the bound for NaN: ``vrange``."""
        vec = self.value.type
        every = ir.IntType(max(8, vec.count))(-1)
        as_usual = [INT32(4)] if itemsize(vec) * vec.count == 64 else []
        limit = self.like(bound).value
        of_smaller_size = INT32(0b0010)  # with the sign of the first
        values = (self.value, limit, of_smaller_size, self.value, every, *as_usual)
        return self._avx512("mask.range", *values)

    def estimated_reciprocal(self) -> Number | None:
        """Return ``1 / self`` of float32 but for 2**-14 of it, in one instruction, or None."""
        if not self.has_avx512 or itemsize(self.value.type) != 4:
            return None
        every = ir.IntType(max(8, self.value.type.count))(-1)
        return self._avx512("rcp14", self.value, self.value, every)

    def chosen_from(self, table: Sequence[float]) -> Number:
        """Return the numbers of a table of 16 that the low bits of the lanes count to.

        A permutation takes its index from those bits. It fills 512 bits: shorter registers
        are lengthened, and what is beyond them is thrown away.
        """
        builder, words = self.builder, self.words
        small = itemsize(self.value.type) == 4
        lanes = 16 if small else 8
        index = self.bits()
        spread = [*range(words.count), *[0] * (lanes - words.count)]
        index = builder.shuffle_vector(index, index, lane_numbers(spread))
        vec = ir.VectorType(self.value.type.element, lanes)
        if small:
            name = "llvm.x86.avx512.permvar.sf.512"
            chosen = call(builder, name, vec, ir.Constant(vec, list(table)), index)
        else:
            name = "llvm.x86.avx512.vpermi2var.pd.512"
            low, high = (ir.Constant(vec, list(part)) for part in (table[:8], table[8:]))
            chosen = call(builder, name, vec, low, index, high)
        first = lane_numbers(list(range(words.count)))
        return self.like(builder.shuffle_vector(chosen, chosen, first))
