"""Real worker processes, at the level below experiments."""

import os
import re
import signal
import subprocess
import sys

import pytest
from processes import comes_true, has_ended

from accel.timing import isolate

THREADS = "OPENBLAS_NUM_THREADS"

PROTOCOL = {
    "processes": 1, "rounds": 3, "min_rounds": 3, "min_sample_ns": 10_000, "warmup_s": 0,
    "time_limit_s": 20, "order": "williams", "cache": "warm", "threads": 1,
}  # fmt: skip

SOURCE = """
import os, time
import numpy as np

def inputs(n=8, **ignored):
    return np.arange(float(n)), np.full(n, np.nan)

def oracle(x, out):
    return 2 * x, 0.0

def double(x, out):
    np.multiply(x, 2, out=out)

def report_pid(x, out):
    double(x, out)
    with open("pid.new", "w") as file:
        file.write(str(os.getpid()))
    os.replace("pid.new", "pid")

def hang(x, out):
    report_pid(x, out)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def kernel_file(tmp_path, monkeypatch):
    """`k.py` in the current folder, as a gallery script has its kernels beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.py").write_text(SOURCE)


def kernel(name, file="k.py"):
    return {"target": f"{file}:{name}", "adapt": None, "instrument": "NumPy", "story": ""}


def job(*names, protocol=(), parameters=()):
    names = names or ("double",)
    case = {
        "parameters": dict(parameters), "inputs": "k.py:inputs", "oracle": "k.py:oracle",
        "kernels": {name: kernel(name) for name in names}, "baseline": names[0], "mutates": [],
    }  # fmt: skip
    return {
        "process": 0, "protocol": {**PROTOCOL, **dict(protocol)}, "cases": [case], "budget_s": 1,
        "last_level_bytes": 2**16,
    }  # fmt: skip


def run(work, time_limit_s=20, **keywords):
    environ, _ = isolate.environment(threads=1, process=0)
    return isolate.run(work, environ, time_limit_s, **keywords)


# --- names ---------------------------------------------------------------------------------------


def test_a_function_of_a_module_is_found():
    assert isolate.resolve("os.path:join") is os.path.join


def test_a_function_of_a_file_is_found_and_its_file_runs_once(tmp_path):
    file = tmp_path / "once.py"
    file.write_text("def f(): return 1\ndef g(): return f\n")
    assert isolate.resolve(f"{file}:g")() is isolate.resolve(f"{file}:f")


def test_files_of_one_name_in_two_folders_are_kept_apart(tmp_path):
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kernels.py").write_text(f"def f(): return {value}\n")
    assert isolate.resolve("a/kernels.py:f")() == 1
    assert isolate.resolve("b/kernels.py:f")() == 2


@pytest.mark.parametrize("target", ["", "f", ":f", "module:", "module:a.b", "module:f()", "a b"])
def test_what_is_no_name_of_a_function_is_refused_with_the_form_expected(target):
    with pytest.raises(ValueError, match=r"write module:function or file\.py:function"):
        isolate.resolve(target)


def test_a_function_of_the_running_script_is_refused_with_what_to_do():
    with pytest.raises(
        ValueError, match="'__main__:f' is defined in the script that is running.*file"
    ):
        isolate.resolve("__main__:f")


def test_a_missing_file_is_named():
    with pytest.raises(ImportError, match="no file absent.py"):
        isolate.resolve("absent.py:f")


@pytest.mark.parametrize("place", ["k.py", "os.path"])
def test_a_missing_function_is_named(place):
    with pytest.raises(AttributeError, match=f"{place} has no function 'absent'"):
        isolate.resolve(f"{place}:absent")


