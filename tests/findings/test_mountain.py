"""What is said of memory: every sentence, each with the data that call for it."""

import pytest
import synthetic
import synthetic_roofs

from accel.findings import mountain
from accel.timing.records import Record
from accel.timing.stats import Interval

ROOFS = synthetic_roofs.roofs()
LATENCY = Record(synthetic_roofs.latency())


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def chains(times_ns, **changes):
    """A record of chains at 128 MiB, by the time of a call."""
    times = {f"chains_{count}": 1e5 * time for count, time in times_ns.items()}
    case = synthetic.case(
        times, baseline="chains_1", operation="chase", footprint=2**27, steps=1000, jitter=0.002
    )
    return Record(synthetic.record("mountain.chains", [{**case, **changes}]))


def test_a_quotient_is_as_uncertain_as_both_its_parts_allow():
    ratio = mountain.quotient(Interval(8, 6, 10, 0.97), Interval(2, 1, 4, 0.9))
    assert ratio == Interval(4, 1.5, 10, 0.9)


def test_bandwidth_drops_from_the_smallest_to_the_largest_footprint():
    near, far, ratio = mountain.bandwidth_drop(ROOFS)
    assert (near, far) == (2**13, 2**27)
    assert ratio.value == pytest.approx(10, rel=0.02)


def test_the_prediction_states_the_model_and_its_numbers():
    sentence = plain(mountain.prediction_sentence(ROOFS))
    assert "Loads of 8 KiB run at" in sentence and "loads of 128 MiB at" in sentence
    assert "should take 10.0× as long" in sentence or "should take 9.9" in sentence


@pytest.mark.parametrize(
    ("predicted", "opening"),
    [
        (Interval(10, 9, 11, 0.97),
         "Bandwidth does not predict latency: an access far away takes 7"),
        (Interval(200, 190, 210, 0.97),
         "Bandwidth does not predict latency: an access far away takes only 7"),
        (Interval(75, 70, 80, 0.97), "Bandwidth may predict latency here: an access far away"),
    ],
)  # fmt: skip
def test_the_verdict_on_the_prediction_follows_from_the_ratio(predicted, opening):
    assert mountain.latency_ratio(LATENCY).value == pytest.approx(75, rel=0.02)
    assert mountain.verdict_sentence(predicted, LATENCY).startswith(opening)


def test_latency_is_said_in_nanoseconds_and_in_cycles_where_they_are_known():
    sentence = plain(mountain.latency_sentence(LATENCY))
    assert "within 4 KiB" in sentence and "within 128 MiB" in sentence
    assert "1.2" in sentence and "4.8" in sentence and "clock cycles" in sentence
    elsewhere = Record({**LATENCY.data, "machine": {**LATENCY.machine, "architecture": "arm64"}})
    assert "clock cycles" not in mountain.latency_sentence(elsewhere)


def test_levels_are_compared_with_the_system_of_the_record():
    sentence = plain(mountain.levels_sentence(LATENCY))
    assert sentence.count("which is within a factor of two") == 3


def test_bandwidth_is_said_for_every_probe_at_both_ends():
    sentence = plain(mountain.bandwidth_sentence(ROOFS))
    assert sentence.count("in 128 MiB") == 4
    assert sentence.count("in 8 KiB") == 3 and "streaming 50.0" in sentence


GAIN = "With 8 chains the core completes"


@pytest.mark.parametrize(
    ("times_ns", "opening", "ending"),
    [
        ({1: 8, 2: 4, 4: 2, 8: 1}, GAIN, "about that many are on their way at once."),
        ({1: 8, 4: 1.5, 8: 1, 16: 1.4}, GAIN, "With 16 the gain is smaller again."),
        ({1: 8, 2: 1.001, 8: 1}, GAIN, "From 2 chains on, more are not resolved from that."),
        ({1: 1, 2: 1.0005, 4: 1.0005}, "No number of chains within 128 MiB is resolved from one",
         "chains."),
    ],
)  # fmt: skip
def test_the_overlap_is_said_as_far_as_it_is_resolved(times_ns, opening, ending):
    sentence = plain(mountain.overlap_sentence(chains(times_ns)))
    assert sentence.startswith(opening)
    assert sentence.endswith(ending)


def test_chains_that_lose_are_no_gain():
    best, level = mountain.best_chains(chains({1: 1, 2: 2, 4: 3}).cases[0])
    assert (best, level) == (1, [1])


def test_unstable_chains_are_not_judged():
    record = chains({1: 8, 8: 1}, stable=False, reasons=["the scheduler interrupted 40 %"])
    sentence = mountain.overlap_sentence(record)
    assert "cannot be judged, the run was unstable: the scheduler interrupted" in sentence


def test_littles_law_counts_lines():
    lines = mountain.lines_in_flight(Interval(20, 19, 21, 0.97), Interval(96, 90, 100, 0.97))
    assert lines.value == pytest.approx(30)
    assert (lines.low, lines.high) == pytest.approx((19 * 90 / 64, 21 * 100 / 64))


def test_little_is_said_with_its_parts():
    sentence = plain(mountain.little_sentence(ROOFS, LATENCY))
    assert "One line of 64 bytes at a time, at the latency of 128 MiB, is 0.71" in sentence
    assert "28." in sentence and sentence.endswith("on their way at once.")


def strides(times_ns, stable=True):
    """A record of strided sums over 6400 elements, by the time of an element used."""
    cases = [
        synthetic.case(
            {"eight_sums": time * 6400 / stride}, operation="strided_sum", flops=6400 // stride,
            n=6400, stride=stride, jitter=0.002,
        )
        for stride, time in times_ns.items()
    ]  # fmt: skip
    return Record(synthetic.record("mountain.strides", cases))


def test_strides_are_compared_with_the_first_at_a_line_and_at_the_end():
    record = strides({1: 0.5, 4: 1, 16: 4, 64: 5})
    sentence = plain(mountain.stride_sentence(record, "eight_sums", element_bytes=4))
    assert "at stride 1," in sentence and "that at stride 16 and" in sentence
    assert "that at stride 64." in sentence
    assert "A line holds 16 of them" in sentence
    wide = plain(mountain.stride_sentence(record, "eight_sums", element_bytes=1))
    assert wide.count("that at stride 64") == 1 and "stride 16" not in wide


def test_time_per_element_used_counts_those_only():
    case = strides({16: 4.0}).cases[0]
    assert mountain.used_ns(case, "eight_sums").value == pytest.approx(4.0, rel=0.01)
