"""Sentences beside pyperf follow the numbers, whoever they favour."""

import pytest
import synthetic

from accel.findings import beside_words
from accel.timing.records import Record
from accel.timing.stats import Interval
from accel.timing.trials.beside_pyperf import Beside


def record(elapsed_s=6.0, **times_ns):
    made = synthetic.case(times_ns, baseline=next(iter(times_ns)), jitter=0.0005, n=7)
    return Record(synthetic.record("trust.test", [made], elapsed_s=elapsed_s))


def pyperf(elapsed_s=30.0, spread=0.01, processes=6, options=(), **times_ns):
    """What pyperf would have found: processes apart from each other by up to `spread`."""

    def runs(time_ns):
        shares = [1 + spread * (process / (processes - 1) - 0.5) for process in range(processes)]
        timed = [{"values": [1e-9 * time_ns * share] * 3} for share in shares]
        return [{"warmups": [[1, 1.0]]}, *timed]

    benchmarks = [{"metadata": {"name": n}, "runs": runs(t)} for n, t in times_ns.items()]
    return Beside({
        "pyperf": "2.10.0", "options": list(options), "elapsed_s": elapsed_s,
        "suite": {"version": "1.0", "benchmarks": benchmarks},
    })  # fmt: skip


def test_pyperfs_settings_are_told():
    said = beside_words.settings_sentence(pyperf(whole=1e6, more=1e6))
    assert said.startswith("pyperf 2.10.0 with its defaults: 6 processes of 3 values")
    said = beside_words.settings_sentence(pyperf(whole=1e6, options=["--processes=6"]))
    assert "with options --processes=6" in said


@pytest.mark.parametrize(("time", "phrase"), [
    (1e6, "1.00 times ours, and the intervals overlap"),
    (1.2e6, "1.20 times ours, and the intervals do not overlap"),
])  # fmt: skip
def test_medians_that_agree_or_do_not_are_said_to(time, phrase):
    said = beside_words.medians_sentence(record(whole=1e6, more=1.02e6), pyperf(whole=time))
    assert phrase in said


@pytest.mark.parametrize(
    ("spread", "elapsed_s", "phrase"),
    [
        (0.05, 18.0, "is reached."),
        (0.05, 17.9, "is missed, because we took more than a third of the time."),
        (1e-6, 18.0, "is missed, because our interval is not narrower."),
        (1e-6, 1.0, "not narrower and we took more than a third of the time."),
    ],
)
def test_width_and_time_are_both_judged(spread, elapsed_s, phrase):
    theirs = pyperf(elapsed_s, spread, whole=1e6, more=1.02e6)
    ours = record(6.0, whole=1e6, more=1.02e6)
    assert beside_words.beside_sentence(ours, theirs, "more").endswith(phrase)


def test_a_page_without_pyperf_says_so(monkeypatch):
    monkeypatch.setattr("accel.findings.beside_words.missing", lambda: "pyperf is not installed here")
    made = record(whole=1e6, more=1.02e6)
    assert "not installed" in beside_words.settings_sentence(None)
    assert "no medians" in beside_words.medians_sentence(made, None)
    assert "nothing to be compared" in beside_words.beside_sentence(made, None, "more")


def test_the_width_of_an_interval_is_relative():
    assert beside_words.relative_width(Interval(1.5, 1.0, 2.0, 0.9)) == 1.0
