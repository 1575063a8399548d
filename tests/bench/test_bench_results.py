"""A run comes back from its file as it was; what is no run is refused."""

import json

import invented
import pytest

from accel.bench import BenchError, read, results
from accel.timing import RecordError, records


@pytest.fixture
def bench():
    return invented.bench(invented.entry("relu", [invented.case()]))


def test_a_run_comes_back(bench, tmp_path):
    results.write(tmp_path / "b.json", bench.data)
    found = read(tmp_path / "b.json")
    assert found == bench
    assert found.peers == ["NumPy", "PyTorch"]
    assert found.entries[0].record.experiment == "bench.relu_float32"
    assert found.roofs.peak_gflops("float32").value == pytest.approx(224, rel=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "accel-record"}, "not a run of accel bench"),
        ({"schema": 2}, "schema 2, this version reads 1"),
        ({"schema": None}, "schema None"),
        ({"entries": None}, "missing entries"),
        ({"created": 7}, "missing created"),
        ({"removed_overrides": []}, "missing roofs or overrides"),
        ({"entries": [{"operation": "relu"}]}, "entry 0 lacks"),
    ],
)
def test_what_is_no_run_is_refused(bench, tmp_path, change, complaint):
    path = tmp_path / "b.json"
    path.write_text(json.dumps({**bench.data, **change}))
    with pytest.raises(BenchError, match=complaint):
        read(path)


def test_a_damaged_record_within_is_named(bench, tmp_path):
    path = tmp_path / "b.json"
    entry = {**bench.data["entries"][0]}
    entry["record"] = {**entry["record"], "cases": []}
    path.write_text(json.dumps({**bench.data, "entries": [entry]}))
    with pytest.raises(BenchError, match="entry 0: cases must be"):
        read(path)


@pytest.mark.parametrize("content", ["", "{", '{"kind": NaN}'])
def test_damaged_json_is_refused(tmp_path, content):
    path = tmp_path / "b.json"
    path.write_text(content)
    with pytest.raises(BenchError, match="b.json: damaged JSON"):
        read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BenchError, match="cannot be read"):
        read(tmp_path / "absent.json")


def test_a_record_is_never_written_over(bench, tmp_path):
    record = bench.data["entries"][0]["record"]
    path = records.write(record, tmp_path)
    with pytest.raises(RecordError, match="a record is there"):
        results.write(path, bench.data)


@pytest.mark.parametrize("place", ["absent/b.json", "."])
def test_what_cannot_be_written_is_known_beforehand(tmp_path, place):
    with pytest.raises(BenchError, match="cannot write"):
        results.check_writable(tmp_path / place)


def test_asking_leaves_nothing_behind(tmp_path):
    results.check_writable(tmp_path / "b.json")
    assert list(tmp_path.iterdir()) == []
