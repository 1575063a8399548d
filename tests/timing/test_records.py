import copy
import errno
import json
import os

import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.timing import noise, records
from accel.timing.records import Record, RecordError
from accel.timing.stats import Interval


def small():
    """Return a record of two cases with two kernels each."""
    cases = [
        synthetic.case({"mine": 2e5, "blas": 1e5}, n=n, dtype="float32", rounds=4)
        for n in (64, 128)
    ]
    return copy.deepcopy(synthetic.record("page.small", cases))


@pytest.fixture
def record():
    return Record(small())


@pytest.fixture
def written(results):
    return records.write(small())


def damaged(path, change):
    """Change the data in a record's file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


# --- views ---------------------------------------------------------------------------------------


def test_a_record_says_what_it_is(record):
    assert record.experiment == "page.small"
    assert record.question == "What does page.small cost?"
    assert (record.profile, record.created[:4]) == ("quick", "2026")
    assert record.machine["architecture"] == "x86_64"
    assert record.software["numpy"] == "2.4.6"
    assert record.clock["overhead_ns"] == 40
    assert record.protocol["order"] == "williams"
    assert record.fingerprint == "0123456789abcdef"


def test_a_case_says_what_was_measured(record):
    case = record.cases[0]
    assert case.operation == "matmul"
    assert case.parameters == {"n": 64, "dtype": "float32"}
    assert case.label == "n=64, dtype=float32"
    assert (case.kernels, case.baseline) == (["mine", "blas"], "blas")
    assert (case.flops, case.compulsory_bytes) == (2 * 64**3, 12 * 64**2)
    assert (case.instrument("blas"), case.story("mine")) == ("NumPy", "what mine removes")
    assert case.peak_alloc_bytes("mine") == 0
    assert (case.stable, case.reasons) == (True, [])


def test_samples_are_times_of_one_call_in_time_order(record):
    case = record.cases[0]
    raw = record.data["cases"][0]["kernels"]["mine"]["processes"]
    assert case.samples("mine") == [[t / p["loops"] for t in p["samples_ns"]] for p in raw]
    assert case.first_call_ns("mine") == [p["first_call_ns"] for p in raw]
    assert [len(rounds) for rounds in case.samples_again()] == [4] * 6


def test_rates_come_from_the_declared_counts_and_turn_the_interval_round(record):
    case = record.cases[0]
    time = case.time_ns("mine")
    rate = case.gflops("mine")
    assert rate.value == case.flops / time.value
    assert (rate.low, rate.high) == (case.flops / time.high, case.flops / time.low)
    assert case.gigabytes_per_second("mine").value == case.compulsory_bytes / time.value


def test_speed_ups_and_verdicts_refer_to_the_baseline_unless_told_otherwise(record):
    case = record.cases[0]
    assert case.speedup("mine") == case.speedup("mine", over="blas")
    assert case.speedup("mine").value == pytest.approx(0.5, rel=0.05)
    assert case.speedup("blas", over="mine").value == pytest.approx(2, rel=0.05)
    assert case.verdict("mine") == "slower"
    assert case.verdict("blas", over="mine") == "faster"
    assert case.verdict("blas") == "not resolved"


def test_stored_summaries_are_what_the_views_compute(record):
    for case in record.cases:
        assert Interval(**case.data["resolution"]) == case.resolution
        for name, stored in case.data["kernels"].items():
            assert Interval(**stored["time_ns"]) == case.time_ns(name)
            assert Interval(**stored["speedup"]) == case.speedup(name)
            assert stored["verdict"] == case.verdict(name)


def test_an_unknown_kernel_is_named_beside_those_there_are(record):
    with pytest.raises(
        KeyError, match="no kernel 'cublas' at n=64, dtype=float32; there are mine, blas"
    ):
        record.cases[0].time_ns("cublas")


def test_a_case_is_found_by_some_of_its_parameters(record):
    assert record.case(n=128).parameters["n"] == 128


@pytest.mark.parametrize(
    ("wanted", "found"), [({"n": 65}, 0), ({"dtype": "float32"}, 2), ({}, 2), ({"m": 64}, 0)]
)
def test_a_case_that_is_missing_or_ambiguous_is_refused_with_the_choices(record, wanted, found):
    with pytest.raises(KeyError, match=f"{found} cases match.*n=64.*n=128"):
        record.case(**wanted)


@pytest.mark.parametrize(
    ("steal", "switches", "reason"),
    [
        (0.05, 0, "hypervisor"),
        (None, 9, "scheduler"),
    ],
)
def test_a_disturbed_case_is_unstable_and_says_why(steal, switches, reason):
    case = small()["cases"][0]
    for process in case["kernels"]["mine"]["processes"]:
        process["involuntary_switches"] = [switches] * 4
    judged = records.summarise(case, steal)
    assert judged["stable"] is False
    assert any(reason in words for words in judged["reasons"])
    assert {kernel["verdict"] for kernel in judged["kernels"].values()} == {"unstable"}


def test_where_no_core_is_left_for_others_interruptions_are_recorded_and_not_held_against_it():
    case = small()["cases"][0]
    for process in case["kernels"]["mine"]["processes"]:
        process["involuntary_switches"] = [9] * 4
    judged = records.summarise(case, None, spare_core=False)
    assert judged["disturbed"] > 0.2
    assert judged["stable"] is True
    assert records.summarise(case, 0.05, spare_core=False)["stable"] is False


def test_switches_that_the_system_does_not_count_disturb_nothing():
    case = small()["cases"][0]
    for process in case["again"]["processes"]:
        process["involuntary_switches"] = None
    judged = records.summarise(case, None)
    assert judged["disturbed"] is None
    assert judged["stable"] is True


# --- files ---------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(results):
    path = records.write(small())
    assert path == results / "page.small.json"
    assert records.read(path).data == small()
    assert records.load("page.small").data == small()
    assert records.names() == ["page.small"]


def test_a_record_replaces_the_one_before_and_leaves_no_other_file(written):
    records.write({**small(), "question": "Again?"})
    assert records.read(written).question == "Again?"
    assert os.listdir(written.parent) == ["page.small.json"]


def test_records_can_be_read_by_everybody(written):
    assert written.stat().st_mode & 0o777 == 0o644


def test_the_results_folder_is_in_the_build_folder_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = records.write(small())
    assert path.resolve() == tmp_path / "build" / "results" / "page.small.json"


def test_a_missing_record_is_named_beside_those_there_are(written):
    with pytest.raises(
        RecordError, match=r"no record of experiment 'page.large'; there are: page.small"
    ):
        records.load("page.large")


def test_without_any_record_the_message_says_what_to_do(results):
    with pytest.raises(RecordError, match="none yet: run `accel build`"):
        records.load("page.small")
    assert records.names() == []


@pytest.mark.parametrize("module_function", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_write_that_fails_leaves_the_old_record_and_no_temporary(
    written, monkeypatch, module_function, fault
):
    before = written.read_bytes()

    def fail(*arguments, **keywords):
        raise fault

    monkeypatch.setattr(os, module_function, fail)
    expected = RecordError if isinstance(fault, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        records.write({**small(), "question": "Never seen"})
    monkeypatch.undo()
    assert written.read_bytes() == before
    assert os.listdir(written.parent) == ["page.small.json"]
    if expected is RecordError:
        assert "page.small.json: No space left on device" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "results"
    with pytest.raises(
        RecordError, match="cannot write record .*file/results/page.small.json: Not a dir"
    ):
        records.write(small(), folder)


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), {1, 2}])
def test_a_value_that_is_no_json_is_refused_before_anything_is_written(written, strange):
    before = written.read_bytes()
    with pytest.raises(RecordError, match="cannot write record page.small.json"):
        records.write({**small(), "elapsed_s": strange})
    assert written.read_bytes() == before


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"kind": "accel-record", "schema": 1, "cas',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"kind": ' + b"9" * 5000 + b"}",
    ],
)
def test_damaged_json_is_refused_by_name(results, content):
    results.mkdir()
    (results / "page.small.json").write_bytes(content)
    with pytest.raises(
        RecordError, match="page.small.json: not a record but damaged JSON.*delete it"
    ):
        records.load("page.small")


@pytest.mark.parametrize(
    "content", ["null", "3", "[]", "{}", '"accel-record"', '{"kind": "pyperf"}']
)
def test_a_file_that_is_not_a_record_is_refused_by_name(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(RecordError, match="other.json: not a record .no kind 'accel-record'"):
        records.read(path)


@pytest.mark.parametrize("schema", [0, 2, 99, "1", None, [1]])
def test_a_record_of_another_schema_is_refused_by_name(written, schema):
    damaged(written, lambda data: data.update(schema=schema))
    with pytest.raises(RecordError, match="page.small.json: record schema .*this version reads 1"):
        records.read(written)


def test_a_future_record_is_refused_for_its_schema_whatever_else_it_holds(tmp_path):
    path = tmp_path / "future.json"
    path.write_text(json.dumps({"kind": "accel-record", "schema": 2, "wholly": "different"}))
    with pytest.raises(RecordError, match="schema 2"):
        records.read(path)


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, name):
    with pytest.raises(RecordError, match="cannot be read"):
        records.read(tmp_path / name)


@pytest.mark.parametrize("key", sorted(set(small()) - {"kind", "schema"}))
def test_each_key_of_a_record_is_needed(written, key):
    damaged(written, lambda data: data.pop(key))
    with pytest.raises(
        RecordError, match=f"page.small.json: damaged record: missing {key}; delete it"
    ):
        records.read(written)


def _process(data):
    return data["cases"][1]["kernels"]["mine"]["processes"][2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(cases={}), "cases must be a list of objects"),
        (lambda d: d.update(cases=[]), "cases must be .* at least one, not"),
        (lambda d: d.update(cases=[7]), "cases must be a list of objects"),
        (lambda d: d.update(machine=None), "machine must be an object, not None"),
        (lambda d: d.update(elapsed_s="12"), "elapsed_s must be a number, not '12'"),
        (lambda d: d["cases"][1].pop("again"), "case 1: missing again"),
        (lambda d: d["cases"][0].update(parameters=[1]), "case 0: parameters must be an object"),
        (lambda d: d["cases"][0].update(kernels=["mine"]), "case 0: kernels must be an object"),
        (lambda d: d["cases"][0].update(kernels={}), "case 0: baseline 'blas' is not among"),
        (lambda d: d["cases"][0].update(baseline="cublas"), "baseline 'cublas' is not among"),
        (lambda d: d["cases"][0].update(flops=-1), "flops must be a whole number, not negative"),
        (
            lambda d: d["cases"][0]["kernels"].update(mine=3),
            "kernel mine: must be an object, not 3",
        ),
        (lambda d: d["cases"][1]["kernels"]["mine"].pop("story"), "kernel mine: missing story"),
        (lambda d: d["cases"][1]["again"].update(processes=[]), "case 1: again: processes must be"),
        (
            lambda d: _process(d).update(samples_ns=[]),
            "mine: process 2: samples_ns must be .*at least one",
        ),
        (lambda d: _process(d).update(samples_ns=[1, 0, 1, 1]), "samples_ns must be .*positive"),
        (lambda d: _process(d).update(samples_ns=[1, "2", 1, 1]), "samples_ns must be"),
        (
            lambda d: _process(d).update(samples_ns=[1, 2, 3], involuntary_switches=None),
            "same processes and rounds",
        ),
        (
            lambda d: _process(d).update(involuntary_switches=[0]),
            "process 2: involuntary_switches must be one per sample, 4, not 1",
        ),
        (lambda d: _process(d).update(loops=0), "loops must be a positive whole number, not 0"),
        (lambda d: _process(d).update(loops=True), "loops must be a positive whole number"),
        (lambda d: _process(d).pop("first_call_ns"), "process 2: missing first_call_ns"),
        (
            lambda d: d["cases"][1]["kernels"]["mine"]["processes"].pop(),
            "same processes and rounds",
        ),
    ],
)
def test_damage_is_named_with_its_place(written, change, complaint):
    damaged(written, change)
    with pytest.raises(RecordError, match=rf"page\.small\.json: damaged record: .*{complaint}"):
        records.read(written)


def test_a_kernel_may_be_called_again(written):
    def add(data):
        kernels = data["cases"][0]["kernels"]
        kernels["again"] = copy.deepcopy(kernels["mine"])
        kernels["again"]["processes"][0]["loops"] = 0

    damaged(written, add)
    with pytest.raises(RecordError, match="again: process 0: loops"):
        records.read(written)


def _places(data, path=()):
    """Yield the path to every value inside JSON data."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*path, key))


