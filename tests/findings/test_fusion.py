"""Sentences on passes say what was counted and what was timed, also when they disagree."""

import numpy as np
import pytest
import synthetic

from accel.findings import fusion
from accel.timing.records import CaseView

COUNTED = {"eager": (20.0, 8), "fused": (2.0, 0)}


def view(stable=True, **times):
    raw = synthetic.case(times, operation="gelu", flops=8000, jitter=0.002, n=1000)
    if not stable:
        raw |= {"stable": False, "reasons": ["stolen time"]}
    return CaseView(raw)


def two_passes(x, out):
    np.multiply(x, x, out=out)
    out += 1


def with_a_temporary(x, out):
    np.add(x * x, 1, out=out)


def test_accesses_are_counted_per_result():
    arguments = np.ones(10), np.empty(10)
    assert fusion.accesses(two_passes, arguments, 10) == (5.0, 0)
    assert fusion.accesses(with_a_temporary, arguments, 10) == (5.0, 1)


def test_the_table_leaves_blank_what_was_not_counted():
    table = fusion.passes_table(view(vector=1e5, fused=2e5, eager=2e6), COUNTED, 1000)
    rows = {row[0]: row for row in table.rows}
    assert rows["`vector`"][1:3] == ["–", "–"] and rows["`vector`"][4] == "–"
    assert rows["`fused`"][1:3] == ["2.00", "0"]
    assert rows["`eager`"][3] == "2.00\xa0µs" and rows["`eager`"][4] == "100\xa0ns"


@pytest.mark.parametrize(
    ("fused", "words"),
    [
        (2e5, "the passes explain it"),
        (5e4, "more than the passes explain"),
        (1e6, "less than the passes promise"),
        (4e6, "a loss"),
    ],
)
def test_passes_are_given_credit_only_where_they_explain(fused, words):
    sentence = fusion.passes_sentence(view(fused=fused, eager=2e6), "fused", "eager", COUNTED)
    assert words in sentence and "10.0 times fewer" in sentence


def test_an_unstable_run_explains_nothing():
    case = view(stable=False, fused=2e5, eager=2e6)
    assert "Not judged" in fusion.passes_sentence(case, "fused", "eager", COUNTED)


@pytest.mark.parametrize(
    ("chunked_256", "chunked_4096", "words"),
    [
        (4e6, 1e6, "chunks of 4,096 elements, the best of those tried, `numpy_out` runs 2.0"),
        (4e6, 2.001e6, "gains nothing that is resolved"),
        (4e6, 1e6, "the calls cost more than the passes"),
        (1.5e6, 1e6, "Chunks of 256 are not slower"),
    ],
)
def test_chunks_are_judged_against_the_whole(chunked_256, chunked_4096, words):
    case = view(chunked_256=chunked_256, chunked_4096=chunked_4096, numpy_out=2e6)
    assert words in fusion.chunk_sentence(case, "numpy_out")


def test_an_unstable_sweep_has_no_best_chunk():
    case = view(stable=False, chunked_256=1e6, numpy_out=2e6)
    assert "is not judged" in fusion.chunk_sentence(case, "numpy_out")
