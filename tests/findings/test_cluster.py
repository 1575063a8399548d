"""The cost model finds what times were made of, and sentences say what the record has."""

import math

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.findings import cluster
from accel.findings.cluster import Fit, Link, Model, Work
from accel.timing.records import Record

TRUE = Model(round_ns=4e6, byte_ns=0.8, flop_ns=0.01)

WORKS = [
    Work(rounds, moved, flops, workers)
    for rounds, moved, flops in ((1, 5e4, 5e5), (1, 1e7, 3e8), (3, 2e7, 2e10))
    for workers in (1, 2)
]


def work_of(m, k, n, workers, **_):
    """Rounds, bytes and FLOPs as a plain plan would have them."""
    return {
        "rounds": 1, "moved_bytes": 4 * (m * k + k * n + m * n), "flops": 2 * m * k * n,
        "workers": workers,
    }  # fmt: skip


def record(times, stable=True):
    """``{(rows, k, n, workers): ns}``, with half of that for the same cores alone."""
    cases = []
    for (rows, k, n, workers), time in times.items():
        case = synthetic.case(
            {"cluster": time, "tiled_threads": time / 2}, jitter=0.001, m=rows * workers, k=k, n=n,
            workers=workers, flops=2 * rows * workers * k * n,
        )  # fmt: skip
        cases.append(case)
    if not stable:
        cases[-1] |= {"stable": False, "reasons": ["stolen time"]}
    return Record(synthetic.record("beyond.cluster", cases))


def pair(one, two, stable=True):
    cases = record({(100, 64, 32, 1): one, (100, 64, 32, 2): two}, stable).cases
    return cluster.scaling_sentence(*cases, "cluster")


def test_the_fit_finds_the_costs_that_times_were_made_of():
    found = cluster.fit([(work, TRUE.time_ns(work)) for work in WORKS])
    assert found.worst < 1e-9
    assert found.model.round_ns == pytest.approx(TRUE.round_ns)
    assert found.model.byte_ns == pytest.approx(TRUE.byte_ns)
    assert found.model.flop_ns == pytest.approx(TRUE.flop_ns)


@given(st.lists(st.floats(-0.3, 0.3), min_size=len(WORKS), max_size=len(WORKS)))
def test_no_cost_is_negative_whatever_the_times(errors):
    points = [(w, TRUE.time_ns(w) * (1 + e)) for w, e in zip(WORKS, errors, strict=True)]
    found = cluster.fit(points)
    assert min(found.model.round_ns, found.model.byte_ns, found.model.flop_ns) >= 0
    for (work, time), miss in zip(points, found.misses, strict=True):
        assert found.model.time_ns(work) / time - 1 == pytest.approx(miss, abs=1e-9)


def test_calls_that_are_all_alike_cannot_tell_costs_apart():
    alike = [(Work(n, 100 * n, 1e6 * n, 1), 1e6 * n) for n in (1, 2, 3, 4)]
    with pytest.raises(ValueError, match="4 times cannot tell latency, transfer and arithmetic"):
        cluster.fit(alike)


def test_too_few_times_are_an_error():
    with pytest.raises(ValueError, match="2 times cannot tell"):
        cluster.fit([(work, 1e6) for work in WORKS[:2]])


def test_arithmetic_is_shared_among_workers_and_nothing_else_is():
    one, four = Work(2, 1e6, 8e9, 1), Work(2, 1e6, 8e9, 4)
    assert TRUE.parts_ns(one)["arithmetic"] == 4 * TRUE.parts_ns(four)["arithmetic"]
    assert TRUE.parts_ns(one)["bytes"] == TRUE.parts_ns(four)["bytes"]


def fit(worst=0.1, model=TRUE, unstable=0):
    return Fit(model, (0.0, -worst), unstable)


def test_the_fit_is_told_with_its_largest_miss():
    told = cluster.fit_sentence(fit(0.12))
    assert "4.00\xa0ms for a round, 1.25\xa0GB/s for bytes and 100\xa0GFLOP/s on each" in told
    assert "misses none of them by more than 12\xa0%" in told and "unstable" not in told


