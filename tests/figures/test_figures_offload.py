"""The figure of breaking even names every operation, and its words have the gains."""

import pytest
import synthetic
from drawings import only, text_of

from accel.figures import FigureError
from accel.figures.look import LIGHT, Look
from accel.figures.offload import break_even, describe_break_even
from accel.findings.offload import Device
from accel.timing.records import Record

DEVICE = Device("Imaginary 10", "an imaginary sheet", 10_000, 1_000, 10, 1_000)


def record(stable=True, fast=1.0):
    cases = []
    for operation, flops in (("gelu", 1), ("matmul", 200)):
        for n in (32, 256):
            moved = 12 * n * n
            time = fast * moved * flops / 100 + 500
            made = synthetic.case(
                {"vector": time}, operation=operation, flops=moved * flops, jitter=0.001, n=n
            )
            cases.append(made if stable else made | {"stable": False, "reasons": ["load"]})
    return Record(synthetic.record("offload.here", cases))


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("fast", [0.01, 1.0, 1000.0])
def test_every_operation_and_the_side_that_loses_are_named(collected, narrow, fast):
    break_even(record(fast=fast), DEVICE, alt="Gains.")
    text = text_of(only(collected).svg(Look(LIGHT, narrow)))
    assert {"gelu", "matmul", "loses", "1×"} <= set(text.split())
    assert "modelled" in text and "bytes moved" in text


def test_words_have_the_gain_of_each_operation_at_both_ends():
    words = describe_break_even(record(), DEVICE)
    assert "modelled Imaginary 10" in words
    assert "at n = 32" in words and "at n = 256" in words and "if data stay there" in words


def test_a_single_size_is_told_once(collected):
    lone = Record(synthetic.record("offload.here", record().data["cases"][:1]))
    assert describe_break_even(lone, DEVICE).count("n = 32") == 1
    break_even(lone, DEVICE, alt="Gains.")
    assert "gelu" in text_of(only(collected).svg(Look(LIGHT, False)))


def test_unstable_calls_are_drawn_and_said_to_be_so(collected):
    break_even(record(stable=False), DEVICE, alt="Gains.")
    picture = only(collected)
    assert "matmul" in text_of(picture.svg(Look(LIGHT, False)))
    assert picture.numbers.count(", unstable, at n = ") == 4
    assert "unstable" not in describe_break_even(record(), DEVICE)


def test_a_record_without_a_case_cannot_be_drawn():
    with pytest.raises(FigureError, match="there is no case"):
        break_even(Record(synthetic.record("offload.here", [])), DEVICE, alt="Gains.")


def test_words_for_those_who_cannot_see_are_compulsory(collected):
    with pytest.raises(FigureError, match="no alt text"):
        break_even(record(), DEVICE, alt=" ")
