"""What is worth choosing follows from both numbers, and from neither alone."""

import math

import pytest
import synthetic

from accel.findings import tradeoff
from accel.timing.records import CaseView


def view(stable=True, **times):
    raw = synthetic.case(times, operation="sum", flops=1000, jitter=0.002, n=1000)
    if not stable:
        raw |= {"stable": False, "reasons": ["stolen time"]}
    return CaseView(raw)


def test_models_of_rounding_lose_a_digit_for_each_tenfold_at_worst():
    million, ten_million = (tradeoff.rounding_table(n, "float32").rows for n in (10**6, 10**7))
    assert float(million[0][1]) - float(ten_million[0][1]) == pytest.approx(1.0, abs=0.1)
    assert million[0][1:] == ("1.2", "4.2")
    assert million[2] == ten_million[2]
    assert float(tradeoff.rounding_table(10**6, "float64").rows[0][1]) > 9


@pytest.mark.parametrize(
    ("digits", "best"),
    [
        ({"fast": 4.0, "slow": 7.0}, ["fast", "slow"]),
        ({"fast": 7.0, "slow": 4.0}, ["fast"]),
        ({"fast": 6.9, "slow": 7.0}, ["fast"]),
        ({"fast": 7.0, "slow": math.inf}, ["fast", "slow"]),
    ],
)
def test_a_kernel_is_beaten_by_one_that_is_as_good_in_both(digits, best):
    assert tradeoff.front(view(fast=1e6, slow=2e6), digits) == best


def test_of_two_that_take_the_same_time_the_more_exact_is_left():
    case = view(one=1e6, other=1.0001e6)
    assert tradeoff.front(case, {"one": 4.0, "other": 7.0}) == ["other"]
    assert set(tradeoff.front(case, {"one": 6.9, "other": 7.0})) == {"one", "other"}


def test_the_sentence_names_the_front_and_the_beaten():
    case = view(fast=1e6, middle=2e6, slow=3e6)
    sentence = tradeoff.front_sentence(case, {"fast": 4.0, "middle": 3.0, "slow": math.inf})
    assert "`fast` (1.00\xa0ms, 4.0 digits) and `slow` (3.00\xa0ms, exact)" in sentence
    assert "`middle` loses in both" in sentence
    alone = tradeoff.front_sentence(case, {"fast": 7.0, "middle": 3.0, "slow": 5.0})
    assert "at once the fastest and the most exact" in alone


def test_an_unstable_run_chooses_nothing():
    case = view(stable=False, fast=1e6, slow=2e6)
    assert "unstable" in tradeoff.front_sentence(case, {"fast": 4.0, "slow": 7.0})


def test_the_table_has_a_row_for_each_step():
    table = tradeoff.digits_table(view(fast=1e6, slow=2e6), {"fast": 7.0, "slow": 4.0})
    assert [row[2:4] for row in table.rows] == [["7.0 digits", "yes"], ["4.0 digits", "no"]]


@pytest.mark.parametrize(
    ("peaks", "words"),
    [
        ((10**5, 16 * 10**5), "16.0× as much for 4.00× the length: with the square"),
        ((10**5, 4 * 10**5), "in proportion to the length"),
        ((10**5, 8 * 10**5), "with its power 1.50"),
        ((10**5, 10**5), "hardly more"),
        ((500, 900), "no more than 900 bytes beside its arguments"),
        ((0, 10**5), "holds 0 bytes at n = 512"),
    ],
)
def test_growth_of_memory_is_named_by_what_was_held(peaks, words):
    sentence = tradeoff.memory_sentence("mine", (512, 2048), peaks, (10**5, 4 * 10**5))
    assert words in sentence