WHOLE = small()
PLACES = sorted(_places(WHOLE), key=repr)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=200)
@given(place=st.sampled_from(PLACES), value=junk, remove=st.booleans())
def test_a_damaged_record_is_refused_or_every_view_of_it_works(folder, place, value, remove):
    data = copy.deepcopy(WHOLE)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    path = folder / "page.small.json"
    path.write_text(json.dumps(data))
    try:
        record = records.read(path)
    except RecordError as refusal:
        assert "page.small.json" in str(refusal)
        return
    look_at_everything(record)


def look_at_everything(record):
    assert isinstance(record.experiment + record.question + record.profile + record.created, str)
    assert record.machine is not None and record.software is not None
    for case in record.cases:
        assert case.label is not None and case.reasons is not None and case.flops >= 0
        assert case.resolution.low > 0
        for name in case.kernels:
            for over in case.kernels:
                assert case.speedup(name, over).low > 0
                assert case.verdict(name, over) in noise.VERDICTS
            assert case.time_ns(name).low > 0
            assert case.gflops(name).low >= 0
            assert case.first_call_ns(name) is not None
            assert case.story(name) + case.instrument(name) is not None


# --- folders, names, schemas ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "advice"),
    [
        (0, "it is older; measure again, or read it with the accel that wrote it"),
        (-3, "it is older"),
        (2, "it is newer; upgrade accel, or measure again"),
        (1.0, "not a schema at all; measure again"),
        (True, "not a schema at all; measure again"),
    ],
)
def test_a_record_of_another_schema_comes_with_what_to_do(written, schema, advice):
    damaged(written, lambda data: data.update(schema=schema))
    with pytest.raises(RecordError, match=advice):
        records.read(written)


