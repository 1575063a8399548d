"""Roofs in words: each sentence with data for it, and with data against it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import synthetic_roofs
from hypothesis import given
from hypothesis import strategies as st

from accel.findings import roof_words
from accel.timing import roofs
from accel.timing.records import Record
from accel.timing.stats import Interval

ROOFS = synthetic_roofs.roofs()
SIMPLE = synthetic_roofs.roofs(complete=False)


def with_peaks(peaks, **changes):
    """The roofs of a machine with other arithmetic."""
    peak = synthetic_roofs.peak({**synthetic_roofs.PEAKS, **peaks}, **changes)
    return roofs.Roofs(Record(peak), SIMPLE.bandwidth)


def unstable(made):
    cases = [{**case, "stable": False, "reasons": ["a reason"]} for case in made.peak.data["cases"]]
    return roofs.Roofs(Record({**made.peak.data, "cases": cases}), made.bandwidth)


# --- prediction ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "bits", "ports", "dtype", "peak"),
    [(3.0, 256, 2, "float32", 96), (2.5, 512, 1, "float64", 40), (1, 128, 4, "float32", 32)],
)
def test_the_predicted_peak_is_clock_times_ports_times_lanes_times_two(
    clock, bits, ports, dtype, peak
):
    assert roof_words.predicted_peak_gflops(clock, bits, ports, dtype) == peak


@pytest.mark.parametrize("numbers", [(0, 256, 2), (3.0, 0, 2), (3.0, 256, 0), (-1, 256, 2)])
def test_a_machine_without_clock_width_or_ports_has_no_prediction(numbers):
    with pytest.raises(ValueError, match="all three must be positive"):
        roof_words.predicted_peak_gflops(*numbers, "float32")


def test_the_prediction_says_what_it_rests_on():
    said = roof_words.prediction_sentence(synthetic_roofs.MACHINE, 3.0, 2)
    assert "192\N{NO-BREAK SPACE}GFLOP/s in float32 and 96.0\N{NO-BREAK SPACE}GFLOP/s" in said
    assert "512 bits, as the system says" in said and "virtual" not in said
    unknown = {**synthetic_roofs.MACHINE, "vector_bits": None, "virtualised": True}
    said = roof_words.prediction_sentence(unknown, 3.0, 2)
    assert "128 bits, since the system says none" in said
    assert "A virtual machine tells neither." in said


@pytest.mark.parametrize(
    ("clock", "words"),
    [(3.5, "as predicted"), (3.3, "as predicted"), (7.0, "0.500× of"), (1.75, "2.00× of")],
)
def test_the_gap_is_named_whichever_way_it_goes(clock, words):
    said = roof_words.gap_sentence(ROOFS, clock, 2)
    assert words in said
    assert "one per cycle at 7.00 GHz, or two at 3.50 GHz" in said


# --- widths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widest", "meaning"),
    [
        (224, "width is worth its full price"),
        (160, "not in proportion to their width"),
        (112, "the units behind them are half as wide"),
        (90, "the widest registers cost speed"),
    ],
)
def test_the_meaning_of_a_width_follows_from_the_measurement(widest, meaning):
    assert meaning in roof_words.width_sentence(with_peaks({"bits_512": widest}))


def test_nothing_follows_from_an_unstable_run():
    said = roof_words.width_sentence(unstable(ROOFS))
    assert "nothing follows (a reason)" in said
    assert "unstable (a reason)" in roof_words.scalar_sentence(unstable(ROOFS))


def test_an_interval_that_holds_one_and_two_says_nothing(monkeypatch):
    monkeypatch.setattr(
        roof_words.CaseView, "speedup", lambda *_: Interval(1.3, 0.9, 2.1, 0.97)
    )
    assert "too uncertain to say" in roof_words.width_sentence(ROOFS)


def test_a_machine_with_one_width_is_compared_with_none():
    peak = Record(synthetic_roofs.peak({"scalar": 14.0, "bits_128": 56.0}))
    said = roof_words.width_sentence(roofs.Roofs(peak, SIMPLE.bandwidth))
    assert said == "Registers of 128\N{NO-BREAK SPACE}bits are the only vectors here."


@pytest.mark.parametrize(
    ("rate", "ports"), [(14.0, "2 ports or more"), (6.0, "one port is enough"), (40.0, "4 ports")]
)
def test_ports_are_counted_from_the_fastest_clock_there_is(rate, ports):
    assert ports in roof_words.scalar_sentence(with_peaks({"scalar": rate}))


def test_vectors_that_gain_nothing_are_not_praised():
    said = roof_words.scalar_sentence(with_peaks({"scalar": 224.0}))
    assert "not resolved" in said and "% of the peak" not in said


# --- threads and memory --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (2.0, "a whole core's arithmetic"),
        (1.3, "less than one core for each"),
        (2.3, "more than one core for each"),
        (1.0, "no gain that can be told from none"),
        (0.8, "no gain that can be told from none"),
    ],
)
def test_what_threads_add_is_said_as_measured(gain, words):
    assert words in roof_words.threads_sentence(with_peaks({}, all_threads=gain))


def test_one_logical_cpu_is_not_compared_with_itself():
    cases = [c for c in ROOFS.peak.data["cases"] if c["parameters"]["threads"] == 1]
    alone = roofs.Roofs(Record({**ROOFS.peak.data, "cases": cases}), SIMPLE.bandwidth)
    assert "one thread is all" in roof_words.threads_sentence(alone)


def test_bandwidth_is_told_level_by_level():
    said = roof_words.level_sentence(ROOFS)
    assert said.index("from L1") < said.index("from L2") < said.index("from memory")
    assert "as much from the nearest as from the furthest" in said


def test_a_flat_curve_has_one_level(monkeypatch):
    monkeypatch.setattr(synthetic_roofs, "LEVELS", ((2**40, 50.0),))
    monkeypatch.setattr(synthetic_roofs, "LATENCIES", (9.0,))
    assert "one level of memory" in roof_words.level_sentence(synthetic_roofs.roofs())


def test_the_balance_is_peak_over_what_loads_bring_from_memory():
    said = roof_words.balance_sentence(ROOFS)
    assert "11.2" in said and "float32 that is fetched must be used in 44." in said


def test_the_most_misses_are_taken_not_the_most_chains():
    assert "With 8 independent chains" in roof_words.chains_sentence(ROOFS)
    with pytest.raises(roofs.RoofError, match="no chains were measured"):
        roof_words.chains_sentence(SIMPLE)


positive = st.floats(0.1, 1e6)


@given(positive, positive, positive, positive)
def test_a_quotient_of_intervals_holds_every_quotient_of_their_values(a, b, c, d):
    above, below = (Interval(min(p), min(p), max(p), 0.97) for p in ((a, b), (c, d)))
    quotient = roof_words.ratio(above, below)
    assert quotient.coverage == pytest.approx(0.94)
    assert all(quotient.low <= x / y <= quotient.high for x in (a, b) for y in (c, d))


# --- tables, age, JSON ---------------------------------------------------------------------------


def test_tables_have_a_row_per_rate_and_latency_only_where_measured():
    assert len(roof_words.peak_table(ROOFS).rows) == 14
    assert len(roof_words.peak_table(ROOFS, every_width=False).rows) == 4
    assert "One access" in str(roof_words.level_table(ROOFS))
    assert "One access" not in str(roof_words.level_table(SIMPLE))
    assert {row[-1] for row in roof_words.peak_table(unstable(ROOFS)).rows} == {"no"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (-50, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"),
     (3 * 86400 + 100, "3 days ago")],
)  # fmt: skip
def test_age_is_told_in_its_largest_unit(seconds, words):
    now = datetime.fromisoformat(ROOFS.created).astimezone(UTC) + timedelta(seconds=seconds)
    assert words in roof_words.age_sentence(ROOFS, now)


def test_the_verdict_of_the_page_speaks_of_all_and_names_the_machine():
    said = roof_words.verdict(ROOFS, 3.0, 2)
    assert all(word in said for word in ("One core", "2 threads", "memory", "Imaginary Processor"))
    assert "16.0×" in roof_words.ladder_verdict(ROOFS)


@pytest.mark.parametrize("complete", [True, False])
def test_the_summary_is_json_without_infinities(complete):
    summary = roof_words.summary(synthetic_roofs.roofs(complete))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert len(summary["peak_gflops"]) == 14 and len(summary["levels"]) == 4
    assert (summary["parallel_misses"] is None) == (not complete)
