"""Digits in words: who loses, who gains, who does neither."""

import math

import pytest

from accel.findings import digits


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (
            {"old": 6.0, "new": 3.5, "best": 6.6, "same": 5.8},
            "Right digits in the worst element: 6.0 by `old`, 3.5 by `new`, 6.6 by `best` and 5.8 "
            "by `same`. Fewer than `old`: `new` by 2.5. More than `old`: `best` by 0.6.",
        ),
        (
            {"old": 3.5, "new": 6.0},
            "Right digits in the worst element: 3.5 by `old` and 6.0 by `new`. More than `old`: "
            "`new` by 2.5.",
        ),
        (
            {"old": 6.0, "new": 5.9},
            "Right digits in the worst element: 6.0 by `old` and 5.9 by `new`. None differs "
            "notably from `old`.",
        ),
        (
            {"old": math.inf, "new": math.inf, "bad": 2.0},
            "Right digits in the worst element: all by `old`, all by `new` and 2.0 by `bad`. Fewer "
            "than `old`: `bad` by all.",
        ),
    ],
)
def test_digits_are_told_and_compared(kept, expected):
    assert digits.sentence(kept, than="old") == expected


def test_the_kernel_compared_with_must_be_among_them():
    with pytest.raises(KeyError, match="oldest"):
        digits.sentence({"old": 1.0}, than="oldest")
