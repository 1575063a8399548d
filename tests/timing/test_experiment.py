"""Experiments from the plan to the record, with real workers on tiny kernels."""

import getpass
import json
import os
import re
import socket
import sys
from dataclasses import replace

import pytest

from accel.timing import experiment, isolate, machine, memory, plan, records
from accel.timing.experiment import MeasurementError, measure
from accel.timing.plan import Case

#: Few short samples: enough to see every part at work.
SHORT = {"processes": 6, "rounds": 3, "min_rounds": 3, "min_sample_ns": 10_000, "warmup_s": 0}

SOURCE = """
import os, signal, sys, time
import numpy as np

def inputs(n):
    return np.arange(float(n)), np.full(n, np.nan)

def oracle(x, out):
    return 2 * x, 1e-12

def double(x, out):
    np.multiply(x, 2, out=out)

def again(x, out):
    np.add(x, x, out=out)

def raises(x, out):
    raise ValueError("no such luck")

def wrong(x, out):
    np.multiply(x, 3, out=out)

def nothing(x, out):
    pass

def greedy(x, out):
    double(x, out)
    x[0] = 7

def lists(x, out):
    return x.tolist(), out.tolist()

def too_long(x, out):
    out[:] = [2 * value for value in x] + [0.0]

def hangs(x, out):
    double(x, out)
    time.sleep(600)

def crashes(x, out):
    os.kill(os.getpid(), signal.SIGSEGV)

def leaves(x, out):
    os._exit(0)

def slow_to_fail(x, out, calls=[]):
    double(x, out)
    calls.append(1)
    if len(calls) > 3:
        raise RuntimeError("tired")

def talks(x, out):
    double(x, out)
    print("x" * 100_000)

def lies(x, out):
    double(x, out)
    print('{"failed": "not really"}')
    print('{"cases": []}', flush=True)
    os.write(1, b'{"cases": []}')

def environment(x, out):
    double(x, out)
    forced = sorted(set(os.environ) & {"OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE"})
    if forced:
        raise RuntimeError(f"forced by {forced}")

def one_thread(x, out):
    double(x, out)
    from threadpoolctl import threadpool_info
    threads = [library["num_threads"] for library in threadpool_info()]
    if set(threads) != {1}:
        raise RuntimeError(f"{threads} threads")

def in_place_inputs(n):
    return (np.arange(float(n)),)

def in_place_oracle(out):
    return 2 * out, 0.0

def double_in_place(out):
    out *= 2
    if out[1] != 2:
        raise RuntimeError(f"called on the result of the call before: {out[1]}")
"""


