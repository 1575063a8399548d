"""`accel calibrate`, as somebody at a terminal meets it."""

import os
import signal
import subprocess
import sys

import pytest
from processes import comes_true
from typer.testing import CliRunner

from accel import cli
from accel.backend import calibrate, dispatch
from accel.backend import profile as profiles
from accel.backend.calibrate import Outcome, Step
from accel.backend.profile import Curve

CURVES = {"numpy": Curve((64.0, 1e6), (100.0, 1e6)), "numba": Curve((64.0, 1e6), (900.0, 1e5))}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "dispatch"
    dispatch.adopt()


@pytest.fixture
def accel():
    return lambda *arguments: CliRunner().invoke(cli.app, ["calibrate", *arguments])


@pytest.fixture
def measured(monkeypatch):
    """The steps that were measured; each took three seconds, two of them for first calls."""
    done = []

    def invented(step, runners, *, clock):
        done.append(step)
        return Outcome(CURVES, 3_000_000_000, 2_000_000_000, {"numba-threads": "OSError: lost"})

    monkeypatch.setattr(calibrate, "measured", invented)
    return done


def refused(answer):
    """Return the one line that a refusal prints."""
    assert answer.exit_code == 2
    assert answer.stdout == ""
    return answer.stderr.splitlines()[-1]


def test_what_is_measured_compiled_and_failed_is_said(accel, measured):
    answer = accel("relu", "matmul", "--dtype", "float32")
    assert answer.exit_code == 0
    assert measured == [Step("relu", "float32"), Step("matmul", "float32")]
    assert "measuring relu, float32\n" in answer.stderr
    assert "matmul, float32: first calls took 2.0 s, to compile or load" in answer.stderr
    assert "numba-threads failed and is left out: OSError: lost" in answer.stderr


def test_crossovers_time_and_place_are_printed(accel, measured, cache):
    answer = accel("relu", "--dtype", "float32")
    said = " ".join(answer.stdout.split())
    assert "relu float32 numpy, numba from " in said
    assert "Measured 1 pair of operation and element type, in 1 s and 2 s of first calls" in said
    assert f"Kept in {cache / profiles.here()}.json, for {profiles.words_for_here()}." in said


def test_by_default_everything_is_measured(accel, measured):
    assert accel().exit_code == 0
    assert measured == calibrate.steps()


def test_a_second_run_measures_nothing_and_says_so(accel, measured):
    accel("relu")
    count = len(measured)
    answer = accel("relu")
    assert len(measured) == count
    assert "Measured 0 pairs of operation and element type; 2 had been measured" in answer.stdout


def test_anew_measures_again(accel, measured):
    accel("relu", "--dtype", "float32")
    accel("relu", "--dtype", "float32", "--anew")
    assert measured == [Step("relu", "float32")] * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["matmull"], "no operation matmull to calibrate; there are adam, "),
        (["relu", "--dtype", "float16"], "no element type float16 to calibrate"),
    ],
)
def test_a_mistyped_request_lists_what_there_is(accel, measured, arguments, complaint):
    assert complaint in refused(accel(*arguments))
    assert measured == []


def test_a_folder_that_cannot_be_written_is_said_first(accel, measured, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "file"))
    assert "set ACCEL_CACHE to a folder that can be written" in refused(accel("relu"))
    assert measured == []


def test_a_damaged_profile_is_set_aside_and_measured_anew(accel, measured, cache):
    cache.mkdir(parents=True)
    profiles.path().write_text("{")
    with pytest.warns(profiles.ProfileWarning, match="set aside"):
        assert accel("relu").exit_code == 0
    assert profiles.path().with_suffix(".aside").exists()
    assert len(profiles.load().curves) == 2


def test_two_at_once_are_not_let_in(accel, measured, cache):
    with calibrate.alone(cache):
        said = refused(accel("relu"))
    assert f"process {os.getpid()} is calibrating already" in said


def test_ctrl_c_keeps_what_was_measured(accel, monkeypatch):
    def stopped(step, runners, *, clock):
        if step.operation == "sum":
            raise KeyboardInterrupt
        return Outcome(CURVES, 1, 0, {})

    monkeypatch.setattr(calibrate, "measured", stopped)
    answer = accel("relu", "sum", "--dtype", "float32")
    assert answer.exit_code == 130
    assert "What was measured until now is kept; run it again to go on." in answer.stderr
    assert set(profiles.load().curves) == {("relu", "float32")}


#: A calibration in which each step takes half a second and measures nothing. It minds Ctrl-C as
#: from a terminal: an ignored SIGINT would be inherited.
INVENTED = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)
from accel import cli
from accel.backend import calibrate
from accel.backend.profile import Curve

def measured(step, runners, *, clock):
    time.sleep(0.5)
    return calibrate.Outcome({"numpy": Curve((1.0,), (1.0,))}, 1, 0, {})

calibrate.measured = measured
cli.app(["calibrate"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_a_profile_that_can_be_gone_on_with(number, cache):
    process = subprocess.Popen(
        [sys.executable, "-c", INVENTED], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        assert comes_true(lambda: profiles.path().exists() and profiles.load().curves)
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert b"What was measured until now is kept" in said
    kept = list(profiles.load().curves)
    assert 0 < len(kept) < len(calibrate.steps())
    with calibrate.alone(cache):  # nobody is left who calibrates
        pass
