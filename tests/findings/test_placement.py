"""Sentences on where an answer is put follow the record, also the contrary one."""

import pytest
import synthetic

from accel.findings import placement
from accel.timing.records import CaseView, Record

PLACES = ("fresh", "out", "in_place")


def case(n=10**6, faults=(0, 0, 0), stable=True, **times):
    times = {"fresh": 4e6, "out": 2e6, "in_place": 1e6, **times}
    raw = synthetic.case(
        times, operation="larger", flops=n, jitter=0.002, baseline="fresh", n=n
    )
    raw["compulsory_bytes"] = 12 * n
    for name, seen in zip(PLACES, faults, strict=True):
        raw["kernels"][name]["memory"] = {"minor_faults": seen}
    if not stable:
        raw |= {"stable": False, "reasons": ["stolen time"]}
    return raw


def record(*cases):
    return Record(synthetic.record("in_place.larger", list(cases)))


def test_the_prediction_is_the_ratio_of_what_travels():
    assert placement.predicted_ratio("in_place") == pytest.approx(5 / 3)
    assert placement.predicted_ratio("out", over="in_place") == pytest.approx(3 / 4)
    assert "1.67 times" in placement.prediction_sentence()


def test_the_table_has_pages_and_verdicts():
    table = placement.fault_table(record(case(faults=(2930, 0, None))), PLACES)
    assert table.rows[0][2:5] == ["2,930", "0", "–"]
    assert table.rows[0][5].endswith(", faster") and "4.0" in table.rows[0][6]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([(0, 0, 0), (5000, 0, 0)], "at n = 2,000,000. At the other sizes the allocator"),
        ([(900, 0, 0), (5000, 0, 0)], "at n = 1,000,000 and 2,000,000."),
        ([(3, 0, 0), (2, 0, 0)], "No call of `fresh` had more than a few pages made"),
        ([(None, None, None), (2, 0, 0)], "does not tell"),
    ],
)
def test_pages_are_said_to_be_made_only_where_they_were(faults, words):
    cases = [case(n, seen) for n, seen in zip((10**6, 2 * 10**6), faults, strict=True)]
    assert words in placement.faults_sentence(record(*cases))


@pytest.mark.parametrize(
    ("in_place", "words"),
    [
        (1e6, "work of the operating system"),
        (4e6 * 3 / 5, "within"),
        (4e6, "did not travel, or did not cost"),
    ],
)
def test_the_count_is_judged_by_what_was_measured(in_place, words):
    view = CaseView(case(in_place=in_place))
    assert words in placement.prediction_verdict(view, "in_place")


def test_an_unstable_run_judges_nothing():
    view = CaseView(case(stable=False))
    assert "Not judged" in placement.prediction_verdict(view, "in_place")
