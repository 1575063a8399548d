"""A request is measured task by task; what fails is left out by name."""

import os
from pathlib import Path

import invented
import pytest

from accel.bench import measuring, planning, running
from accel.bench.measuring import Request
from accel.bench.planning import Task
from accel.timing import experiment, roofs
from accel.timing.experiment import MeasurementError
from accel.timing.records import Record

RELU = Task("relu", "float32", 1)
OPERATIONS = {"relu": {"target": "accel.bench.peers.calling:call", "adapt": "fake_peer:relu"}}
CARDS = [
    {"name": name, "reason": None, "version": "1", "threads": "one", "operations": OPERATIONS}
    for name in ("NumPy", "Fake")
]


@pytest.fixture
def here(monkeypatch, results):
    """Two rivals, small cases, and roofs that need not be measured."""
    monkeypatch.setattr(measuring, "cards", lambda request: CARDS)
    monkeypatch.setattr(planning, "working_sets", lambda facts: [4096])
    found = invented.bench().roofs
    monkeypatch.setattr(roofs, "here", lambda: found)


def recorded(plan):
    """Return a record as a plan would give, of invented samples."""
    times = {name: 1e5 * (1 + place) for place, name in enumerate(plan.cases[0].kernels)}
    cases = [
        {**invented.case(times, **case.parameters), "operation": case.operation}
        for case in plan.cases
    ]
    return Record({**invented.entry("relu", cases)["record"], "experiment": plan.experiment})


def failing(*messages):
    """Return a stand-in for `experiment.run` that fails with each message in turn."""
    left = list(messages)

    def run(plan, folder):
        if left:
            raise MeasurementError(f"accel bench: {plan.experiment}: {left.pop(0)}")
        return recorded(plan)

    return run


def test_a_rival_that_fails_is_left_out_by_name(here, monkeypatch):
    monkeypatch.setattr(experiment, "run", failing("kernel Fake at n=512: wrong answer: no"))
    outcome = measuring.measure(Request([RELU], "quick", peers=True))
    (entry,) = outcome.entries
    assert list(entry["dropped"]) == ["Fake"] and "wrong answer: no" in entry["dropped"]["Fake"]
    assert list(entry["record"]["cases"][0]["kernels"]) == ["accel", "NumPy"]
    assert entry["kernel"] and entry["group"] == "elementwise"


def test_our_own_kernel_is_not_excused(here, monkeypatch):
    monkeypatch.setattr(experiment, "run", failing("kernel accel at n=512: wrong answer: no"))
    outcome = measuring.measure(Request([RELU], "quick"))
    assert outcome.entries == []
    assert "kernel accel" in outcome.skipped[0]["reason"]


def test_several_rivals_may_fail(here, monkeypatch):
    messages = ("kernel Fake at n=1: raised", "kernel NumPy: crashed")
    monkeypatch.setattr(experiment, "run", failing(*messages))
    (entry,) = measuring.measure(Request([RELU], "quick")).entries
    assert set(entry["dropped"]) == {"Fake", "NumPy"}


def test_what_cannot_be_measured_is_skipped_and_the_rest_is_not(here, monkeypatch):
    monkeypatch.setattr(experiment, "run", failing())
    tasks = [Task("chain", "float32", 1), RELU]
    told = []
    request = Request(tasks, "quick")
    outcome = measuring.measure(request, lambda what, done: told.append((what, done)))
    assert [one["operation"] for one in outcome.skipped] == ["chain"]
    assert [entry["operation"] for entry in outcome.entries] == ["relu"]
    assert told == [("the libraries that are here", 0), ("relu, float32, 1 thread", 1)]


