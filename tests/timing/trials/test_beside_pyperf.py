"""pyperf beside the book: asked once, kept whole, refused when damaged."""

import json
import subprocess
import sys

import pytest

from accel.kernels import twins
from accel.timing.plan import Case
from accel.timing.records import RecordError
from accel.timing.trials import beside_pyperf
from accel.timing.trials.beside_pyperf import Beside, PyperfFailed

CASE = Case(**twins.cases()[0])


def suite(**values_s):
    """A suite as pyperf writes it: a calibration run, then runs of values, and chatter."""
    benchmarks = [
        {
            "metadata": {"name": name, "loops": 8, "hostname": "somewhere"},
            "runs": [
                {"metadata": {"duration": 1.0, "load_avg_1min": 3}, "warmups": [[1, 2.0]]},
                *[{"metadata": {"duration": 1.0}, "values": list(run)} for run in runs],
            ],
        }
        for name, runs in values_s.items()
    ]
    shared = {"unit": "second", "python_executable": "secret", "perf_version": "2.10.0"}
    return {"version": "1.0", "metadata": shared, "benchmarks": benchmarks}


FOUND = suite(
    first=[[1e-6, 2e-6, 3e-6], [2e-6, 2e-6, 5e-6], *([s] * 3 for s in (1e-6, 4e-6, 2e-6, 3e-6))],
    second=[[2e-6, 4e-6, 6e-6], [4e-6] * 2 + [1e-5], *([s] * 3 for s in (2e-6, 8e-6, 4e-6, 6e-6))],
)


@pytest.fixture
def asked(monkeypatch):
    """What pyperf is asked; it answers at once."""
    questions = []

    def answer(job, options):
        questions.append((job, options))
        return FOUND

    monkeypatch.setattr(beside_pyperf, "_call", answer)
    monkeypatch.setattr(beside_pyperf, "missing", lambda: None)
    monkeypatch.setattr(beside_pyperf, "version", lambda name: "2.10.0")
    return questions


def beside():
    return beside_pyperf.run("trust.test", CASE, ["first", "second"])


def test_it_is_asked_once_and_again_only_if_something_changed(results, asked, monkeypatch):
    first = beside()
    assert beside().data == first.data
    assert len(asked) == 1
    monkeypatch.setenv("ACCEL_PROFILE", "quick")  # other options
    beside()
    assert [options for _, options in asked] == [(), ("--processes=6",)]
    monkeypatch.setattr(beside_pyperf, "identity", lambda: {"accel": "x", "fingerprint": "y"})
    beside()
    monkeypatch.setenv("ACCEL_REMEASURE", "1")
    beside()
    assert len(asked) == 4


def test_it_lies_in_a_folder_of_its_own_and_names_no_host_and_no_path(results, asked):
    beside()
    assert [path.relative_to(results).as_posix() for path in results.rglob("*.json")] == [
        "beside/trust.test.json"
    ]
    text = (results / "beside" / "trust.test.json").read_text("utf-8")
    assert "somewhere" not in text and "secret" not in text and "load_avg" not in text


def test_what_is_kept_has_every_value(results, asked):
    beside()
    kept = beside_pyperf.read(beside_pyperf.path_of("trust.test"))
    assert kept.kernels == ["first", "second"]
    assert kept.runs_ns("first")[1] == pytest.approx([2000, 2000, 5000])
    assert len(kept.runs_ns("second")) == 6  # calibration is none
    assert kept.median_ns("first") == pytest.approx(2000)
    assert kept.time_ns("first").value == pytest.approx(2500)
    assert kept.speedup("second", "first", 0.95).value == pytest.approx(0.5)
    assert (kept.version, kept.options) == ("2.10.0", [])


def test_a_kernel_it_did_not_time_is_refused_with_those_it_did(results, asked):
    with pytest.raises(KeyError, match="timed no 'third'; it timed first, second"):
        beside().runs_ns("third")


def test_a_kernel_that_is_not_in_the_case_is_refused(results, asked):
    with pytest.raises(ValueError, match="no kernel 'third'.*first, second"):
        beside_pyperf.run("trust.test", CASE, ["third"])
    assert asked == []


@pytest.mark.parametrize("change", [{"mutates": (1,)}, {"adapt": "a:b"}])
def test_a_kernel_that_needs_more_than_its_arguments_is_refused(change, results, asked):
    described = twins.cases()[0]
    if "adapt" in change:
        entry = {**described["kernels"]["first"], **change}
        described["kernels"] = {"first": entry, "second": entry}
    else:
        described.update(change)
    with pytest.raises(ValueError, match="'first' needs its arguments adapted or put back"):
        beside_pyperf.run("trust.test", Case(**described), ["first"])


def test_without_pyperf_there_is_nothing_and_a_reason(results, asked, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(beside_pyperf.importlib.util, "find_spec", lambda name: None)
    assert "pip install pyperf" in beside_pyperf.missing()
    assert beside() is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"kind": "accel-beside-pyperf"}', "[" * 100_000,
     '{"kind": "accel-record", "schema": 1}',
     '{"kind": "accel-beside-pyperf", "schema": 1, "suite": {"benchmarks": [{}]}}'],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name(text, results, asked):
    path = beside_pyperf.path_of("trust.test")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(RecordError, match=r"beside/trust\.test\.json: .*delete it"):
        beside()


@pytest.mark.parametrize("value", [0, -1e-6, "fast", None])
def test_a_time_that_is_none_is_refused(value, results, asked):
    path = beside_pyperf.path_of("trust.test")
    data = json.loads(json.dumps(beside().data))
    data["suite"]["benchmarks"][0]["runs"][1]["values"] = [value] * 3
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=r"beside/trust\.test\.json: damaged"):
        beside()


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(results, asked):
    results.mkdir()
    (results / "beside").write_text("in the way")
    with pytest.raises(RecordError, match=r"trust\.test\.json"):
        beside()


def test_its_failure_is_told_in_its_own_words(monkeypatch):
    monkeypatch.setattr(beside_pyperf.sys, "executable", sys.executable)
    job = {"inputs": "nowhere:inputs", "parameters": {}, "kernels": {}}
    with pytest.raises(PyperfFailed, match="status 1: .*No module named 'nowhere'"):
        beside_pyperf._call(job, ["--debug-single-value"])


def test_it_is_stopped_when_it_takes_too_long(monkeypatch):
    monkeypatch.setattr(beside_pyperf, "LIMIT_S", 0.01)
    job = {"inputs": CASE.inputs, "parameters": dict(CASE.parameters), "kernels": {}}
    with pytest.raises(PyperfFailed, match="within 0.01 s"):
        beside_pyperf._call(job, ["--debug-single-value"])


def test_the_real_pyperf_times_real_kernels_and_reads_what_was_kept(results, monkeypatch):
    monkeypatch.setattr(beside_pyperf, "OPTIONS", {"standard": ("--debug-single-value",)})
    found = beside()
    assert found.kernels == ["first", "second"]
    assert all(found.median_ns(kernel) > 0 for kernel in found.kernels)
    kept = results / "suite.json"
    kept.write_text(json.dumps(found.data["suite"]))
    told = subprocess.run(
        [sys.executable, "-m", "pyperf", "show", str(kept)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "first" in told.stdout


def test_a_beside_is_plain_data():
    found = Beside({"pyperf": "2", "options": [], "elapsed_s": 1.0, "suite": FOUND})
    assert found.kernels == ["first", "second"]
