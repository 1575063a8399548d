"""Counts of what the interpreter adds: instructions of a loop, and bytes of boxes."""

import sys

import numpy as np
import pytest

from accel.findings import interpreted
from accel.kernels import kernel


def nested(rows, columns):
    total = 0
    for i in range(rows):
        total += i
        for j in range(columns):
            total = total + i * j
        total -= 1
    return total


def flat(n):
    while n > 0:
        n = n - 1
    return n


def straight(x):
    return x + 1


def operators(function):
    return [each.argrepr for each in interpreted.arithmetic_of(interpreted.inner_loop(function))]


def test_the_most_deeply_nested_loop_is_counted_and_nothing_around_it():
    assert sorted(operators(nested)) == ["*", "+"]


def test_a_while_loop_is_a_loop():
    assert operators(flat) == ["-"]


def test_of_loops_equally_deep_the_first_is_taken():
    def two(n):
        for i in range(n):
            n = n * i
        for i in range(n):
            n = n - i

    assert operators(two) == ["*"]


def test_a_loop_ends_with_the_jump_back_to_its_head():
    loop = interpreted.inner_loop(nested)
    assert "JUMP" in loop[-1].opname
    assert loop[-1].argval == loop[0].offset


def test_the_loop_over_lists_multiplies_and_adds_once():
    assert operators(kernel("matmul", "lists").function) == ["*", "+="]


def test_a_function_without_a_loop_is_refused_by_name():
    with pytest.raises(ValueError, match="straight has no loop"):
        interpreted.inner_loop(straight)


def test_what_has_no_bytecode_is_refused():
    with pytest.raises(TypeError):
        interpreted.inner_loop(len)


def test_the_sentence_gives_both_counts_and_the_operators():
    text = interpreted.bytecode_sentence(nested, "nested")
    loop = interpreted.inner_loop(nested)
    assert f"inner loop of `nested` is {len(loop)} bytecode instructions. 2 of them are" in text
    assert "`*`" in text and "`+`" in text
    assert "1 of them is arithmetic: `-`" in interpreted.bytecode_sentence(flat, "flat")


def test_a_loop_without_arithmetic_is_told_as_such():
    def idle(things):
        for thing in things:
            thing()

    assert "0 of them are arithmetic: none" in interpreted.bytecode_sentence(idle, "idle")


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8), ("int8", 1)])
def test_an_array_takes_the_bytes_of_its_type(dtype, size):
    assert interpreted.bytes_per_element(np.zeros(100, dtype)) == size


def test_a_list_takes_a_reference_and_an_object_for_each_number():
    numbers = [float(i) for i in range(100)]
    expected = (sys.getsizeof(numbers) + 100 * sys.getsizeof(1.5)) / 100
    assert interpreted.bytes_per_element(numbers) == expected


def test_an_object_held_twice_is_counted_once():
    number = 1.5
    twice = [number, number]
    assert interpreted.bytes_per_element(twice) == (sys.getsizeof(twice) + sys.getsizeof(1.5)) / 2


@pytest.mark.parametrize("empty", [[], np.zeros(0)])
def test_nothing_has_no_bytes_per_element(empty):
    with pytest.raises(ValueError, match="at least one element"):
        interpreted.bytes_per_element(empty)


def test_boxes_are_compared_with_the_array_they_came_from():
    narrow = interpreted.boxes_sentence(np.arange(1000, dtype="float32") + 0.5)
    wide = interpreted.boxes_sentence(np.arange(1000, dtype="float64") + 0.5)
    assert "1,000 numbers take 4.00 bytes each as `float32`" in narrow
    assert "take 8.00 bytes each as `float64`" in wide
    assert f"object of {sys.getsizeof(1.5)} bytes" in narrow