@pytest.fixture(autouse=True)
def kernel_file(tmp_path, monkeypatch):
    """`k.py` beside the script `plot_test.py`, as in the gallery."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "plot_test.py")])
    path = tmp_path / "k.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(autouse=True)
def one_real_process(monkeypatch):
    """Start the first worker of an experiment only; the others answer what it answered."""
    start, answers = isolate.run, {}

    def start_the_first(job, *rest):
        if job["process"] == 0:
            answers["first"] = json.dumps(start(job, *rest))
        return json.loads(answers["first"])

    monkeypatch.setattr(isolate, "run", start_the_first)


def kernel(target, adapt=None):
    return {"target": target, "adapt": adapt, "instrument": "NumPy", "story": "it doubles"}


def case(*names, n=64, **changes):
    names = names or ("double", "again")
    plan = {
        "operation": "double",
        "parameters": {"n": n},
        "inputs": "k.py:inputs",
        "oracle": "k.py:oracle",
        "kernels": {name: kernel(f"k.py:{name}") for name in names},
        "baseline": names[0],
        "flops": n,
        "compulsory_bytes": 16 * n,
    }
    return Case(**{**plan, **changes})


def run(*cases, budget_s=1, **changes):
    return measure("page.test", "How?", cases, budget_s=budget_s, **{**SHORT, **changes})


# --- with real workers: what is measured ----------------------------------------------------------


def test_an_experiment_becomes_a_record(results):
    record = run(case(n=64), case(n=128))
    assert record.data == records.load("page.test").data
    assert (record.experiment, record.question) == ("page.test", "How?")
    assert record.data["script"] == "plot_test.py"
    assert record.profile == "standard"
    assert [each.parameters for each in record.cases] == [{"n": 64}, {"n": 128}]
    assert record.protocol["processes"] == 6
    assert record.protocol["garbage_collector"] == "off while timing"
    assert record.clock["resolution_ns"] > 0
    assert record.software["numpy"] == machine.software()["numpy"]
    assert record.machine["architecture"] == machine.describe()["architecture"]
    assert re.fullmatch("[0-9a-f]{16}", record.fingerprint)
    assert os.listdir(results) == ["page.test.json"]


def test_every_raw_sample_is_in_the_record(results):
    (one,) = run(case()).cases
    assert one.kernels == ["double", "again"]
    for name in one.kernels:
        assert [len(rounds) for rounds in one.samples(name)] == [3] * 6
        assert len(one.first_call_ns(name)) == 6
        assert one.peak_alloc_bytes(name) >= 0
        assert one.memory(name).keys() == memory.FIELDS.keys()
    assert [len(rounds) for rounds in one.samples_again()] == [3] * 6
    assert one.verdict("again") in ("faster", "slower", "not resolved", "unstable")


def test_a_record_names_no_path_user_or_host(results, tmp_path, monkeypatch, kernel_file):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USER", "somebody-in-particular")
    absolute = case(kernels={"double": kernel(f"{kernel_file}:double")}, baseline="double")
    run(absolute)
    text = (results / "page.test.json").read_text()
    for secret in (str(tmp_path), sys.prefix, "somebody-in-particular", os.path.expanduser("~")):
        assert secret not in text
    words = set(re.findall(r"[\w.-]+", text))
    assert not words & {getpass.getuser(), socket.gethostname()}


def test_one_kernel_may_enter_alone(results):
    (one,) = run(case("double")).cases
    assert one.kernels == ["double"]


def test_a_kernel_may_get_other_arguments_than_its_rivals(results):
    kernels = {
        "double": kernel("k.py:double"),
        "listed": kernel("k.py:copy_list", adapt="k.py:lists"),
    }
    with open("k.py", "a") as file:
        file.write("\ndef copy_list(x, out):\n    out[:] = [2 * value for value in x]\n")
    assert run(case(kernels=kernels)).cases[0].kernels == ["double", "listed"]


def test_a_kernel_that_works_in_place_gets_its_argument_back_each_time(results):
    in_place = case(
        "double_in_place",
        inputs="k.py:in_place_inputs",
        oracle="k.py:in_place_oracle",
        mutates=(0,),
    )
    assert run(in_place).cases[0].kernels == ["double_in_place"]


def test_cold_samples_are_single_calls(results, monkeypatch):
    monkeypatch.setattr(experiment, "last_level_bytes", lambda facts: 2**16)
    (one,) = run(case(n=10**6), cache="cold").cases
    assert [p["loops"] for p in one.data["kernels"]["double"]["processes"]] == [1] * 6


def test_sequential_order_is_recorded(results):
    assert run(case(), order="sequential").protocol["order"] == "sequential"


def test_what_forced_a_slower_rival_is_removed_and_recorded(results, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "5")
    record = run(case("environment"))
    assert record.software["removed_overrides"] == {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_DEBUG_CPU_TYPE": "5",
    }


def test_libraries_use_as_many_threads_as_the_protocol_says(results, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    record = run(case("one_thread"))
    assert {library["threads"] for library in record.software["blas"]} <= {1, None}


@pytest.mark.parametrize("name", ["talks", "lies"])
def test_what_a_kernel_prints_is_not_mistaken_for_the_answer(results, name):
    assert run(case("double", name)).cases[0].kernels == ["double", name]


# --- with real workers: what is refused -----------------------------------------------------------


FAILURES = {
    "raises": "raised ValueError: no such luck",
    "wrong": r"wrong answer: element \[63\] is 189, expected 126",
    "nothing": "wrong answer: element .* is nan",
    "greedy": "changed argument 0, which it may only read",
    "crashes": r"crashed: SIGSEGV",
    "leaves": "the process exited early with status 0",
    "slow_to_fail": "raised RuntimeError: tired",
    "absent": "raised AttributeError: k.py has no function 'absent'",
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_kernel_is_one_line_with_script_experiment_kernel_case_and_reason(results, name):
    with pytest.raises(MeasurementError) as failure:
        run(case("double", name))
    line = str(failure.value)
    assert re.match(f"plot_test.py: page.test: kernel {name} at n=64: {FAILURES[name]}", line)
    assert "\n" not in line
    assert not results.exists(), "nothing is written"


def test_a_kernel_that_never_returns_is_ended_and_named(results):
    with pytest.raises(MeasurementError) as failure:
        run(case("hangs"), time_limit_s=1)
    assert str(failure.value) == (
        "plot_test.py: page.test: kernel hangs at n=64: did not return within 1 s"
    )
    assert not results.exists()


@pytest.mark.parametrize(
    ("target", "adapt", "reason"),
    [
        ("__main__:double", None, "defined in the script that is running.*file.py:function"),
        ("gone.py:double", None, "raised ImportError: no file gone.py"),
        ("no_such_module:double", None, "raised ModuleNotFoundError: No module named 'no_such"),
        ("double", None, "not a kernel name; write module:function"),
        ("k.py:too_long", "k.py:lists", r"shape \(65,\), expected \(64,\)"),
    ],
)
def test_a_kernel_that_cannot_be_found_or_has_another_shape_is_named(
    results, target, adapt, reason
):
    kernels = {"double": kernel("k.py:double"), "other": kernel(target, adapt)}
    with pytest.raises(MeasurementError, match=f"page.test: kernel other at n=64: .*{reason}"):
        run(case(kernels=kernels))
    assert not results.exists()


def test_a_failure_leaves_the_record_that_was_there(results, kernel_file):
    run(case())
    before = (results / "page.test.json").read_bytes()
    kernel_file.write_text(SOURCE + "def again(x, out):\n    raise ValueError\n")
    with pytest.raises(MeasurementError, match="kernel again at n=64: raised ValueError"):
        run(case())
    assert (results / "page.test.json").read_bytes() == before


def test_inputs_that_cannot_be_made_are_named(results):
    with pytest.raises(MeasurementError, match="make inputs at n=-1: raised ValueError"):
        run(case(n=-1))


def test_the_failing_case_is_named_among_several(results):
    with open("k.py", "a") as file:
        file.write(
            "\ndef small_only(x, out):\n    double(x, out)\n    assert len(x) < 100, 'big'\n"
        )
    with pytest.raises(MeasurementError, match="kernel small_only at n=128: raised AssertionError"):
        run(case("small_only", n=64), case("small_only", n=128))


# --- with workers that answer from memory ---------------------------------------------------------


def answer(job):
    """Return what a worker would: samples of one millisecond."""

    def entry():
        return {
            "first_call_ns": 5000, "loops": 2, "samples_ns": [10**6] * 3,
            "involuntary_switches": [0] * 3,
        }  # fmt: skip

    cases = [
        {
            "kernels": {name: entry() for name in case["kernels"]},
            "again": entry(),
            "memory": {name: {"peak_alloc_bytes": 0} for name in case["kernels"]},
        }
        for case in job["cases"]
    ]
    return {
        "cases": cases, "clock": {"resolution_ns": 30, "overhead_ns": 40.0},
        "software": machine.software(), "peak_resident_bytes": 2**20,
    }  # fmt: skip


class Workers:
    """Counts the processes that would have been started."""

    def __init__(self):
        self.jobs = []

    def __call__(self, job, environ, time_limit_s, watch):
        self.jobs.append(json.loads(json.dumps(job)))
        return answer(job)


@pytest.fixture
def workers(monkeypatch, results):
    workers = Workers()
    monkeypatch.setattr(isolate, "run", workers)
    return workers


def started(workers, *cases, **changes):
    """Run the experiment and return how many times it was measured: 0 or 1."""
    before = len(workers.jobs)
    record = run(*(cases or (case(),)), **changes)
    return (len(workers.jobs) - before) / record.protocol["processes"]


def test_an_unchanged_plan_reuses_the_record_and_starts_no_worker(workers):
    assert started(workers) == 1
    assert started(workers) == 0


def test_the_reused_record_is_the_one_that_was_measured(workers):
    assert run(case()).data == run(case()).data


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "sequential"},
        {"rounds": 4},
        {"min_sample_ns": 20_000},
        {"warmup_s": 0.1},
        {"threads": 2},
        {"cache": "cold"},
        {"budget_s": 2},
    ],
)
def test_a_changed_protocol_is_measured_again(workers, changes):
    started(workers)
    assert started(workers, **changes) == 1


@pytest.mark.parametrize(
    "changed",
    [
        case(n=65),
        case("again", "double"),
        case("double"),
        case(flops=1),
        case(mutates=(0,)),
        case(baseline="again"),
    ],
)
def test_changed_cases_are_measured_again(workers, changed):
    started(workers)
    assert started(workers, changed) == 1


def test_another_case_is_measured_with_the_others(workers):
    started(workers)
    assert started(workers, case(), case(n=65)) == 1


def test_an_edited_package_is_measured_again(workers, monkeypatch):
    started(workers)
    monkeypatch.setattr(plan, "package_digest", lambda: "edited")
    assert started(workers) == 1
    assert started(workers) == 0


def test_another_machine_is_measured_again(workers, monkeypatch):
    started(workers)
    monkeypatch.setattr(machine, "fingerprint", lambda here, software: "f" * 16)
    assert started(workers) == 1


def test_another_profile_is_measured_again(workers, monkeypatch):
    started(workers)
    monkeypatch.setenv("ACCEL_PROFILE", "quick")
    assert started(workers) == 1
    assert records.load("page.test").profile == "quick"


def test_an_edited_kernel_file_is_measured_again(workers, kernel_file):
    started(workers)
    kernel_file.write_text(SOURCE + "\n# changed\n")
    assert started(workers) == 1


@pytest.mark.parametrize("role", ["inputs", "oracle"])
def test_edited_files_of_inputs_and_oracle_are_measured_again(workers, tmp_path, role):
    other = tmp_path / "other.py"
    other.write_text(SOURCE)
    apart = case(**{role: f"other.py:{role}"})
    started(workers, apart)
    other.write_text(SOURCE + "\n# changed\n")
    assert started(workers, apart) == 1


def test_measuring_again_can_be_asked_for(workers, monkeypatch):
    started(workers)
    monkeypatch.setenv("ACCEL_REMEASURE", "1")
    assert started(workers) == 1
    monkeypatch.setenv("ACCEL_REMEASURE", "0")
    assert started(workers) == 0


def test_a_forced_slower_rival_in_the_shell_does_not_cause_measuring_again(workers, monkeypatch):
    started(workers)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert started(workers) == 0


def test_libraries_that_only_a_kernel_loads_do_not_cause_measuring_again(workers, monkeypatch):
    def with_another_blas(job, *ignored):
        told = answer(job)
        told["software"]["blas"].append(
            {"name": "mkl", "version": "1", "kernel_family": None, "threads": 1}
        )
        return told

    monkeypatch.setattr(isolate, "run", with_another_blas)
    assert run(case()).software["blas"][-1]["name"] == "mkl"
    monkeypatch.setattr(isolate, "run", workers)
    assert started(workers) == 0


def test_a_damaged_record_is_refused_by_name_and_not_overwritten(workers, results):
    started(workers)
    (results / "page.test.json").write_text('{"kind": "accel-record", "schema": 99}')
    with pytest.raises(records.RecordError, match="page.test.json: record schema 99"):
        run(case())


def test_the_package_digest_follows_every_file_of_the_package(tmp_path, monkeypatch):
    (tmp_path / "accel" / "timing").mkdir(parents=True)
    module = tmp_path / "accel" / "timing" / "experiment.py"
    module.write_text("a = 1\n")
    monkeypatch.setattr(plan, "__file__", str(module))
    digests = [plan.package_digest.__wrapped__()]
    module.write_text("a = 2\n")
    digests.append(plan.package_digest.__wrapped__())
    module.rename(module.with_name("renamed.py"))
    digests.append(plan.package_digest.__wrapped__())
    (tmp_path / "accel" / "new.py").write_text("")
    digests.append(plan.package_digest.__wrapped__())
    assert len(set(digests)) == 4
    (tmp_path / "accel" / "notes.txt").write_text("prose")
    assert plan.package_digest.__wrapped__() == digests[-1]


def test_each_process_gets_an_equal_share_of_the_time_that_is_left(monkeypatch, workers, clock):
    """Budget 60 s, six processes; the second takes 20 s instead of its ten."""
    monkeypatch.setattr(experiment.time, "monotonic", lambda: clock() / 1e9)
    lasts_s = [10, 20, 5, 10, 10, 5]

    def take_time(job, *ignored):
        clock.spend(lasts_s[job["process"]] * 10**9)
        return workers(job, *ignored)

    monkeypatch.setattr(isolate, "run", take_time)
    monkeypatch.setenv("ACCEL_PROFILE", "quick")
    record = run(case(), budget_s=60, processes=6)
    assert [job["budget_s"] for job in workers.jobs] == [10, 10, 7.5, 25 / 3, 7.5, 5]
    assert record.data["elapsed_s"] == 60


@pytest.mark.parametrize(("name", "budget_s"), [("quick", 10), ("standard", 50), ("publish", 150)])
def test_a_profile_multiplies_the_budget(workers, monkeypatch, name, budget_s):
    monkeypatch.setenv("ACCEL_PROFILE", name)
    assert run(case(), budget_s=10).data["budget_s"] == budget_s


def test_publishing_takes_twelve_processes_and_a_draft_six():
    processes = {name: p.protocol.processes for name, p in plan.PROFILES.items()}
    assert processes == {"quick": 6, "standard": 6, "publish": 12}


def test_the_profile_is_the_one_named_else_the_environments_else_standard(monkeypatch):
    assert plan.profile().name == "standard"
    monkeypatch.setenv("ACCEL_PROFILE", "publish")
    assert plan.profile().name == "publish"
    assert plan.profile("quick").name == "quick"


@pytest.mark.parametrize("name", ["fast", "QUICK"])
def test_an_unknown_profile_is_refused_with_those_there_are(monkeypatch, name):
    monkeypatch.setenv("ACCEL_PROFILE", name)
    with pytest.raises(
        ValueError, match=f"no profile '{name}'; choose one of quick, standard, publish"
    ):
        plan.profile()


def test_progress_is_one_line_of_json_for_each_event(workers, tmp_path, monkeypatch):
    progress = tmp_path / "progress.jsonl"
    monkeypatch.setenv("ACCEL_PROGRESS", str(progress))
    run(case())
    run(case())
    events = [json.loads(line) for line in progress.read_text().splitlines()]
    assert [event["event"] for event in events] == ["begin", "end", "fresh"]
    assert {(event["experiment"], event["script"]) for event in events} == {
        ("page.test", "plot_test.py")
    }
    assert {event["budget_s"] for event in events} == {5}


def test_progress_tells_the_share_that_is_done(workers, tmp_path, monkeypatch):
    progress = tmp_path / "progress.jsonl"
    monkeypatch.setenv("ACCEL_PROGRESS", str(progress))

    def watched(job, environ, time_limit_s, watch):
        watch({"step": "start"})
        watch({"step": "timing", "case": 1})
        return answer(job)

    monkeypatch.setattr(isolate, "run", watched)
    run(case(), case(n=65))
    events = [json.loads(line) for line in progress.read_text().splitlines()]
    assert [event["done"] for event in events if "done" in event] == [i / 12 for i in range(12)]


def test_progress_tells_the_error(workers, tmp_path, monkeypatch):
    progress = tmp_path / "progress.jsonl"
    monkeypatch.setenv("ACCEL_PROGRESS", str(progress))

    def fail(job, *ignored):
        raise isolate.WorkerFailed({"case": 0, "kernel": "again", "step": "timing"}, "broke")

    monkeypatch.setattr(isolate, "run", fail)
    with pytest.raises(MeasurementError):
        run(case())
    last = json.loads(progress.read_text().splitlines()[-1])
    assert last["event"] == "error"
    assert last["message"] == "plot_test.py: page.test: kernel again at n=64: broke"


def test_a_record_that_cannot_be_written_is_named(workers, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACCEL_RESULTS", str(tmp_path / "file" / "results"))
    with pytest.raises(
        records.RecordError, match="cannot write record .*page.test.json: Not a dir"
    ):
        run(case())


@pytest.mark.parametrize("content", ["{", '{"kind": "accel-record", "schema": 99}'])
def test_progress_tells_which_record_is_refused(workers, results, tmp_path, monkeypatch, content):
    results.mkdir()
    (results / "page.test.json").write_text(content)
    progress = tmp_path / "progress.jsonl"
    monkeypatch.setenv("ACCEL_PROGRESS", str(progress))
    with pytest.raises(records.RecordError):
        run(case())
    (event,) = map(json.loads, progress.read_text().splitlines())
    assert event["event"] == "error"
    assert event["message"].startswith("plot_test.py: page.test.json: ")


@pytest.mark.parametrize(
    "name", ["", "ladder", "Page.ladder", "a.b.c", "../a.b", "page.ladder.json"]
)
def test_a_name_that_is_not_page_and_experiment_is_refused(workers, name):
    with pytest.raises(ValueError, match=r"must look like page\.experiment"):
        measure(name, "?", [case()], budget_s=1)
    assert workers.jobs == []


def test_an_experiment_without_cases_is_refused(workers):
    with pytest.raises(ValueError, match="'page.test' has no cases"):
        run(*[])


def test_a_baseline_that_does_not_compete_is_refused():
    with pytest.raises(ValueError, match="baseline 'blas' is not among the kernels double, again"):
        case(baseline="blas")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"order": "random"}, "order must be one of .*'random'"),
        ({"cache": "lukewarm"}, "cache must be one of .*'lukewarm'"),
        ({"processes": 0}, "0 processes cannot support intervals of 0.95; measure at least 6"),
        ({"processes": 5}, "5 processes cannot support intervals of 0.95; measure at least 6"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"min_rounds": 0}, "min_rounds must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_a_protocol_that_cannot_be_followed_is_refused(workers, changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        run(case(), **changes)
    assert workers.jobs == []


@pytest.mark.parametrize(
    ("facts", "size"),
    [
        ({}, 64 * 2**20),
        ({"caches": None}, 64 * 2**20),
        ({"caches": [{"size_bytes": None}]}, 64 * 2**20),
        ({"caches": [{"size_bytes": 2**15}, {"size_bytes": 2**25}, {"size_bytes": 2**20}]}, 2**25),
    ],
)
def test_the_last_level_is_the_largest_cache_known(facts, size):
    assert experiment.last_level_bytes(facts) == size


@pytest.mark.parametrize(("threads", "stable"), [(1, False), (2, True), (3, True)])
def test_interruptions_count_against_a_case_where_a_core_was_left_for_others(
    workers, monkeypatch, threads, stable
):
    def interrupted(job, *ignored):
        busy = answer(job)
        for entry in (*busy["cases"][0]["kernels"].values(), busy["cases"][0]["again"]):
            entry["involuntary_switches"] = [10**6] * len(entry["samples_ns"])
        return busy

    here = {**machine.describe(), "logical_cores": 2}
    monkeypatch.setattr(machine, "describe", lambda: here)
    monkeypatch.setattr(isolate, "run", interrupted)
    plan_ = plan.Plan(
        "page.test", "How?", "plot_test.py", "quick",
        replace(plan.PROFILES["quick"].protocol, threads=threads), (case(),), 1.0, here,
    )  # fmt: skip
    assert experiment.run(plan_).cases[0].stable is stable


@pytest.mark.parametrize("steal", [0.0, 0.1, None])
def test_stolen_time_is_recorded_where_the_system_tells(workers, monkeypatch, steal):
    monkeypatch.setattr(machine, "steal_fraction", lambda before, after: steal)
    assert run(case()).data["steal"] == steal