def test_a_file_that_fails_to_load_fails_again_for_the_same_reason(tmp_path):
    (tmp_path / "broken.py").write_text("def f(): pass\nraise ZeroDivisionError\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            isolate.resolve("broken.py:f")


# --- environment ---------------------------------------------------------------------------------


def test_what_slows_a_rival_down_is_removed_and_reported(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "AVX2")
    environ, removed = isolate.environment(threads=1, process=0)
    assert removed == {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX2"}
    assert not set(removed) & set(environ)
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell", "the surrounding process keeps its own"


@pytest.mark.parametrize("threads", [1, 2])
def test_every_library_is_told_the_number_of_threads(monkeypatch, threads):
    monkeypatch.setenv(THREADS, "64")
    environ, _ = isolate.environment(threads, process=0)
    assert {environ[variable] for variable in isolate.THREAD_VARIABLES} == {str(threads)}


def test_each_process_has_its_stack_at_another_place():
    lengths = {
        sum(len(name) + len(value) for name, value in environ.items())
        for environ, _ in (isolate.environment(1, process) for process in range(12))
    }
    assert len(lengths) == 12


def test_the_search_path_of_the_surrounding_process_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environ, _ = isolate.environment(1, 0)
    assert environ["PYTHONPATH"].split(os.pathsep)[-1] == "/somewhere"


# --- processes -----------------------------------------------------------------------------------


def test_a_worker_answers_with_samples_of_every_kernel_and_the_baseline_again():
    answer = run(job("double", "report_pid"))
    (case,) = answer["cases"]
    assert list(case["kernels"]) == ["double", "report_pid"]
    for entry in (*case["kernels"].values(), case["again"]):
        assert len(entry["samples_ns"]) == len(entry["involuntary_switches"]) == 3
        assert entry["loops"] >= 1 and entry["first_call_ns"] > 0
    assert case["memory"]["double"]["peak_alloc_bytes"] >= 0
    assert answer["clock"]["resolution_ns"] > 0
    assert answer["peak_resident_bytes"] > 2**20


def test_a_worker_is_another_process_and_is_gone_afterwards(tmp_path):
    run(job("report_pid"))
    pid = int((tmp_path / "pid").read_text())
    assert pid != os.getpid()
    assert has_ended(pid)


def test_a_job_longer_than_a_pipe_holds_arrives(monkeypatch):
    """Also when the parent looks at the board before the worker has read anything."""
    monkeypatch.setattr(isolate, "POLL_S", 0.001)
    assert run(job(parameters={"ignored": "x" * 2**20}))["cases"]


def test_whoever_watches_is_told_what_is_being_done(tmp_path):
    (tmp_path / "k.py").write_text(
        SOURCE + "def slow(x, out):\n    double(x, out); time.sleep(0.1)\n"
    )
    seen = []
    run(job("slow", protocol={"min_sample_ns": 10**6}), watch=seen.append)
    assert {"slow"} == {where["kernel"] for where in seen if "kernel" in where}


def test_a_worker_that_stays_silent_is_ended_and_named(tmp_path):
    with pytest.raises(isolate.WorkerFailed, match="did not return within 1 s") as failure:
        run(job("hang"), time_limit_s=1)
    assert failure.value.where["kernel"] == "hang"
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_a_worker_that_does_not_even_start_is_ended(monkeypatch):
    monkeypatch.setattr(isolate, "START_LIMIT_S", 0)
    monkeypatch.setattr(isolate, "POLL_S", 0.001)
    with pytest.raises(isolate.WorkerFailed, match="did not return within 0 s") as failure:
        run(job())
    assert failure.value.where == {"step": "start"}


def test_an_interrupt_ends_the_worker(tmp_path):
    pid = tmp_path / "pid"

    def interrupt(where):
        if "kernel" in where:
            comes_true(pid.exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job("hang"), watch=interrupt)
    assert has_ended(int(pid.read_text()))


def test_a_crash_is_named_by_its_signal(tmp_path):
    (tmp_path / "k.py").write_text(
        SOURCE + f"def crash(x, out):\n    os.kill(os.getpid(), {signal.SIGSEGV:d})\n"
    )
    with pytest.raises(isolate.WorkerFailed, match=r"crashed: SIGSEGV \(it said nothing\)"):
        run(job("crash"))


def test_the_last_line_a_dying_worker_said_is_passed_on(tmp_path):
    (tmp_path / "k.py").write_text(
        SOURCE
        + "def leave(x, out):\n    print('x' * 10**6)\n    print('out of luck', flush=True)\n"
        "    os._exit(3)\n"
    )
    with pytest.raises(isolate.WorkerFailed) as failure:
        run(job("leave"))
    assert failure.value.reason == "the process exited early with status 3 (out of luck)"


@pytest.mark.parametrize("ending", ["os._exit(0)", "raise SystemExit", "exit(1)"])
def test_a_worker_that_leaves_without_an_answer_is_a_failure_whatever_its_status(tmp_path, ending):
    (tmp_path / "k.py").write_text(SOURCE + f"def leave(x, out):\n    {ending}\n")
    with pytest.raises(isolate.WorkerFailed, match="exited early with status [01]"):
        run(job("leave"))


def test_an_error_that_takes_pages_is_passed_on_as_one_line(tmp_path):
    (tmp_path / "k.py").write_text(
        SOURCE + "def fail(x, out):\n    raise ValueError('first\\n' + 'and so on\\n' * 10_000)\n"
    )
    with pytest.raises(isolate.WorkerFailed) as failure:
        run(job("fail"))
    assert re.match("raised ValueError: first and so on", failure.value.reason)
    assert "\n" not in failure.value.reason
    assert len(failure.value.reason) < 1000


def test_a_worker_does_not_see_the_modules_of_its_parent(tmp_path):
    (tmp_path / "k.py").write_text(
        SOURCE
        + "import sys\ndef fresh(x, out):\n    double(x, out)\n"
        + "    assert 'pytest' not in sys.modules\n"
    )
    assert "pytest" in sys.modules
    assert run(job("fresh"))["cases"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent's life")
def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path):
    """The parent gets no chance to clean up, and its worker hangs in a kernel."""
    (tmp_path / "hang.py").write_text(
        "import os, pathlib, time\n"
        "def inputs():\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "parent.py").write_text(
        "import os\n"
        "from accel.timing import isolate\n"
        "case = {'inputs': 'hang.py:inputs', 'parameters': {}}\n"
        "job = {'protocol': {'cache': 'warm'}, 'cases': [case], 'budget_s': 1, 'process': 0}\n"
        "isolate.run(job, dict(os.environ), 600)\n"
    )
    parent = subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path)
    pid = tmp_path / "pid"
    assert comes_true(lambda: pid.exists() and pid.read_text())
    parent.kill()
    parent.wait()
    assert has_ended(int(pid.read_text()))
