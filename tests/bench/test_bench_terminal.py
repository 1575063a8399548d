"""What somebody at a terminal sees of a run."""

import io
import json
import os
import time

import invented
import pytest
from rich.console import Console

from accel.bench import progress, running, terminal
from accel.bench.measuring import Request
from accel.bench.planning import Task


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def test_without_a_terminal_there_is_a_line_for_each_step(console):
    with terminal.RunBar(console, 4) as bar:
        bar.step("relu, float32, 1 thread", 1)
        bar.share(0.5)
        bar.step("accuracy", 2)
    assert console.file.getvalue().splitlines() == [
        "measuring relu, float32, 1 thread", "measuring accuracy",
    ]  # fmt: skip


def test_the_time_left_follows_from_the_time_taken(console):
    now = [100.0]
    bar = terminal.RunBar(console, 10, clock=lambda: now[0])
    now[0] = 160.0
    assert [bar.left_s(done) for done in (1, 4, 10)] == [None, 90, 0]


def test_a_run_is_shown_whole(console):
    bench = invented.bench(invented.entry("relu", [invented.case(n=4096)]))
    terminal.show(bench, console)
    said = console.file.getvalue()
    for words in ("relu, float32, 1 thread: kernel vector", "PyTorch", "MET: ", "Not compared"):
        assert words in said
    assert max(map(len, said.splitlines())) <= 100


def test_brackets_are_text_and_no_markup(console):
    dropped = {"JAX": "wrong answer: element [0, 1] is [red]"}
    entry = invented.entry("relu", [invented.case()], dropped=dropped)
    terminal.show(invented.bench(entry), console)
    assert "element [0, 1] is [red]" in " ".join(console.file.getvalue().split())


def test_the_bar_follows_the_file_of_the_experiment(monkeypatch):
    monkeypatch.setattr(progress, "POLL_S", 0.001)
    seen = []
    with progress.watched(seen.append):
        path = os.environ["ACCEL_PROGRESS"]
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": "progress", "done": 0.25}) + "\n")
        for _ in range(5000):
            if seen:
                break
            time.sleep(0.001)
    assert seen == [0.25]
    assert "ACCEL_PROGRESS" not in os.environ


def test_what_was_set_before_is_set_again(monkeypatch, tmp_path):
    monkeypatch.setenv("ACCEL_PROGRESS", "before")
    with progress.watched(lambda share: None):
        assert os.environ["ACCEL_PROGRESS"] != "before"
    assert os.environ["ACCEL_PROGRESS"] == "before"


@pytest.mark.parametrize(
    ("events", "share"),
    [
        ([], None),
        ([{"event": "end"}], None),
        ([{"event": "begin"}], 0.0),
        ([{"event": "progress", "done": 0.5}, {"event": "end"}], 0.5),
    ],
)
def test_the_last_share_counts(events, share):
    assert progress.latest([json.dumps(event) for event in events]) == share


def test_a_request_runs_under_the_bar(console, monkeypatch):
    found = invented.bench()
    monkeypatch.setattr(running, "run", lambda request, told: told("x", 0) or found)
    assert terminal.run(Request([Task("relu", "float32", 1)]), console) is found
    assert console.file.getvalue() == "measuring x\n"