def test_real_workers_measure_a_rival_and_the_record_is_kept(here, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    request = Request([RELU], "quick", peers=True)
    outcome = measuring.measure(request)
    assert outcome.skipped == [] and outcome.removed == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    (entry,) = outcome.entries
    assert set(entry["record"]["cases"][0]["kernels"]) == {"accel", "NumPy", "Fake"}
    assert len(entry["places"]) == len(entry["awkward"]) == len(entry["record"]["cases"])
    monkeypatch.setattr(experiment, "run", failing("it would be measured again"))
    assert measuring.measure(request).entries == outcome.entries


@pytest.mark.parametrize(
    ("request_", "folder"),
    [
        (Request([], "quick"), "bench/quick"),
        (Request([], "standard", peers=True), "bench/standard-peers"),
    ],
)
def test_runs_of_other_kinds_are_kept_apart(results, request_, folder):
    assert measuring.folder_of(request_) == results / folder


def test_without_a_results_folder_records_go_to_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("ACCEL_RESULTS", raising=False)
    monkeypatch.setattr(measuring.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    assert measuring.folder_of(Request([], "quick")) == tmp_path / "accel" / "bench" / "quick"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("x: bench.relu: kernel Fake at n=1: wrong answer", "Fake"),
        ("x: bench.relu: kernel Fake: crashed: SIGSEGV", "Fake"),
        ("x: bench.relu: kernel accel at n=1: raised", None),
        ("x: bench.relu: start: did not return", None),
    ],
)
def test_who_failed_is_read_from_the_message(message, found):
    assert measuring.failing(message, ["NumPy", "Fake"]) == found


def test_variables_come_back_also_after_an_error(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--slow")
    with pytest.raises(KeyboardInterrupt), measuring.without_overrides() as removed:
        assert removed["XLA_FLAGS"] == "--slow" and "XLA_FLAGS" not in os.environ
        raise KeyboardInterrupt
    assert os.environ["XLA_FLAGS"] == "--slow"


# --- a whole run ---------------------------------------------------------------------------------


@pytest.fixture
def whole(here, monkeypatch):
    """A run whose parts answer at once; returns what was asked of them."""
    asked = []
    monkeypatch.setattr(experiment, "run", failing())

    def accuracy_of(tasks, cards, profile):
        asked.append("accuracy")
        return [{"operation": "relu", "dtype": "float32", "competitor": "accel", "cases": 1,
                 "ulp": 0.0, "relative": 0.0}]  # fmt: skip

    def first_call_of(task, profile):
        asked.append("first call")
        return {"operation": "relu", "dtype": "float32", "threads": 1, "cold_ns": 1, "warm_ns": 1,
                "numba_ns": 1}  # fmt: skip

    monkeypatch.setattr(running.accuracy, "of", accuracy_of)
    monkeypatch.setattr(running.first_call, "of", first_call_of)
    return asked


def test_a_run_holds_everything_and_is_not_made_twice(whole, monkeypatch):
    request = Request([RELU], "quick", peers=True)
    steps = []
    bench = running.run(request, lambda what, done: steps.append(done))
    assert steps == sorted(steps) and max(steps) < running.steps(request)
    assert bench.peers == ["NumPy", "Fake"]
    assert "operations" not in bench.cards[0]
    assert [len(part) for part in (bench.entries, bench.accuracy, bench.first_calls)] == [1, 1, 1]
    assert bench.roofs is not None
    assert running.run(request).accuracy == bench.accuracy
    assert whole == ["accuracy", "first call"]
    running.run(Request([RELU], "quick", peers=True, remeasure=True))
    assert whole == ["accuracy", "first call"] * 2


def test_a_damaged_note_is_made_again(whole, results):
    request = Request([RELU], "quick")
    running.run(request)
    (results / "bench" / "quick" / "accuracy.json").write_text("{")
    assert len(running.run(request).accuracy) == 1
    assert whole == ["accuracy", "first call", "accuracy"]


def test_roofs_that_cannot_be_had_are_said(whole, monkeypatch):
    def nowhere():
        raise roofs.RoofError("the roofs cannot be kept")

    monkeypatch.setattr(roofs, "here", nowhere)
    bench = running.run(Request([RELU], "quick"))
    assert bench.roofs is None
    assert bench.skipped == [{"operation": "roofs", "reason": "the roofs cannot be kept"}]


def test_where_nothing_can_be_measured_the_run_is_empty(whole):
    bench = running.run(Request([Task("chain", "float32", 1)], "quick"))
    assert bench.entries == [] and whole == []
    assert bench.skipped[0]["operation"] == "chain"

