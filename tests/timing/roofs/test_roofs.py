"""Roofs: cases sized for a machine, ceilings read from records, kept and measured anew."""

import json
from dataclasses import asdict, replace

import pytest
import synthetic
import synthetic_roofs
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import records, roofs, worker
from accel.timing.plan import Case, Protocol, identity
from accel.timing.records import Record
from accel.timing.roofs import cases as planned
from accel.timing.roofs import keeping, probes

FACTS = {**synthetic_roofs.MACHINE, "virtualised": True}
ROOFS = synthetic_roofs.roofs()


# --- cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "counts"),
    [(None, [1]), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])],
)
def test_threads_double_up_to_all_of_them(cores, counts):
    assert planned.thread_counts(cores) == counts


@pytest.mark.parametrize("bits", [None, 128, 256, 512])
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_every_peak_case_has_its_widest_registers_as_baseline_and_a_count_that_fits(
    bits, architecture
):
    facts = {**FACTS, "vector_bits": bits, "architecture": architecture, "logical_cores": 8}
    cases = roofs.peak_cases(facts)
    assert {(c.parameters["dtype"], c.parameters["threads"]) for c in cases} == {
        (dtype, threads) for dtype in ("float32", "float64") for threads in (1, 2, 4, 8)
    }
    for case in cases:
        assert case.baseline == f"bits_{bits or 128}"
        assert ("scalar" in case.kernels) == (case.parameters["threads"] == 1)
        probes.fma_oracle(*probes.fma_inputs(**case.parameters))  # refuses a count too large
        lanes = (bits or 128) // (32 if case.parameters["dtype"] == "float32" else 64)
        each = 2 * lanes * case.parameters["chains"] * case.parameters["steps"]
        assert case.flops == each * case.parameters["threads"]


def test_between_one_thread_and_all_only_the_widest_registers_run():
    kernels = {
        c.parameters["threads"]: list(c.kernels)
        for c in roofs.peak_cases({**FACTS, "logical_cores": 4})
        if c.parameters["dtype"] == "float64"
    }
    assert kernels == {
        1: ["bits_512", "bits_256", "bits_128", "scalar"],
        2: ["bits_512"],
        4: ["bits_512", "bits_256", "bits_128"],
    }


def test_a_processor_of_unknown_kind_gets_more_chains_than_any_ports_need():
    facts = {**FACTS, "architecture": "aarch64"}
    assert {c.parameters["chains"] for c in roofs.peak_cases(facts)} == {16}


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_the_footprint_of_a_case_is_what_its_arrays_take(cores):
    for case in roofs.bandwidth_cases({**FACTS, "logical_cores": cores}):
        probe, footprint = case.parameters["probe"], case.parameters["footprint_bytes"]
        assert probes.elements(probe, footprint) * 8 * probes.ARRAYS[probe] == footprint
        assert case.compulsory_bytes == case.parameters["passes"] * footprint
        assert case.operation == case.baseline == probe


def footprints(facts, probe="load", threads=1):
    return [
        case.parameters["footprint_bytes"]
        for case in roofs.bandwidth_cases(facts)
        if case.operation == probe and case.parameters["threads"] == threads
    ]


def test_footprints_rise_from_inside_the_first_cache_to_beyond_the_last():
    sizes = footprints(FACTS)
    assert sizes == sorted(set(sizes))
    assert sizes[0] <= 16 * 2**10 and sizes[-1] == 4 * 32 * 2**20
    assert all(b < 1.6 * a for a, b in zip(sizes, sizes[1:], strict=False))


def test_stores_past_the_caches_are_tried_beyond_the_near_ones():
    for threads in (1, 2):
        assert min(footprints(FACTS, "streaming", threads)) >= threads * planned.STREAMING_BYTES


def test_several_last_level_caches_count_together():
    third = {**synthetic_roofs.CACHES[2], "cpus": 8, "shared_by": 4}
    facts = {**FACTS, "caches": [*synthetic_roofs.CACHES[:2], third]}
    assert planned.all_last_level_bytes(facts) == 2 * 32 * 2**20


@pytest.mark.parametrize("caches", [None, [], [{**synthetic_roofs.CACHES[2], "size_bytes": None}]])
def test_unknown_caches_are_taken_for_usual_ones(caches):
    assert footprints({**FACTS, "caches": caches})[-1] == 128 * 2**20


