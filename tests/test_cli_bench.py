"""`accel bench`, as somebody at a terminal meets it."""

import json
import signal
import subprocess
import sys

import pytest
import synthetic
from processes import comes_true, has_ended
from typer.testing import CliRunner

from accel import cli
from accel.bench import Bench, BenchError, planning, read, terminal
from accel.bench.planning import Task

EMPTY = {
    "kind": "accel-bench", "schema": 1, "created": "2026-11-23T08:00:00+00:00", "profile": "quick",
    "peers": [{"name": "PyTorch", "reason": "PyTorch is not installed here (No module)"}],
    "entries": [], "skipped": [{"operation": "relu", "reason": "no sizes"}], "accuracy": [],
    "first_calls": [], "roofs": None, "removed_overrides": {"OPENBLAS_CORETYPE": "Haswell"},
}  # fmt: skip


@pytest.fixture
def accel(monkeypatch):
    monkeypatch.setattr(planning, "cores", lambda: 2)
    return lambda *arguments: CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


@pytest.fixture
def asked(monkeypatch):
    """What a run is asked for; it answers with one case."""
    requests = []
    case = synthetic.case({"accel": 1e5, "NumPy": 5e5}, baseline="accel", n=4096, dtype="float32")
    entry = {"operation": "relu", "group": "elementwise", "dtype": "float32", "threads": 1,
             "kernel": "vector", "places": ["L1"], "awkward": [False], "dropped": {},
             "record": synthetic.record("bench.relu_float32", [case])}  # fmt: skip
    found = Bench({**EMPTY, "entries": [entry]})
    monkeypatch.setattr(terminal, "run", lambda request, console: requests.append(request) or found)
    return requests


def refused(answer):
    """Return the one line that a refusal prints."""
    assert answer.exit_code == 2
    return answer.stderr.splitlines()[-1]


def test_tables_verdicts_and_what_was_removed_are_printed(accel, asked):
    answer = accel("relu")
    assert answer.exit_code == 0
    said = " ".join(answer.stdout.split())
    assert "relu, float32, 1 thread: kernel vector" in said
    assert "Not compared: PyTorch is not installed here (No module)." in said
    assert "Removed from the environment of all competitors: OPENBLAS_CORETYPE=Haswell." in said
    assert "NOT MEASURED: conv2d" in said


@pytest.mark.parametrize(
    ("options", "tasks", "more"),
    [
        (("relu",), [Task("relu", "float32", 1)], ("standard", False, False)),
        (
            ("relu", "--dtype", "float64", "--threads", "2", "--peers", "--remeasure"),
            [Task("relu", "float64", 2)], ("standard", True, True),
        ),
        (
            ("relu", "gelu", "--profile", "quick"),
            [Task("relu", "float32", 1), Task("gelu", "float32", 1)], ("quick", False, False),
        ),
    ],
)  # fmt: skip
def test_options_reach_the_run(accel, asked, options, tasks, more):
    accel(*options)
    (request,) = asked
    assert request.tasks == tasks
    assert (request.profile, request.peers, request.remeasure) == more


def test_without_operations_all_are_asked_for(accel, asked):
    accel()
    assert len({task.operation for task in asked[0].tasks}) > 20


def test_the_file_holds_everything(accel, asked, tmp_path):
    assert accel("relu", "--json", tmp_path / "b.json").exit_code == 0
    found = read(tmp_path / "b.json")
    assert [entry.operation for entry in found.entries] == ["relu"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("rel",), "no operation rel; there are adam, "),
        (("relu", "--threads", "0"), "--threads must be 1 to 2"),
        (("relu", "--threads", "3"), "--threads must be 1 to 2"),
        (("relu", "--dtype", "float16"), "no element type float16"),
        (("relu", "--profile", "fast"), "no profile 'fast'; choose one of quick"),
        (("relu", "--json", "absent/b.json"), "cannot write absent/b.json: No such file"),
        (("relu", "--json", "."), "it is a folder"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_measured(
    accel, asked, tmp_path, monkeypatch, arguments, complaint
):
    monkeypatch.chdir(tmp_path)
    assert complaint in refused(accel(*arguments))
    assert asked == []


def test_where_nothing_was_measured_the_status_says_so(accel, monkeypatch):
    monkeypatch.setattr(terminal, "run", lambda request, console: Bench(EMPTY))
    answer = accel("relu")
    assert "nothing was measured" in refused(answer)
    assert "Not measured: relu (no sizes)." in answer.stdout


def test_an_error_on_the_way_is_one_line(accel, monkeypatch):
    def fails(request, console):
        raise BenchError("no room for [bold]that[/bold]")

    monkeypatch.setattr(terminal, "run", fails)
    assert refused(accel("relu")) == "no room for [bold]that[/bold]"


def test_help_says_what_the_command_does(accel):
    answer = accel("--help")
    assert answer.exit_code == 0
    assert "--peers" in answer.stdout


#: A rival that waits for ever: when it is interrupted, nobody may be left.
WAITING = """
import os, time
from pathlib import Path

def waits(x, out):
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)
"""

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal
from accel.bench import measuring, planning
from accel.timing import roofs
operations = {"relu": {"target": "waiting.py:waits", "adapt": None}}
card = {"name": "Waiting", "reason": None, "version": "1", "threads": "", "operations": operations}
measuring.cards = lambda request: [card]
planning.working_sets = lambda facts: [4096]
def none():
    raise roofs.RoofError("not here")
roofs.here = none
from accel.cli import main
sys.argv = ["accel", "bench", "relu", "--profile", "quick"]
main()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_stopped_leaves_no_worker(tmp_path, monkeypatch, results, number):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waiting.py").write_text(WAITING)
    pid = tmp_path / "pid"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True
    ) as command:
        try:
            assert comes_true(lambda: pid.exists() and pid.read_text())
            command.send_signal(getattr(signal, number))
            _, said = command.communicate(timeout=30)
        finally:
            command.kill()
    assert command.returncode == 130
    assert said.endswith("Stopped. What was measured until now is kept.\n")
    assert has_ended(int(pid.read_text()))


def test_a_small_run_is_measured_by_real_workers(accel, results, monkeypatch, tmp_path):
    import synthetic_roofs

    from accel.timing import roofs

    found = synthetic_roofs.roofs(complete=False)
    monkeypatch.setattr(roofs, "here", lambda: found)
    monkeypatch.setattr(planning, "working_sets", lambda facts: [4096])
    path = tmp_path / "b.json"
    answer = accel("relu", "chain", "--profile", "quick", "--json", path)
    assert answer.exit_code == 0, answer.stderr
    assert "measuring relu, float32, 1 thread" in answer.stderr
    said = " ".join(answer.stdout.split())
    assert "chain (it does not say which sizes to measure)" in said
    data = json.loads(path.read_text())
    assert set(data["entries"][0]["record"]["cases"][0]["kernels"]) == {"accel", "NumPy"}
    assert {row["competitor"] for row in data["accuracy"]} == {"accel", "NumPy"}
    assert data["first_calls"][0]["warm_ns"] > 0
    assert str(tmp_path) not in path.read_text()
