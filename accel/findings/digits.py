"""Right digits in words: which algorithm loses some, and how many."""

from __future__ import annotations

import math
from collections.abc import Mapping

from accel.timing import words
from accel.timing.report import Sentence, code

#: Differences below this are not worth a word: a factor of two in the error is 0.3.
NOTABLE = 0.5


def sentence(kept: Mapping[str, float], than: str) -> Sentence:
    """Say how many digits each kernel gets right, and who loses or gains against one of them.

    Parameters
    ----------
    kept : mapping
        Kernel to right digits of its worst element.
    than : str
        The kernel that the others are compared with.

    Raises
    ------
    KeyError
        If `than` is not among them.
    """
    listed = words.listed(f"{_digits(value)} by {code(name)}" for name, value in kept.items())
    parts = [f"Right digits in the worst element: {listed}."]
    for word, sign in (("Fewer", -1), ("More", 1)):
        gaps = {name: sign * (value - kept[than]) for name, value in kept.items() if name != than}
        notable = [f"{code(n)} by {_digits(gap)}" for n, gap in gaps.items() if gap >= NOTABLE]
        if notable:
            parts.append(f"{word} than {code(than)}: {words.listed(notable)}.")
    if len(parts) == 1:
        parts.append(f"None differs notably from {code(than)}.")
    return Sentence(" ".join(parts))


def _digits(value: float) -> str:
    return "all" if math.isinf(value) else f"{value:.1f}"