def test_a_fit_that_is_far_off_predicts_nothing():
    far = fit(0.7)
    assert "misses one of them by 70\xa0%: too much to predict" in cluster.fit_sentence(far)
    assert "too far off to say" in cluster.limit_sentence(WORKS, far)
    assert "too far off to be believed" in cluster.parts_table(WORKS, far).caption
    assert cluster.links(far, {"guess": Link(1, 1)}) == {"guess": Link(1, 1)}


def test_costs_that_the_fit_left_at_zero_are_said_to_be_none():
    told = cluster.fit_sentence(fit(model=Model(0.0, 0.0, 0.0)))
    assert "no time for bytes and no time for arithmetic" in told


def test_a_fit_to_unstable_times_says_so():
    shapes = (64, 64, 64), (900, 64, 900), (900, 900, 900)
    times = {
        (m, k, n, p): TRUE.time_ns(Work(**work_of(m * p, k, n, p)))
        for m, k, n in shapes
        for p in (1, 2)
    }
    found = cluster.fitted(record(times, stable=False), "cluster", work_of)
    assert found.unstable == 1 and found.worst < 0.02
    assert "Of those times 1 are unstable" in cluster.fit_sentence(found)


@pytest.mark.parametrize(
    ("one", "two", "verdict"),
    [
        (1e6, 1e6, "2 workers do 2.00× (1.99–2.01×) as much in the same time as one: it scales."),
        (1e6, 1.1e6, "it scales"),
        (1e6, 1.5e6, "it gains, but does not scale"),
        (1e6, 2.5e6, "one worker alone would have done as well"),
    ],
)
def test_weak_scaling_is_judged_by_the_time_it_takes(one, two, verdict):
    told = pair(one, two)
    assert verdict.rpartition(": ")[2] in told
    assert told.startswith("With 100 rows for each worker, times 64\xa0×\xa032, ")


def test_the_interval_of_scaling_has_room_for_both_ends():
    one, two = record({(100, 64, 32, 1): 1e6, (100, 64, 32, 2): 2e6}).cases
    kept = cluster.efficiency(one, two, "cluster")
    a, b = one.time_ns("cluster"), two.time_ns("cluster")
    assert kept[:3] == (a.value / b.value, a.low / b.high, a.high / b.low)
    assert kept.coverage == pytest.approx(a.coverage + b.coverage - 1)


def test_scaling_that_is_not_resolved_is_not_judged():
    cases = [
        synthetic.case(
            {"cluster": time, "tiled_threads": 1e5}, jitter=0.4, m=100 * p, k=8, n=8, workers=p,
            rounds=3,
        )
        | {"stable": True, "reasons": []}
        for p, time in ((1, 1e6), (2, 1.3e6))
    ]  # fmt: skip
    one, two = Record(synthetic.record("beyond.cluster", cases)).cases
    assert "not resolved" in cluster.scaling_sentence(one, two, "cluster")


def test_scaling_of_an_unstable_run_is_not_judged():
    assert "not judged, since unstable: stolen time" in pair(1e6, 1e6, stable=False)


def test_each_shape_has_its_sentence_and_its_rows():
    worse = {(10, 8, 8, 2): 3e6, (10, 8, 8, 1): 1e6}
    both = record(worse | {(20, 16, 16, workers): 1e6 for workers in (1, 2)})
    told = cluster.scaling_sentences(both, "cluster")
    assert ["would have done as well" in one for one in told] == [True, False]
    table = cluster.scaling_table(both, "cluster")
    assert [(row[0], row[1]) for row in table.rows] == [
        ("10 × 8\xa0×\xa08", "1"), ("10 × 8\xa0×\xa08", "2"),
        ("20 × 16\xa0×\xa016", "1"), ("20 × 16\xa0×\xa016", "2"),
    ]  # fmt: skip


