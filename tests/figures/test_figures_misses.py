"""The figure of misses: words from the runs, one picture for each page it may stand on."""

import re
from base64 import b64decode

import pytest

from accel.figures import FigureError, look
from accel.figures.misses import describe_misses, misses
from accel.findings.misses import Run
from accel.timing.counting.cache_model import Cache, LevelCounts

CACHES = [Cache(128, 4, 16), Cache(2048, 8, 16)]


def made_up(kernel, first, second, forms=(None, None), caches=CACHES):
    """A run of 100 steps with these misses of `a` and `b`."""
    levels = [
        LevelCounts(cache, {"a": 900, "b": 900}, dict(zip("ab", counts, strict=True)), 0)
        for cache, counts in zip(caches, (first, second), strict=True)
    ]
    return Run(kernel, None, 100, levels, forms)


RUNS = [
    made_up("ijk", (25, 100), (1, 25), (1.25, None)),
    made_up("blocked", (3, 50), (1, 7), (None, 0.07)),
]


def test_the_words_are_those_of_the_runs():
    assert describe_misses(RUNS) == (
        "In 128\N{NO-BREAK SPACE}B: ijk 1.25 (published: 1.25) and blocked 0.530 misses per step. "
        "In 2\N{NO-BREAK SPACE}KiB: ijk 0.260 and blocked 0.0800 (published: 0.0700) misses per "
        "step."
    )
    swapped = describe_misses(RUNS[::-1])
    assert swapped.index("blocked 0.530") < swapped.index("ijk 1.25")


def test_it_shows_itself_in_both_palettes_and_widths_with_words_and_sizes():
    shown = misses(RUNS, alt="Misses <of> each kernel.")
    page = shown._repr_html_()
    addresses = re.findall(r'(?:src|srcset)="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(set(addresses)) == len(look.LOOKS) == 4
    for address in addresses:
        text = b64decode(address).decode()
        assert "ijk" in text and "blocked" in text and "<dc:date>" not in text
    assert page.count('class="only-light"') == page.count('class="only-dark"') == 2
    assert page.count("width=") == page.count("height=") == 4
    assert page.count('alt="Misses &lt;of&gt; each kernel. In 128') == 2
    assert str(shown).startswith("Misses <of> each kernel. In 128")


def test_the_same_runs_give_the_same_picture_again():
    assert misses(RUNS, alt="x")._repr_html_() == misses(RUNS, alt="x")._repr_html_()


@pytest.mark.parametrize(
    ("runs", "alt", "said"),
    [
        ([], "x", "no runs to show"),
        (RUNS, " ", "has no alt text"),
        ([RUNS[0], made_up("ikj", (1, 1), (1, 1), caches=CACHES[::-1])], "x", "the same caches"),
    ],
)
def test_what_cannot_be_drawn_is_named(runs, alt, said):
    with pytest.raises(FigureError, match=said):
        misses(runs, alt=alt)
