"""Across the lanes of a register: reductions, running sums, reorderings."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd.arithmetic import emit_add, emit_maximum, emit_minimum
from accel.simd.emitting import (
    INT32,
    lane_numbers,
    require_token,
    require_value,
    require_whole,
)
from accel.simd.types import RegisterType, Vector, llvm_vector, scalar_of


def shuffle(builder, x, y, lanes):
    """Emit a register of these lanes of `x`, and, counted on, of `y`."""
    return builder.shuffle_vector(x, y, lane_numbers(list(lanes)))


def _halves(builder, x):
    half = x.type.count // 2
    return shuffle(builder, x, x, range(half)), shuffle(builder, x, x, range(half, 2 * half))


def _fold(name: str, emit, x):
    """Return signature and code generator of a reduction: halves upon halves."""
    require_value(name, RegisterType, x)

    def generate(context, builder, sig, values):
        part = values[0]
        while part.type.count > 1:
            part = emit(builder, x.token, *_halves(builder, part))
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


@intrinsic
def scan_sum(context, x):
    """``scan_sum(x)``: in each lane the sum of the lanes up to it, itself included.

    log2(lanes) additions of a copy moved up by 1, 2, 4, … lanes: a running sum adds
    numbers in another order than a loop does. The last lane is the sum of all.
    """
    require_value("scan_sum", RegisterType, x)

    def generate(context, builder, sig, values):
        total = values[0]
        zero, lanes, step = ir.Constant(total.type, None), x.token.lanes, 1
        while step < lanes:
            moved = shuffle(builder, zero, total, range(lanes - step, 2 * lanes - step))
            total = emit_add(builder, x.token, total, moved)
            step *= 2
        return total

    return x(x), generate


@intrinsic
def lane_index(context, V):
    """``lane_index(V)``: the number of each lane, 0, 1, 2, …, in V's dtype."""
    require_token("lane_index", Vector, V)

    def generate(context, builder, sig, values):
        vec = llvm_vector(V.token)
        return ir.Constant(vec, [V.token.dtype.type(i).item() for i in range(vec.count)])

    return RegisterType(V.token)(V), generate


def _inside(builder, i, lanes: int):
    """Return the lane that a number means, counted modulo the number of lanes."""
    return builder.and_(i, ir.Constant(i.type, lanes - 1))


@intrinsic
def lane(context, x, i):
    """``lane(x, i)``: one lane, a scalar; `i` counts modulo the number of lanes."""
    require_value("lane", RegisterType, x)
    require_whole("lane", i)

    def generate(context, builder, sig, values):
        return builder.extract_element(values[0], _inside(builder, values[1], x.token.lanes))

    return scalar_of(x.token)(x, types.intp), generate


@intrinsic
def with_lane(context, x, i, scalar):
    """``with_lane(x, i, scalar)``: `x` with one lane replaced; `i` as for `lane`."""
    require_value("with_lane", RegisterType, x)
    require_whole("with_lane", i)

    def generate(context, builder, sig, values):
        value, i, scalar = values
        return builder.insert_element(value, scalar, _inside(builder, i, x.token.lanes))

    return x(x, types.intp, scalar_of(x.token)), generate


def _reordered(name: str, x, order):
    """Return signature and code generator of a fixed order of one register's lanes."""
    require_value(name, RegisterType, x)

    def generate(context, builder, sig, values):
        return shuffle(builder, values[0], values[0], order(x.token.lanes))

    return x(x), generate


@intrinsic
def reverse(context, x):
    """``reverse(x)``: the lanes in reverse order."""
    return _reordered("reverse", x, lambda lanes: reversed(range(lanes)))


@intrinsic(prefer_literal=True)
def rotate(context, x, steps):
    """``rotate(x, steps)``: lane ``i + steps`` of `x`, around the end, in each lane i.

    `steps` is a constant: ``rotate(x, 1)`` brings lane 1 to lane 0.
    """
    if not isinstance(steps, types.IntegerLiteral):
        raise TypingError(f"rotate: expected a constant number of steps, got {steps}")
    by = steps.literal_value

    _, generate = _reordered("rotate", x, lambda lanes: ((i + by) % lanes for i in range(lanes)))
    return x(x, steps), generate


def _tuple_of_registers(name: str, registers) -> RegisterType:
    """Refuse anything but a tuple of 2 to 8 registers of one type."""
    good = isinstance(registers, types.UniTuple) and isinstance(registers.dtype, RegisterType)
    if not good or not 2 <= registers.count <= 8:
        raise TypingError(
            f"{name}: expected a tuple of 2 to 8 registers of one type, got {registers}"
        )
    return registers.dtype


def _shuffled_tuple(name: str, registers, place):
    """Return signature and code generator of a new order over several registers.

    ``place(at, lanes, count)`` says which element, counted over all registers, comes to
    place `at`.
    """
    lanes, count = _tuple_of_registers(name, registers).token.lanes, registers.count

    def generate(context, builder, sig, values):
        given = [builder.extract_value(values[0], at) for at in range(count)]
        wanted = [place(at, lanes, count) for at in range(lanes * count)]
        made = [
            _collect(builder, given, wanted[at : at + lanes])
            for at in range(0, lanes * count, lanes)
        ]
        return context.make_tuple(builder, sig.return_type, made)

    return registers(registers), generate


def _collect(builder, registers, elements):
    """Emit a register of elements of several, which join it one after the other."""
    lanes = len(elements)
    used = sorted({element // lanes for element in elements})
    result, order = registers[used[0]], [element % lanes for element in elements]
    if len(used) == 1:
        return shuffle(builder, result, result, order)
    for turn, number in enumerate(used[1:]):
        for at, element in enumerate(elements):
            if element // lanes == number:
                order[at] = lanes + element % lanes
            elif turn:
                order[at] = at
        result = shuffle(builder, result, registers[number], order)
    return result


@intrinsic
def interleave(context, registers):
    """``interleave((x, y, …))``: first lanes, second lanes, …, as a tuple of as many registers.

    ``interleave((r, g, b))`` turns planes into pixels: ``r0 g0 b0 r1 g1 b1 …``, to be
    stored one register after the other. From 2 to 8 registers.
    """
    return _shuffled_tuple(
        "interleave",
        registers,
        lambda at, lanes, count: at % count * lanes + at // count,
    )


@intrinsic
def deinterleave(context, registers):
    """``deinterleave((x, y, …))``: what `interleave` did, undone: pixels into planes."""
    return _shuffled_tuple(
        "deinterleave",
        registers,
        lambda at, lanes, count: at % lanes * count + at // lanes,
    )


@intrinsic
def join(context, x, y):
    """``join(x, y)``: one register with the lanes of `x`, then those of `y`."""
    require_value("join", RegisterType, x)
    if x != y or x.token.lanes > 32:
        raise TypingError(f"join: expected two registers of one type, up to 32 lanes, got {x}, {y}")
    twice = RegisterType(Vector(x.token.dtype, 2 * x.token.lanes))

    def generate(context, builder, sig, values):
        return shuffle(builder, *values, range(2 * x.token.lanes))

    return twice(x, y), generate


@intrinsic
def halves(context, x):
    """``halves(x)``: a tuple of two registers, the lower half of the lanes and the upper."""
    require_value("halves", RegisterType, x)
    if x.token.lanes < 4:
        raise TypingError(f"halves: expected a register of at least 4 lanes, got {x}")
    half = RegisterType(Vector(x.token.dtype, x.token.lanes // 2))
    both = types.UniTuple(half, 2)

    def generate(context, builder, sig, values):
        return context.make_tuple(builder, both, _halves(builder, values[0]))

    return both(x), generate
