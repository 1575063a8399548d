"""Overhead is a difference of neighbours, and unmodified code is judged with its losses."""

import pytest
import synthetic

from accel.findings import unmodified
from accel.timing.records import Record


def case(direct, auto, stable=True):
    """One call: how long it takes alone and through what wraps it, in ns."""
    made = synthetic.case(
        {"numpy": 1000, "numba": direct, "auto": auto}, baseline="numpy", jitter=0.001, n=4
    )
    return made if stable else made | {"stable": False, "reasons": ["stolen time"]}


def record(*cases):
    return Record(synthetic.record("dispatch.overhead", list(cases)))


def test_overhead_is_a_difference_of_neighbours():
    only = record(case(400, 900)).cases[0]
    added = unmodified.overhead_ns(only, "auto", "numba")
    assert added.value == pytest.approx(500, abs=5) and added.low <= added.value <= added.high
    assert unmodified.overhead_ns(only, "numba", "auto").value == pytest.approx(-500, abs=5)


@pytest.mark.parametrize(
    ("goal", "word"), [(600, "within"), (400, "above"), (None, "not told apart from")]
)
def test_overhead_is_held_against_its_goal(goal, word):
    only = record(case(400, 900)).cases[0]
    goal = unmodified.overhead_ns(only, "auto", "numba").value if goal is None else goal
    told = unmodified.overhead_sentence(only, "auto", "numba", goal, "A plan")
    assert told.startswith("A plan costs") and f"a call: {word} the goal" in told


def test_overhead_of_an_unstable_run_is_not_judged():
    only = record(case(400, 900, stable=False)).cases[0]
    told = unmodified.overhead_sentence(only, "auto", "numba", 500, "A plan")
    assert told == "A plan is not judged, the run was unstable: stolen time."


def test_the_table_of_overhead_says_what_each_call_adds():
    only = record(case(400, 900)).cases[0]
    steps = [("kernel", only, "numba", None), ("dispatch", only, "auto", "numba")]
    rows = unmodified.overhead_table(steps, "caption").rows
    assert rows[0][2] == "–" and rows[1][0] == "dispatch"
    assert rows[1][2].endswith("ns") and 490 < int(rows[1][2].split()[0]) < 510


# ---------------------------------------------------------------------------
# Unmodified code
# ---------------------------------------------------------------------------

NAMES = {"mlp": "MLP", "cnn_block": "CNN block", "plain_adam": "Adam step", "x": "X"}


def code_record(**speeds):
    """One case for each piece of code: its speed through `auto`."""
    cases = [
        synthetic.case(
            {"plain": 1e6, "auto": 1e6 / speed}, baseline="plain", operation=name, jitter=0.001, n=8
        )
        for name, speed in speeds.items()
    ]
    return Record(synthetic.record("dispatch.unmodified", cases))


def test_code_is_sorted_by_what_it_gains_losses_included():
    whole = code_record(mlp=3.0, cnn_block=0.5, plain_adam=1.2, x=1.0)
    told = unmodified.code_sentence(whole, "auto", NAMES)
    order = ("MLP 3.00×", "Adam step 1.20×", "X 1", "CNN block 0.5")
    places = [told.index(each) for each in order]
    assert places == sorted(places)
    assert "faster, as the goal is: MLP" in told
    assert "faster, less than the goal is: Adam step" in told
    assert "not resolved: X" in told and "slower: CNN block" in told


def test_the_table_of_code_marks_what_is_not_faster():
    rows = unmodified.code_table(code_record(mlp=3.0, cnn_block=0.5), ["auto"], NAMES).rows
    assert rows[0][0] == "MLP" and rows[0][2].endswith(")")
    assert rows[1][0] == "CNN block" and rows[1][2].endswith("slower")