def test_footprints_leave_most_of_a_small_memory_alone_and_never_take_more_than_the_limit():
    assert max(footprints({**FACTS, "memory_bytes": 2**28})) == 2**25
    huge = {**synthetic_roofs.CACHES[2], "size_bytes": 2**30}
    facts = {**FACTS, "caches": [huge], "memory_bytes": None}
    assert max(footprints(facts)) == planned.LARGEST
    assert max(footprints(facts, "triad", threads=2)) < 1.01 * planned.LARGEST


def test_even_a_machine_of_one_core_and_no_memory_gets_a_case():
    facts = {**FACTS, "logical_cores": 1, "memory_bytes": 8 * 2**10}
    cases = roofs.bandwidth_cases(facts)
    assert {case.operation for case in cases} == set(roofs.PROBES)
    assert {case.parameters["threads"] for case in cases} == {1}


# --- reading -------------------------------------------------------------------------------------


def test_the_peak_is_that_of_the_widest_registers():
    assert ROOFS.peak_gflops().value == pytest.approx(224, rel=0.01)
    assert ROOFS.peak_gflops("float64", threads=2).value == pytest.approx(224, rel=0.01)
    assert ROOFS.threads() == [1, 2]


@pytest.mark.parametrize(("dtype", "threads"), [("float16", 1), ("float32", 3)])
def test_a_peak_that_was_not_measured_is_an_error_that_lists_what_was(dtype, threads):
    with pytest.raises(roofs.RoofError, match="no roof for .*; there are .*float32, threads=1"):
        ROOFS.peak_gflops(dtype, threads)


@pytest.mark.parametrize(
    ("footprint", "gbs"),
    [(0, 200), (1, 200), (2**15, 200), (2**16 - 1, 200), (2**16, 100), (2**20, 100),
     (3 * 2**20, 50), (2**26, 20), (2**50, 20)],
)  # fmt: skip
def test_bandwidth_is_that_of_the_largest_footprint_not_above(footprint, gbs):
    assert ROOFS.bandwidth_gbs(footprint, "load").value == pytest.approx(gbs, rel=0.01)


@given(st.floats(1, 2**40))
def test_the_bandwidth_roof_is_never_below_what_was_measured_at_the_next_footprint(footprint):
    above = [rate for size, rate in ROOFS.curve("load").items() if size >= footprint]
    assert all(ROOFS.bandwidth_gbs(footprint, "load").value >= 0.99 * r.value for r in above)


def test_without_a_probe_the_best_counts():
    assert ROOFS.bandwidth_gbs(2**14) == ROOFS.bandwidth_gbs(2**14, "triad")
    assert ROOFS.bandwidth_gbs(2**14, threads=2).value == pytest.approx(440, rel=0.01)


def test_stores_past_the_caches_raise_the_roof_of_memory_and_of_nothing_else():
    memory, near = 2**27, 2**20
    assert ROOFS.bandwidth_gbs(memory) == ROOFS.bandwidth_gbs(memory, "streaming")
    assert ROOFS.bandwidth_gbs(near) == ROOFS.bandwidth_gbs(near, "triad")


def test_a_level_shows_the_probes_that_were_tried_there():
    levels = ROOFS.levels()
    assert set(levels[0].bandwidth) == {"load", "copy", "triad"}
    assert set(levels[-1].bandwidth) == set(roofs.PROBES) == set(ROOFS.probes())


@pytest.mark.parametrize(("probe", "threads"), [("scale", 1), ("load", 64)])
def test_a_bandwidth_that_was_not_measured_is_an_error_that_lists_what_was(probe, threads):
    with pytest.raises(roofs.RoofError, match="there are .*probe=triad, threads=2"):
        ROOFS.bandwidth_gbs(2**14, probe, threads)


def test_latency_is_per_access():
    assert ROOFS.latency_ns(2**12).value == pytest.approx(1.2, rel=0.01)
    assert ROOFS.latency_ns(2**40).value == pytest.approx(90, rel=0.01)


def test_latency_that_was_not_measured_is_an_error_that_says_how_to():
    with pytest.raises(roofs.RoofError, match="accel machine --roofs"):
        synthetic_roofs.roofs(complete=False).latency_ns(2**12)


@pytest.mark.parametrize("complete", [True, False])
def test_levels_end_where_the_curve_says_and_have_the_names_of_their_caches(complete):
    levels = synthetic_roofs.roofs(complete).levels()
    assert [level.name for level in levels] == ["L1", "L2", "L3", "memory"]
    for level, (end, gbs) in zip(levels[:3], synthetic_roofs.LEVELS, strict=False):
        assert end <= level.capacity_bytes <= 2 * end
        assert level.bandwidth["load"].value == pytest.approx(gbs, rel=0.01)
    assert levels[-1].capacity_bytes is None
    assert (levels[-1].latency is None) == (not complete)