def test_a_record_without_a_schema_is_refused(written):
    damaged(written, lambda data: data.pop("schema"))
    with pytest.raises(RecordError, match="page.small.json: record schema missing, .*again"):
        records.read(written)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"kind": "accel-record", "schema": 1, "elapsed_s": NaN}', "NaN is not a JSON number"),
        ('{"kind": "accel-record", "kind": "accel-record"}', "key 'kind' appears twice"),
        ("", "the file is empty"),
    ],
)
def test_json_that_python_lets_through_is_no_record(written, text, complaint):
    written.write_text(text)
    with pytest.raises(RecordError, match=f"page.small.json: not a record but .*{complaint}"):
        records.read(written)


def test_a_pipe_and_a_giant_are_no_records(results):
    results.mkdir()
    os.mkfifo(results / "page.pipe.json")
    with open(results / "page.giant.json", "wb") as file:
        file.truncate(2**30)
    with pytest.raises(RecordError, match=r"page\.pipe\.json: cannot be read: it is a named pipe"):
        records.load("page.pipe")
    with pytest.raises(RecordError, match=r"page\.giant\.json: cannot be read: .*1,073,741,824"):
        records.load("page.giant")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d["protocol"].update(threads="1"), "protocol: threads must be a positive"),
        (lambda d: d["protocol"].update(processes=0), "protocol: processes must be a positive"),
        (lambda d: d["protocol"].update(order=None), "protocol: order must be text"),
        (
            lambda d: d["cases"][0]["kernels"]["mine"].update(memory=[1]),
            "kernel mine: memory must be an object, not .1.",
        ),
    ],
)
def test_damage_of_what_pages_read_is_named(written, change, complaint):
    damaged(written, change)
    with pytest.raises(RecordError, match=complaint):
        records.read(written)


