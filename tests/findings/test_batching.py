"""Sentences on batches weigh throughput and waiting as the record has them."""

import pytest
import synthetic

from accel.findings import batching
from accel.timing.records import Record


def record(times, stable=True):
    """One case per batch: how long a call takes, in ns."""
    cases = [
        synthetic.case({"tiled": time}, flops=1000 * m, jitter=0.001, m=m, n=64)
        for m, time in times.items()
    ]
    if not stable:
        cases[-1] |= {"stable": False, "reasons": ["stolen time"]}
    return Record(synthetic.record("gather.batch", cases))


def test_throughput_is_requests_over_time():
    case = record({10: 1e6}).cases[0]
    assert batching.per_second(case, "tiled").value == pytest.approx(10_000, rel=0.01)


def test_batches_come_in_order_whatever_the_record():
    cases = batching.batches(record({8: 1e6, 1: 1e6}), "tiled")
    assert [case.parameters["m"] for case in cases] == [1, 8]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({1: 1e6, 8: 1e6, 64: 8e6}, "A batch of 8 answers 8.00× as many requests"),
        ({1: 1e6, 8: 1e6, 64: 8e6}, "Larger batches only make everybody wait longer"),
        ({1: 1e6, 8: 2e6}, "its answer comes after 2.0"),
        ({1: 1e6, 8: 2e6}, "no larger one was tried"),
        ({1: 1e6, 8: 8e6}, "waiting for company gains nothing"),
    ],
)
def test_the_knee_is_where_throughput_stops_growing(times, words):
    assert words in batching.batch_sentence(record(times), "tiled")


def test_an_unstable_batch_is_not_judged():
    assert "stolen time" in batching.batch_sentence(record({1: 1e6, 8: 2e6}, stable=False), "tiled")


def test_the_table_has_a_row_for_each_batch():
    rows = batching.batch_table(record({1: 1e6, 8: 2e6}), "tiled").rows
    assert [row[0] for row in rows] == ["1", "8"] and rows[1][3].startswith("250")