@pytest.mark.parametrize(
    ("ends", "stated", "names"),
    [
        ([], {}, ["memory"]),
        ([2**15], {}, ["level 1", "memory"]),
        ([2**15], {1: 2**15, 2: 2**20}, ["L1", "L2 and memory"]),
        ([2**15, 2**25], {1: 2**15, 2: 2**20, 3: 2**25}, ["L1", "L2 and L3", "memory"]),
        ([2**15, 2**19, 2**24], {1: 2**15, 2: 2**20, 3: 2**25}, ["L1", "L2", "L3", "memory"]),
        ([2**12, 2**15], {1: 2**15}, ["part of L1", "L1", "memory"]),
        ([2**15, 2**27], {1: 2**15}, ["L1", "part of memory", "memory"]),
    ],
)
def test_a_level_is_called_after_the_caches_that_end_in_it(ends, stated, names):
    assert roofs.level_names(ends, stated) == names


@pytest.mark.parametrize("threads", [1, 2])
def test_the_fastest_sample_bounds_the_median_from_above(threads):
    here = synthetic_roofs.roofs()
    assert here.fastest_gflops("float32", threads) >= here.peak_gflops("float32", threads).high
    for footprint in (1, 2**14, 2**20, 2**26, 2**40):
        fastest = here.fastest_gbs(footprint, threads)
        assert fastest >= here.bandwidth_gbs(footprint, threads=threads).value


def test_roofs_are_as_old_as_their_oldest_record():
    old = Record(synthetic_roofs.latency(created="2020-02-02T00:00:00+00:00"))
    assert replace(ROOFS, latency=old).created == "2020-02-02T00:00:00+00:00"


def test_records_of_two_machines_are_not_one_set_of_roofs():
    other = Record(synthetic_roofs.bandwidth(fingerprint="fedcba9876543210"))
    with pytest.raises(roofs.RoofError, match="roofs.bandwidth is of machine fedcba9876543210"):
        replace(ROOFS, bandwidth=other)


@pytest.mark.parametrize("part", ["peak", "bandwidth", "latency", "chains"])
def test_a_record_of_something_else_is_no_roof(part):
    with pytest.raises(roofs.RoofError, match="block_it.ladder: expected cases of"):
        replace(ROOFS, **{part: Record(synthetic.ladder())})


# --- kept, and measured anew ---------------------------------------------------------------------

PARTS = ("peak", "bandwidth", "latency", "chains")


@pytest.fixture
def cache(tmp_path, monkeypatch, results):
    """An empty cache, and no cases: what would be measured is only noted down."""
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    parts = [replace(part, cases=lambda: [NOTHING]) for part in keeping.PARTS]
    monkeypatch.setattr(keeping, "PARTS", tuple(parts))
    return keeping.cache_folder()


NOTHING = Case("fma", {}, "a:b", "a:b", {"k": {"target": "a:b", "adapt": None}}, "k")


@pytest.fixture
def measured(monkeypatch):
    """The names of what was measured; instead of measuring, invented records are written."""
    names = []

    def run(plan, folder=None):
        names.append(plan.experiment.removeprefix("roofs."))
        data = made(names[-1], definition=plan.digest())
        records.write({**data, "experiment": plan.experiment}, folder)
        return Record(data)

    monkeypatch.setattr(keeping.experiment, "run", run)
    return names


def made(part, definition="1" * 64, **changes):
    sources = {"accel": "0" * 64, "definition": definition}
    here = {"fingerprint": identity()["fingerprint"], "sources": sources}
    return getattr(synthetic_roofs, part)(**{**here, **changes})


def put(folder, name, data):
    return records.write({**data, "experiment": name}, folder)


def test_what_nobody_has_measured_is_measured_once_and_kept(cache, measured, capsys):
    roofs.here()
    assert measured == list(PARTS)
    assert "takes most of a minute" in capsys.readouterr().err
    assert sorted(path.name for path in cache.iterdir()) == [
        "roofs.bandwidth.json", "roofs.chains.json", "roofs.latency.json", "roofs.peak.json",
    ]  # fmt: skip
    again = roofs.here()
    assert measured == list(PARTS)
    assert capsys.readouterr().err == ""
    assert again.peak_gflops().value == pytest.approx(224, rel=0.01)