def test_keys_that_nobody_knows_are_allowed_everywhere(written):
    def add(data):
        case = data["cases"][0]
        places = data, data["clock"], data["protocol"], case, case["kernels"]["mine"], case["again"]
        for place in places:
            place["of_tomorrow"] = {"deep": [1]}

    assert records.read(damaged(written, add)).experiment == "page.small"


def test_a_record_under_the_name_of_another_is_refused(written):
    written.rename(written.with_name("page.large.json"))
    with pytest.raises(
        RecordError, match=r"page\.large\.json: holds experiment 'page\.small', .*rename or delete"
    ):
        records.load("page.large")


def test_a_folder_is_read_whole_and_what_claims_to_be_no_record_is_left_alone(written):
    folder = written.parent
    records.write({**small(), "experiment": "page.alone"})
    for name in ("notes.txt", ".page.half.json.x1", ".hidden.json", "page.small.json.orig"):
        (folder / name).write_text("{")
    (folder / "figures").mkdir()
    found = records.read_folder(folder)
    assert {name: record.experiment for name, record in found.items()} == {
        "page.alone.json": "page.alone",
        "page.small.json": "page.small",
    }
    assert records.names() == ["page.alone", "page.small"]


def test_every_unusable_file_of_a_folder_is_named(written):
    folder = written.parent
    (folder / "a.json").write_text("{")
    (folder / "b.json").mkdir()
    (folder / "c.json").write_text('{"kind": "accel-record", "schema": 2}')
    with pytest.raises(RecordError) as caught:
        records.read_folder(folder)
    assert "\n" not in str(caught.value)
    faults = "a.json: not a record", "b.json: cannot be read", "c.json: record schema 2"
    assert all(fault in str(caught.value) for fault in faults)


