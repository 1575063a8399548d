"""Numbers in words: digits, units, ranges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import words
from accel.timing.stats import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.01234, "0.0123"), (1, "1.00"), (9.996, "10.0"), (41.27, "41.3"),
        (99.96, "100"), (812.6, "813"), (999.6, "1,000"), (123_456, "123,000"), (-2.5, "-2.50"),
    ],
)  # fmt: skip
def test_three_significant_digits_and_never_an_exponent(value, text):
    assert words.number(value) == text


@given(st.floats(1e-9, 1e12))
def test_a_printed_number_is_within_half_a_unit_of_its_third_digit(value):
    printed = float(words.number(value).replace(",", ""))
    assert printed == pytest.approx(value, rel=5.01e-3)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0.5, "0.500 ns"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (2.5e6, "2.50 ms"),
        (9e10, "90.0 s"),
    ],
)
def test_durations_take_the_unit_that_fits_what_is_printed(time_ns, text):
    assert words.duration(time_ns).replace(words.NO_BREAK, " ") == text


@pytest.mark.parametrize(
    ("low", "high", "in_words", "text"),
    [
        (1.3, 1.35, words.factor, "1.30–1.35×"),
        (1.9e6, 2.1e6, words.duration, "1.90–2.10 ms"),
        (900, 1100, words.duration, "900 ns–1.10 µs"),
        (12, 14, words.gflops, "12.0–14.0 GFLOP/s"),
    ],
)
def test_a_range_has_its_unit_once_where_both_ends_share_it(low, high, in_words, text):
    assert words.span(low, high, in_words).replace(words.NO_BREAK, " ") == text


def test_a_value_stands_before_its_interval():
    assert (
        words.with_interval(Interval(1.32, 1.3, 1.35, 0.97), words.factor) == "1.32× (1.30–1.35×)"
    )


@pytest.mark.parametrize(
    ("items", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_items_are_listed_as_in_a_sentence(items, text):
    assert words.listed(items) == text


def test_a_claimed_range_gains_no_digits():
    assert words.claimed_range(2, 5) == "2–5×"
    assert words.claimed_range(1.5, 2) == "1.5–2×"
    assert words.claimed_range(2, math.inf) == "above 2×"