def works(flops, moved):
    return [Work(1, moved * p, flops * p, p) for p in (1, 2, 4, 8)]


def test_the_limit_is_where_the_way_takes_longer_than_the_work():
    model = Model(0.0, 1.0, 1.0)
    assert "From 4 workers on" in cluster.limit_sentence(works(3e6, 1e6), fit(model=model))
    assert "Even with one worker" in cluster.limit_sentence(works(1e5, 1e6), fit(model=model))
    assert "Up to 8 workers" in cluster.limit_sentence(works(1e9, 1e6), fit(model=model))


def test_the_limit_names_the_larger_of_rounds_and_bytes():
    slow = cluster.limit_sentence(works(1e6, 1e6), fit(model=Model(1e9, 1.0, 1.0)))
    assert slow.endswith("most of it on rounds.")
    narrow = cluster.limit_sentence(works(1e6, 1e6), fit(model=Model(1.0, 10.0, 1.0)))
    assert narrow.endswith("most of it on bytes.")


def test_the_table_of_parts_keeps_what_weak_scaling_leaves():
    table = cluster.parts_table(works(1e6, 1e6), fit(model=Model(0.0, 1.0, 1.0)))
    assert [row[-1] for row in table.rows] == ["100\xa0%", "67\xa0%", "40\xa0%", "22\xa0%"]
    assert "nothing here was measured" in table.caption


def simulated(workers, size, link, steps):
    """Add up messages one by one; `steps` yields the bytes of each message on the longest way."""
    return sum(link.message_ns + sent * link.byte_ns for sent in steps(workers, size))


def ring_steps(workers, size):
    for _ in ("reduce", "gather"):
        for _ in range(workers - 1):
            yield size / workers


def tree_steps(workers, size):
    for _ in ("up", "down"):
        left = workers
        while left > 1:
            yield size
            left = -(-left // 2)


@given(st.integers(2, 300), st.floats(1, 1e9), st.floats(0, 1e6), st.floats(1e-3, 10))
def test_costs_are_those_of_the_messages_counted_one_by_one(workers, size, message, byte):
    link = Link(message, byte)
    assert cluster.ring_ns(workers, size, link) == pytest.approx(
        simulated(workers, size, link, ring_steps)
    )
    assert cluster.tree_ns(workers, size, link) == pytest.approx(
        simulated(workers, size, link, tree_steps)
    )


@given(st.integers(4, 300), st.floats(1, 1e6), st.floats(1e-3, 10))
def test_ring_and_tree_cost_the_same_where_they_cross(workers, message, byte):
    link = Link(message, byte)
    size = cluster.crossover_bytes(workers, link)
    ring, tree = (cost(workers, size, link) for cost in (cluster.ring_ns, cluster.tree_ns))
    assert math.isclose(ring, tree, rel_tol=1e-9)
    assert cluster.ring_ns(workers, 2 * size, link) < cluster.tree_ns(workers, 2 * size, link)


def test_two_workers_never_need_a_tree():
    assert cluster.crossover_bytes(2, Link(1000, 1)) == 0
    table = cluster.crossover_table([2, 16], {"net": Link(10_000, 0.1)})
    assert table.rows[0] == ["2", "always"] and table.rows[1][1].endswith("kB")


@pytest.mark.parametrize(("size", "why"), [(10, "messages are what costs"), (1e9, "about twice")])
def test_the_sentence_gives_the_reason_of_the_faster_one(size, why):
    assert why in cluster.allreduce_sentence(16, size, "a net", Link(10_000, 0.1))


def test_the_fitted_network_comes_before_the_guessed():
    guessed = {"guess": Link(1, 1)}
    assert list(cluster.links(fit(), guessed)) == ["the cluster of this page, fitted", "guess"]
    assert cluster.links(None, guessed) == guessed
    assert cluster.links(fit(model=Model(0.0, 1.0, 1.0)), guessed) == guessed


def test_what_was_not_measured_says_why():
    assert cluster.not_measured("no cluster") == "Not measured on this build: no cluster."