def test_two_records_of_one_experiment_in_a_folder_are_refused_by_name(written):
    (written.parent / "copy.json").write_bytes(written.read_bytes())
    with pytest.raises(
        RecordError, match="copy.json and page.small.json hold the same experiment 'page.small'"
    ):
        records.read_folder(written.parent)


def test_a_record_under_another_name_is_refused_in_a_folder_too(written):
    written.rename(written.with_name("yesterday.json"))
    with pytest.raises(RecordError, match="yesterday.json: holds experiment 'page.small'"):
        records.read_folder(written.parent)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("empty", "no records here"), ("absent", "No such file"), ("file", "Not a directory")],
)
def test_a_folder_without_records_is_named(tmp_path, name, complaint):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=f"{name}: .*{complaint}"):
        records.read_folder(tmp_path / name)


# --- other files ---------------------------------------------------------------------------------


def test_what_is_made_of_records_is_written_whole_and_over_the_last(tmp_path):
    path = tmp_path / "page.html"
    for text in ("first", "second"):
        records.write_text(path, text)
        assert path.read_text() == text
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_record_is_not_written_over(written):
    before = written.read_bytes()
    with pytest.raises(RecordError, match="a record is there; choose another name"):
        records.write_text(written, "a page")
    written.write_bytes(before[:200])  # damaged, and still somebody's
    with pytest.raises(RecordError, match="a record is there"):
        records.write_text(written, "a page")
    assert written.read_bytes() == before[:200]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("absent/x", "No such file"), ("pipe", "named pipe"), (".", "Is a directory"), ("\0", "null")],
)
def test_where_nothing_can_be_written_is_named(tmp_path, name, complaint):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordError, match=f"cannot write .*{complaint}"):
        records.write_text(tmp_path / name, "text")
    assert os.listdir(tmp_path) == ["pipe"]
