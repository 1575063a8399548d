"""Records for pyperf, tried on pyperf itself."""

import copy
import json
import statistics
import subprocess
import sys

import pyperf
import pytest
import synthetic

from accel.timing import Record, to_pyperf

AWKWARD = "two\nlines\t\x85 and \N{GRINNING FACE}"


def made(tiled=2e5, **changes):
    times = {"tiled": tiled, "blas": 1e5}
    cases = [synthetic.case(times, n=n, dtype="float32") for n in (64, 128)]
    return Record(copy.deepcopy(synthetic.record("page.ladder", cases, **changes)))


def run(*arguments):
    """Run pyperf's command, as somebody at a terminal does."""
    return subprocess.run(
        [sys.executable, "-m", "pyperf", *map(str, arguments)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(to_pyperf(made()))
    new.write_text(to_pyperf(made(tiled=3e5)))
    return old, new


def test_pyperf_compares_two_exported_records(files):
    answer = run("compare_to", *files, "--table")
    assert (answer.returncode, answer.stderr) == (0, "")
    (line,) = [line for line in answer.stdout.splitlines() if "n=64,dtype=float32/tiled" in line]
    assert "200 us" in line and "300 us: 1.50x slower" in line


@pytest.mark.parametrize("command", ["show", "stats", "check", "metadata"])
def test_pyperf_reads_an_exported_record(files, command):
    answer = run(command, files[0])
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "page.ladder/matmul/n=128,dtype=float32/blas" in answer.stdout or command == "check"


def loaded(record):
    return pyperf.BenchmarkSuite.loads(to_pyperf(record))


def test_there_is_one_benchmark_per_kernel_and_case_with_a_stable_name():
    names = loaded(made()).get_benchmark_names()
    assert names == [
        f"page.ladder/matmul/n={n},dtype=float32/{kernel}"
        for n in (64, 128) for kernel in ("tiled", "blas")
    ]  # fmt: skip
    assert names == loaded(made(tiled=3e5, profile="publish")).get_benchmark_names()


def test_each_process_is_a_run_with_its_samples_in_seconds_and_the_first_call_as_warm_up():
    record = made()
    bench = loaded(record).get_benchmark("page.ladder/matmul/n=64,dtype=float32/tiled")
    case = record.case(n=64)
    for number, (exported, samples) in enumerate(
        zip(bench.get_runs(), case.samples("tiled"), strict=True)
    ):
        process = case.data["kernels"]["tiled"]["processes"][number]
        assert exported.values == pytest.approx([ns * 1e-9 for ns in samples], rel=1e-15)
        assert exported.get_loops() == process["loops"]
        assert exported.warmups == ((1, process["first_call_ns"] / 1e9),)
    every = [ns * 1e-9 for samples in case.samples("tiled") for ns in samples]
    assert bench.median() == pytest.approx(statistics.median(every))
    assert bench.get_unit() == "second"


def test_metadata_are_scalars_that_say_what_was_run():
    metadata = loaded(made()).get_metadata()
    assert all(type(value) in (int, float, str) for value in metadata.values())
    assert metadata["cpu_model_name"] == "Imaginary Processor 9000"
    assert metadata["python_version"] == "3.11.7"
    assert metadata["accel_experiment"] == "page.ladder"
    assert "SkylakeX" in metadata["accel_blas"]
    assert "hostname" not in metadata


@pytest.mark.parametrize("strange", [AWKWARD, "", "   ", None, [], {"a": [1]}, True, 0, 1.5])
def test_strange_facts_and_names_are_exported_all_the_same(strange):
    record = made()
    record.data["machine"] = dict.fromkeys(record.machine, strange)
    record.data["software"] = dict.fromkeys(record.software, strange)
    record.data["protocol"]["order"] = strange
    if isinstance(strange, str):
        record.data.update(experiment=strange, created=strange, profile=strange)
        record.data["cases"][0].update(operation=strange, parameters={})
        record.data["cases"][0]["kernels"][strange] = record.data["cases"][0]["kernels"]["tiled"]
    suite = loaded(record)
    assert len(suite) == sum(len(case.kernels) for case in record.cases)
    assert all(name.strip() and "\n" not in name for name in suite.get_benchmark_names())


def test_equal_names_are_told_apart():
    record = made()
    record.data["cases"].append(record.data["cases"][0])
    names = loaded(record).get_benchmark_names()
    assert len(set(names)) == len(names) == 6
    assert names[-1] == "page.ladder/matmul/n=64,dtype=float32/blas#2"


def test_the_extremes_of_a_record_are_exported():
    record = made()
    process = record.data["cases"][0]["kernels"]["tiled"]["processes"][0]
    process.update(first_call_ns=0, loops=2**63 - 1)
    process["samples_ns"][0] = 1
    process["samples_ns"][1] = 2**63 - 1
    assert min(loaded(record).get_benchmarks()[0].get_values()) > 0


def test_a_record_of_too_few_processes_for_an_interval_is_exported():
    cases = [synthetic.case({"a": 1e5}, n=8)]
    for entry in (cases[0]["kernels"]["a"], cases[0]["again"]):
        entry["processes"] = entry["processes"][:1]
    assert loaded(Record(synthetic.record("page.one", cases))).get_benchmarks()[0].get_nrun() == 1


def test_the_text_is_json_of_version_1():
    assert json.loads(to_pyperf(made()))["version"] == "1.0"
