"""Counts and misses in words: right, and contrary where the data are contrary."""

from dataclasses import replace

import numpy as np
import pytest

from accel.findings import misses
from accel.findings.misses import Run
from accel.kernels import kernel, operation
from accel.timing.cost import Cost
from accel.timing.counting import CountError
from accel.timing.counting.cache_model import Cache, LevelCounts, blocked_misses, loop_order_misses

N, BLOCK, PER_LINE = 36, 4, 4
CACHES = [Cache(128, 4, 16), Cache(2048, 8, 16)]
DECLARED = Cost(2 * N**3, 12 * N**2, "products")
FORMS = {
    "ijk": (sum(loop_order_misses("ijk", PER_LINE).values()), None),
    "ikj": (sum(loop_order_misses("ikj", PER_LINE).values()), None),
    "blocked": (None, blocked_misses(N, BLOCK, N, PER_LINE) / N**3),
}


@pytest.fixture(scope="module")
def runs():
    """The runs of the chapter."""
    return [
        misses.run(
            step,
            kernel("matmul", step).function,
            (*operation("matmul").inputs(n=N), *([BLOCK] if step == "blocked" else [])),
            steps=N**3,
            caches=CACHES,
            forms=forms,
        )
        for step, forms in FORMS.items()
    ]


def made_up(kernel_name, *levels, forms=None):
    """A run with these misses of `a` per 100 steps in each level."""
    caches = [
        LevelCounts(Cache(128 * 8**at, 4, 16), {"a": 500}, {"a": number}, 0)
        for at, number in enumerate(levels)
    ]
    return Run(kernel_name, None, 100, caches, forms or (None,) * len(levels))


def test_the_model_misses_what_the_forms_say_and_what_they_leave_out_exactly(runs):
    """Once per run of the innermost loop: what it does not move. And `out` is cleared."""
    ijk, ikj, blocked = runs
    once, cleared = N**2, N**2 // PER_LINE
    assert ijk.levels[0].total_misses == FORMS["ijk"][0] * N**3 + once
    assert ikj.levels[0].total_misses == FORMS["ikj"][0] * N**3 + once + cleared
    assert blocked.levels[1].total_misses == round(FORMS["blocked"][1] * N**3) + cleared


def test_what_the_chapter_says_of_its_own_runs_is_so(runs):
    ijk, ikj, blocked = runs
    # The smallest cache cannot hold a column's worth of lines; the larger one can.
    assert ijk.misses(0, "b") == 1.0
    assert ijk.misses(1, "b") == pytest.approx(0.25)
    # In the small cache blocks gain nothing; in the larger one `b` is fetched once.
    assert blocked.misses(0) == ikj.misses(0)
    assert blocked.levels[1].misses["b"] == N**2 / PER_LINE
    assert ikj.misses(1, "b") == pytest.approx(0.25)


def test_what_is_declared_is_what_is_counted(runs):
    said = misses.declared_sentence(runs, DECLARED)
    assert said.startswith(
        "`ijk`, `ikj` and `blocked` execute exactly the 93,312 declared FLOPs and touch exactly "
        "the 15,552 declared bytes."
    )
    assert "24.3–36.7 times" in said


@pytest.mark.parametrize(
    ("flops", "nbytes", "parts"),
    [
        (2 * N**3 - 1, 12 * N**2, ["`ijk` executes 93,312 FLOPs, not 93,311"]),
        (2 * N**3, 8 * N**2, ["`blocked` touches 15,552 bytes, not 10,368"]),
        (1, 1, ["`ikj` executes 93,312 FLOPs, not 1;", "`ikj` touches 15,552 bytes, not 1;"]),
    ],
)
def test_a_wrong_declaration_is_said_to_be_wrong(runs, flops, nbytes, parts):
    said = misses.declared_sentence(runs, Cost(flops, nbytes))
    assert said.startswith("Declared and counted disagree: ")
    assert all(part in said for part in parts)
    assert "exactly" not in said