def test_the_cache_is_of_one_fingerprint_below_the_folder_that_is_named(cache, tmp_path):
    assert cache == tmp_path / "cache" / "roofs" / identity()["fingerprint"]


def test_without_a_variable_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("ACCEL_CACHE", raising=False)
    monkeypatch.setattr(keeping.platformdirs, "user_cache_dir", lambda name: tmp_path / name)
    assert keeping.cache_folder().parent == tmp_path / "accel" / "roofs"


def test_records_of_the_build_come_first_and_nothing_is_measured(cache, measured, results):
    put(results, "roofs.peak", made("peak", created="2026-01-01T00:00:00+00:00"))
    put(results, "roofs.bandwidth", made("bandwidth"))
    found = roofs.here()
    assert measured == []
    assert found.created == "2026-01-01T00:00:00+00:00"
    assert found.latency is None and found.chains is None


def test_latency_of_the_build_is_taken_along(cache, measured, results):
    put(results, "roofs.peak", made("peak"))
    put(results, "roofs.bandwidth", made("bandwidth"))
    put(results, "mountain.latency", made("latency"))
    assert roofs.here().latency_ns(2**12).value == pytest.approx(1.2, rel=0.01)
    assert measured == []


def test_who_wants_all_gets_what_is_missing_measured(cache, measured, results):
    put(results, "roofs.peak", made("peak"))
    put(results, "roofs.bandwidth", made("bandwidth"))
    assert roofs.here(complete=True).chains is not None
    assert measured == ["latency", "chains"]


def test_measuring_again_looks_at_nothing_that_is_there(cache, measured, results):
    put(results, "roofs.peak", made("peak"))
    put(results, "roofs.bandwidth", made("bandwidth"))
    roofs.here(remeasure=True)
    assert measured == list(PARTS)


def test_the_build_of_another_machine_is_passed_over_aloud(cache, measured, results, capsys):
    put(results, "roofs.peak", made("peak", fingerprint="fedcba9876543210"))
    roofs.here()
    assert measured == list(PARTS)
    assert "the last build's roofs.peak is of another machine" in capsys.readouterr().err


def damaged(path):
    path.write_text(path.read_text()[:1000])


def of_another_schema(path):
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


def of_another_machine(path):
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "f" * 16}))


def of_other_probes(path):
    data = json.loads(path.read_text())
    data["sources"]["definition"] = "2" * 64
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, "roofs.peak.json: not a record but damaged JSON"),
        (of_another_schema, "record schema 99, this version reads"),
        (of_another_machine, "of another machine, or other libraries"),
        (of_other_probes, "measured with other probes"),
    ],
)
def test_a_kept_record_of_no_use_is_replaced_and_never_silently(
    cache, measured, capsys, spoil, reason
):
    roofs.here()
    measured.clear()
    capsys.readouterr()
    spoil(cache / "roofs.peak.json")
    roofs.here()
    assert measured == ["peak"]
    assert reason in capsys.readouterr().err
    assert roofs.here().peak_gflops().value == pytest.approx(224, rel=0.01)


def test_a_cache_that_cannot_be_written_is_an_error_before_anything_is_measured(
    cache, measured, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(roofs.RoofError, match="cannot be kept in .*; set ACCEL_CACHE"):
        roofs.here()
    assert measured == []


def test_every_kind_of_case_passes_through_a_worker(tmp_path):
    """The smallest case of each operation and number of threads, in this process."""
    facts = {**keeping.machine.describe(), "logical_cores": 2}
    cases = {
        (case.operation, case.parameters["threads"]): case
        for case in reversed([*roofs.peak_cases(facts), *roofs.bandwidth_cases(facts)])
    }
    assert len(cases) == 10
    protocol = Protocol(6, 3, 3, 1, 0.0, 60, threads=10_000)
    job = {"process": 0, "protocol": asdict(protocol), "budget_s": 0.01, "last_level_bytes": 2**20}
    with open(tmp_path / "board", "w+b", buffering=0) as file:
        answer = worker.run_job(
            {**job, "cases": [asdict(case) for case in cases.values()]}, worker.Board(file)
        )
    for case, share in zip(cases.values(), answer["cases"], strict=True):
        assert set(share["kernels"]) == set(case.kernels)
        assert all(min(k["samples_ns"]) > 0 for k in share["kernels"].values())