def test_counts_stand_above_what_is_declared(runs):
    table = misses.counts_table(runs, DECLARED)
    assert table.headers[:5] == ["Kernel", "Reads of `a`", "Reads of `b`", "Reads of `out`",
                                 "Writes of `out`"]  # fmt: skip
    assert table.rows[0] == ["`ijk`", "46,656", "46,656", "0", "1,296", "93,312", "15,552"]
    assert table.rows[-1] == ["declared", "–", "–", "–", "–", "93,312", "15,552"]


def test_misses_stand_by_level_beside_the_forms(runs):
    table = misses.misses_table(runs)
    assert table.rows[0] == ["`ijk`", "128\N{NO-BREAK SPACE}B", "0.250", "1.00", "0.0278", "1.28",
                             "1.25"]  # fmt: skip
    assert [row[-1] for row in table.rows] == ["1.25", "0.500", "–", "–", "–", "0.0764"]
    assert all(len(row) == len(table.headers) for row in table.rows)


def test_agreement_with_the_forms_is_chosen_by_the_numbers(runs):
    assert misses.forms_sentence(runs) == (
        "The model agrees with all 3 published forms within 9.09 %."
    )
    assert misses.forms_sentence([made_up("x", 50, forms=(0.5,))]) == (
        "The model agrees with the published form within 0 %."
    )
    assert misses.forms_sentence([made_up("x", 50, 20, forms=(0.25, 0.2))]) == (
        "The model departs from what was published: `x` in the first level by +100 %."
    )
    off = misses.forms_sentence([made_up("x", 50, 20, forms=(1.0, 0.1))])
    assert "`x` in the first level by -50 % and `x` in the second level by +100 %" in off


def test_a_comparison_says_less_more_or_as_often_level_by_level():
    runs = [made_up("old", 100, 40, 40), made_up("new", 50, 80, 41)]
    assert misses.compare_sentence(runs, "new", over="old") == (
        "Compared with `old`, `new` misses 2.00 times less often in the first level (0.500 per "
        "step), 2.00 times more often in the second level (0.800 per step) and about as often in "
        "the third level (0.410 per step)."
    )
    assert "2.00 times more often in the first" in misses.compare_sentence(runs, "old", "new")


def test_levels_that_miss_nothing_can_be_compared():
    runs = [made_up("old", 0), made_up("new", 0)]
    assert "about as often" in misses.compare_sentence(runs, "new", over="old")


def test_an_unknown_kernel_is_named():
    with pytest.raises(KeyError, match="no kernel 'kji'; there are ijk"):
        misses.compare_sentence([made_up("ijk", 1)], "kji", over="ijk")


def test_traffic_counts_both_ways(runs):
    said = misses.traffic_sentence(runs, DECLARED)
    level = runs[2].levels[1]
    times = 16 * (level.total_misses + level.write_backs) / DECLARED.compulsory_bytes
    assert f"and {times:.2f} times by `blocked`." in said
    unchanged = replace(runs[0], levels=[replace(level, write_backs=0)])
    assert f"{16 * level.total_misses / DECLARED.compulsory_bytes:.2f} times" in (
        misses.traffic_sentence([unchanged], DECLARED)
    )


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(1, "1 B"), (128, "128 B"), (1536, "1536 B"), (2048, "2 KiB"), (2**20, "1 MiB")],
)
def test_sizes_are_in_the_unit_of_caches(nbytes, text):
    assert misses.size(nbytes) == text.replace(" ", "\N{NO-BREAK SPACE}")


def look(x):
    return x[0]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"forms": []}, ValueError, "x: expected a form or None for each of 2 caches, got 0"),
        ({"forms": [1.0, 0.0]}, ValueError, r"x: expected forms above 0, got \[1.0, 0.0\]"),
        ({"steps": 0}, ValueError, "x: expected at least one step .* got 0"),
        ({"arguments": ([1],)}, CountError, "argument x is a list"),
    ],
)
def test_bad_input_is_named(changes, error, said):
    given = {"arguments": (np.ones(2),), "steps": 1, "caches": CACHES, "forms": (None, None)}
    given |= changes
    with pytest.raises(error, match=said):
        misses.run("x", look, given.pop("arguments"), **given)


def test_no_forms_make_no_sentence():
    with pytest.raises(ValueError, match="none of these runs has a published form"):
        misses.forms_sentence([made_up("x", 1)])
