"""Two runs compared: what is said for which change, and what is not."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.timing import Comparison, Interval, Record, RecordError, compare, records, to_pyperf
from accel.timing.comparison import VERDICTS, differences

TIMES = {"naive": 4e6, "tiled": 2e5, "blas": 1e5}


def made(factors=(), experiment="page.ladder", drift=1.0, sizes=(64, 128), processes=6, **changes):
    """Return a record in which each kernel takes `TIMES` × its factor × `drift`."""
    times = {name: time * drift * dict(factors).get(name, 1) for name, time in TIMES.items()}
    cases = [
        synthetic.case(
            {name: time * n / 64 for name, time in times.items()},
            n=n,
            dtype="float32",
            processes=processes,
        )
        for n in sizes
    ]
    return Record(copy.deepcopy(synthetic.record(experiment, cases, **changes)))


def row(comparison, kernel, n=64):
    """Return the one row of a kernel."""
    (found,) = [
        row for row in comparison.rows if row.kernel == kernel and row.parameters.get("n") == n
    ]
    return found


def verdicts(comparison):
    return {(row.kernel, row.parameters.get("n")): row.verdict for row in comparison.rows}


# --- verdicts ------------------------------------------------------------------------------------


def test_a_run_against_itself_has_no_differences_and_resolves_nothing():
    found = compare(made(), made())
    assert isinstance(found, Comparison)
    assert found.differences == ()
    assert found.meaning == (
        "Same machine, software and code: ratios compare two moments of the machine."
    )
    assert set(verdicts(found).values()) == {"not resolved"}
    assert {round(r.absolute.value, 6) for r in found.rows} == {1}


@pytest.mark.parametrize(("factor", "verdict"), [(1.2, "slower"), (1 / 1.2, "faster")])
def test_one_kernel_that_changed_is_found_and_no_other(factor, verdict):
    found = compare(made(), made({"tiled": factor}))
    changed = {place for place, word in verdicts(found).items() if word != "not resolved"}
    assert changed == {("tiled", 64), ("tiled", 128)}
    tiled = row(found, "tiled")
    assert (tiled.verdict, tiled.baseline) == (verdict, "blas")
    assert tiled.relative.value == pytest.approx(1 / factor, rel=0.01)
    assert tiled.relative.low < 1 / factor < tiled.relative.high
    assert tiled.old_ns.value == pytest.approx(2e5, rel=0.01)
    assert tiled.new_ns.value == pytest.approx(2e5 * factor, rel=0.01)


def test_a_machine_that_is_slower_throughout_changes_no_verdict():
    found = compare(made(), made(drift=1.3))
    assert set(verdicts(found).values()) == {"not resolved"}
    assert row(found, "naive").relative.value == pytest.approx(1, rel=0.01)
    assert row(found, "naive").absolute.value == pytest.approx(1 / 1.3, rel=0.01)
    assert found.drift["page.ladder"] == pytest.approx(1 / 1.3, rel=0.01)


def test_a_regression_is_found_through_the_drift_of_the_machine():
    found = compare(made(), made({"tiled": 1.2}, drift=0.8))
    assert [r.kernel for r in found.slower] == ["tiled", "tiled"]
    assert row(found, "tiled").absolute.value > 1  # faster by the clock, and yet a regression


def test_a_baseline_is_judged_by_its_own_time_and_the_others_are_told():
    found = compare(made(), made({"blas": 1.5}))
    blas, tiled = row(found, "blas"), row(found, "tiled")
    assert (blas.verdict, blas.relative, blas.baseline) == ("slower", None, "")
    assert blas.judged == blas.absolute
    assert tiled.verdict == "faster"
    assert "relative to blas, which is slower itself" in tiled.why


def test_a_baseline_has_to_clear_the_drift_of_the_other_kernels():
    found = compare(made(), made({"blas": 1.05}, drift=1.2))
    blas = row(found, "blas")
    assert blas.absolute.high < 1 / 1.2
    assert blas.floor > 1.2
    assert blas.verdict == "slower"
    assert row(compare(made(), made(drift=1.2)), "blas").verdict == "not resolved"


def test_a_lone_kernel_shows_no_drift_and_says_so():
    alone = [
        Record(synthetic.record("page.alone", [synthetic.case({"mine": time}, n=8)]))
        for time in (1e5, 1.3e5)
    ]
    (only,) = compare(*alone).rows
    assert only.verdict == "slower"
    assert only.why == "no other kernel shows how far the machine drifted"


def test_the_floor_is_the_product_of_both_noise_floors():
    old, new = made(), made({"tiled": 1.001})
    found = row(compare(old, new), "tiled")
    alone = [row(compare(run, run), "tiled").floor for run in (old, new)]
    assert found.floor**2 == pytest.approx(alone[0] * alone[1])
    assert found.floor > 1


def test_a_change_within_the_noise_floor_is_not_resolved():
    old, new = made().data, made({"tiled": 1.2}).data
    for case in old["cases"]:
        for place, process in enumerate(case["again"]["processes"]):
            shift = 1.3 if place % 2 else 0.77
            process["samples_ns"] = [round(each * shift) for each in process["samples_ns"]]
    found = row(compare(Record(old), Record(new)), "tiled")
    assert found.relative.excludes(1)
    assert found.verdict == "not resolved"


@pytest.mark.parametrize("side", ["old", "new"])
def test_an_unstable_case_is_not_judged_and_the_side_is_named(side):
    runs = {"old": made().data, "new": made({"tiled": 2}).data}
    runs[side]["cases"][0].update(stable=False, reasons=["the hypervisor took 9 % of the time"])
    found = compare(Record(runs["old"]), Record(runs["new"]))
    tiled = row(found, "tiled")
    assert tiled.verdict == "unstable"
    assert tiled.why == f"{side}: the hypervisor took 9 % of the time"
    assert row(found, "tiled", n=128).verdict == "slower"
    assert len(found.judged) == 3


# --- partners ------------------------------------------------------------------------------------


def test_experiments_cases_and_kernels_without_a_partner_are_kept():
    old = [made(experiment="page.gone"), made(sizes=(64, 128))]
    new = [made(experiment="page.fresh"), made(sizes=(64, 256))]
    del new[1].data["cases"][0]["kernels"]["naive"]
    old[1].data["cases"][0]["kernels"].pop("tiled")
    found = compare(old, new)
    words = {(r.experiment, r.case, r.kernel): r.verdict for r in found.rows}
    case = "matmul at n={}, dtype=float32"
    assert words == {
        ("page.fresh", "", ""): "only in new",
        ("page.gone", "", ""): "only in old",
        ("page.ladder", case.format(64), "tiled"): "only in new",
        ("page.ladder", case.format(64), "blas"): "not resolved",
        ("page.ladder", case.format(64), "naive"): "only in old",
        ("page.ladder", case.format(256), ""): "only in new",
        ("page.ladder", case.format(128), ""): "only in old",
    }
    assert found.counts == {"not resolved": 1, "only in old": 3, "only in new": 3}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ({"threads": 1}, {"threads": 2}, "threads 1 in old, 2 in new"),
        ({"cache": "warm"}, {"cache": "cold"}, "cache warm in old, cold in new"),
        ({"order": "williams"}, {"order": "sequential"}, "order williams in old, sequential"),
        ({"min_sample_ns": 0}, {"min_sample_ns": 10**6}, "single calls yes in old, no in new"),
        ({"warmup_s": 0.1}, {"warmup_s": 0}, "warm-up yes in old, no in new"),
    ],
)
def test_protocols_that_measure_something_else_are_not_compared(old, new, why):
    runs = made(), made({"tiled": 2})
    for run, changes in zip(runs, (old, new), strict=True):
        run.data["protocol"] = {**run.protocol, **changes}
    found = compare(*runs)
    assert [r.verdict for r in found.rows] == ["not comparable"]
    assert f"protocols differ: {why}" in found.rows[0].why
    assert found.judged == [] and found.false_alarms == 0


def test_a_finer_protocol_is_compared_and_named():
    old, new = made(), made(profile="standard")
    new.data["protocol"] = {**new.protocol, "rounds": 36}
    found = compare(old, new)
    assert [(d.what, d.old, d.new) for d in found.differences] == [
        ("profile", "quick", "standard"), ("protocol: rounds", "9", "36"),
    ]  # fmt: skip
    assert "not comparable" not in found.counts


def test_runs_of_different_length_are_compared():
    found = compare(made(), made({"tiled": 1.3}, processes=12))
    assert row(found, "tiled").verdict == "slower"
    assert row(found, "tiled").relative.coverage > 0.99


@pytest.mark.parametrize(
    ("count", "why"), [(5, "new: 5 processes, .* takes at least 6"), (101, "new: 101 .*at most")]
)
def test_too_few_and_too_many_processes_are_named(count, why):
    data = made({"tiled": 2}, sizes=(64,)).data
    (case,) = data["cases"]
    for entry in (*case["kernels"].values(), case["again"]):
        entry["processes"] = (entry["processes"] * 20)[:count]
    (only,) = compare(made(sizes=(64,)), Record(data)).rows
    assert only.verdict == "not comparable"
    assert re.search(why, only.why)


def test_other_baselines_leave_the_absolute_time_and_say_so():
    old, new = made(), made({"tiled": 1.5})
    for case in new.data["cases"]:
        case.update(baseline="naive", again=case["kernels"]["naive"])
    found = compare(old, new)
    tiled = row(found, "tiled")
    assert tiled.relative is None and tiled.verdict == "slower"
    assert "the baselines differ, blas and naive: absolute time only" in tiled.why


def test_cases_that_are_told_apart_by_nothing_are_not_compared():
    old = made(sizes=(64, 64))
    (only,) = compare(old, made(sizes=(64,))).rows
    assert only.verdict == "not comparable"
    assert only.why == "several cases have the same parameters and baseline: 2 in old, 1 in new"


def test_cases_of_one_input_are_told_apart_by_their_baselines():
    def two(factor):
        fields = {"tiled": 2e5 * factor, "threads": 1e5}, {"blas": 9e4}
        cases = [synthetic.case(times, n=64, dtype="float32") for times in fields]
        return Record(synthetic.record("page.cores", cases))

    found = compare(two(1), two(1.5))
    assert verdicts(found) == {
        ("tiled", 64): "slower", ("threads", 64): "not resolved", ("blas", 64): "not resolved",
    }  # fmt: skip
    assert {r.kernel: r.baseline for r in found.rows} == {
        "tiled": "threads", "threads": "", "blas": "",
    }  # fmt: skip
    assert found.to_html().count("<table>") == 1


def test_declared_work_that_changed_is_told():
    new = made()
    new.data["cases"][0].update(flops=7, compulsory_bytes=8)
    why = row(compare(made(), new), "tiled").why
    assert "declared FLOPs differ" in why and "declared bytes differ" in why


# --- many at once --------------------------------------------------------------------------------


def test_few_comparisons_hold_together_with_95_percent():
    found = compare(made(sizes=(64,)), made(sizes=(64,)))
    assert len(found.judged) == 3
    assert 0 < found.false_alarms <= 0.05
    assert "3 comparisons" in found.to_table()
    assert "all of them together" in " ".join(found.to_table().split())


def test_with_many_comparisons_intervals_are_the_widest_and_false_alarms_are_counted():
    sizes = range(64, 74)
    found = compare(made(sizes=sizes), made(sizes=sizes))
    assert {r.judged.coverage for r in found.judged} == {1 - 2 / 924}
    assert found.false_alarms == pytest.approx(30 * 2 / 924)
    told = " ".join(found.to_table().split())
    assert "30 comparisons" in told and "at most 0.0649 of them" in told
    assert "together" not in told


# --- what differs around them --------------------------------------------------------------------


def other_machine(**changes):
    return {"machine": {**synthetic.MACHINE, **changes}, "fingerprint": "f" * 16}


def test_machines_are_named_before_any_ratio():
    found = compare(made(), made(**other_machine(model="Another 7")))
    assert found.meaning == "The machines differ: ratios compare machines, not code."
    told = found.to_table()
    assert told.index("machines, not code") < told.index("Another 7") < told.index("Kernel")
    page = found.to_html()
    assert page.index("machines, not code") < page.index("Another 7") < page.index("tiled")


@pytest.mark.parametrize(
    ("changes", "what", "old", "new"),
    [
        ({"model": None}, "processor", "Imaginary Processor 9000", "unknown"),
        ({"vector_features": ["avx2", "sve"]}, "vector features", "has avx512f", "has sve"),
        ({"vector_features": ["avx2"]}, "vector features", "has avx512f", "has fewer"),
        (
            {"caches": [{"level": 1, "type": "data", "size_bytes": 2**15},
                        {"level": 1, "type": "data", "size_bytes": 2**15},
                        {"level": 2, "type": "unified", "size_bytes": 2**21},
                        {"level": 3, "type": "unified", "size_bytes": None}]},
            "caches", "none", "L1 data 32 KiB, L2 unified 2 MiB, L3 unified of unknown size",
        ),
        ({"caches": [7]}, "caches", "none", "[7]"),
    ],
)  # fmt: skip
def test_facts_of_machines_are_told_in_words(changes, what, old, new):
    found = compare(made(), made(**other_machine(**changes))).differences
    told = {d.what: (d.part, d.old, d.new) for d in found}
    assert told[what] == ("machine", old, new)


@pytest.mark.parametrize(
    ("changes", "meaning"),
    [
        ({"software": {"numpy": "3.0"}, "fingerprint": "e"}, "these libraries together with"),
        ({"software": {"blas": [{"name": "openblas", "version": "0.3", "threads": 1,
                                 "kernel_family": "Haswell"}]}}, "these libraries together with"),
        ({"software": {"removed_overrides": {"NUMBA_OPT": "0"}}}, "these libraries together"),
        ({"fingerprint": "e" * 16}, "fingerprints differ: ratios compare machines, not code"),
        ({"machine": {**synthetic.MACHINE, "governor": "powersave"}}, "set up differently"),
        ({"sources": {"accel": "a" * 64, "definition": "1" * 64}}, "compare code, and two moments"),
        ({"profile": "publish"}, "Same machine, software and code"),
    ],
)  # fmt: skip
def test_what_a_ratio_compares_follows_from_the_differences(changes, meaning):
    new = made()
    software = {**new.software, **changes.get("software", {})}
    found = compare(made(), Record({**new.data, **changes, "software": software}))
    assert meaning in found.meaning
    assert len(found.differences) >= 1


def test_blas_and_overrides_are_told_in_words():
    new = made()
    new.data["software"] = {
        **new.software,
        "blas": [{"name": "mkl", "version": "2025", "kernel_family": None, "threads": 2}],
        "removed_overrides": {"OPENBLAS_CORETYPE": "Haswell"},
    }
    told = {d.what: (d.old, d.new) for d in compare(made(), new).differences}
    assert told["BLAS"] == (
        "openblas 0.3, SkylakeX kernels, threads 1", "mkl 2025, None kernels, threads 2",
    )  # fmt: skip
    assert told["removed overrides"] == ("none", "OPENBLAS_CORETYPE=Haswell")


def test_a_difference_is_told_once_with_the_experiments_it_concerns():
    old = [made(), made(experiment="page.other")]
    new = [made(**other_machine(model="B")), made(experiment="page.other")]
    found = compare(old, new)
    places = {d.what: d.experiments for d in found.differences}
    assert places == {"processor": ("page.ladder",), "fingerprint": ("page.ladder",)}
    assert "processor: Imaginary Processor 9000 → B (in page.ladder)" in found.to_table()
    new = [made(experiment=each.experiment, profile="publish") for each in old]
    assert "profile: quick → publish\n" in compare(old, new).to_table()


def test_records_that_lack_facts_or_have_strange_ones_are_compared():
    strange = [None, 3, "x", [], {}, [[1]], {"a": {"b": 1}}, True, 10**400]
    for value in strange:
        new = made()
        new.data["machine"] = dict.fromkeys(synthetic.MACHINE, value)
        new.data["software"] = dict.fromkeys(synthetic.record("a.b", [])["software"], value)
        found = compare(made(), new)
        assert differences.meaning(found.differences, True) == found.meaning
        assert found.to_table() and found.to_html() and found.to_json()


# --- sources -------------------------------------------------------------------------------------


def test_folders_files_records_and_several_records_are_taken(tmp_path):
    folder = tmp_path / "run"
    path = records.write(made().data, folder)
    for source in (folder, str(folder), path, made(), [made()], (made() for _ in range(1))):
        assert len(compare(source, made({"tiled": 2})).slower) == 2


def test_a_file_may_have_any_name(tmp_path):
    copied = tmp_path / "yesterday.txt"
    copied.write_text(json.dumps(made().data))
    assert len(compare(copied, made({"tiled": 2})).slower) == 2


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ([], "old: expected records of different experiments, got none"),
        ([made(), made()], "old: expected .* got page.ladder, page.ladder"),
        ("absent", "old: absent: cannot be read: No such file"),
        ("null\0", "old: .*null"),
    ],
)
def test_a_side_that_cannot_be_used_is_named(source, complaint):
    with pytest.raises(RecordError, match=complaint):
        compare(source, made())


def places(data, path=()):
    """Yield the path to every value inside JSON data."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


WHOLE = made(sizes=(64,)).data
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=150)
@given(place=st.sampled_from(sorted(places(WHOLE), key=repr)), value=junk, remove=st.booleans())
def test_a_damaged_record_is_refused_or_compared(tmp_path_factory, place, value, remove):
    data = copy.deepcopy(WHOLE)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_text(json.dumps(data))
    try:
        found = compare(Record(WHOLE), path)
    except RecordError as refusal:
        assert str(refusal).startswith("new: damaged.json: ")
        return
    assert found.to_table() and found.to_html().encode() and json.loads(found.to_json())
    assert to_pyperf(found.new[0])


# --- told ----------------------------------------------------------------------------------------

EVIL = "<script>alert('x')</script>\x1b[31m\n`&\u2028"


def every_verdict():
    """A comparison with each verdict in it, and names that would do harm."""
    threads = made(experiment="page.threads"), made(experiment="page.threads")
    changed = made({"tiled": 2, "naive": 0.5}, sizes=(64, 128, 512))
    old = [made(experiment="page.gone"), threads[0], made(sizes=(64, 128, 256))]
    new = [made(experiment="page.fresh"), threads[1], changed]
    new[1].data["protocol"] = {**new[1].protocol, "threads": 2}
    new[2].data["cases"][1].update(stable=False, reasons=[EVIL])
    for record in (old[2], new[2]):
        kernels = record.data["cases"][0]["kernels"]
        kernels[EVIL] = kernels["tiled"]
    new[2].data["machine"] = {**synthetic.MACHINE, "model": EVIL}
    found = compare(old, new)
    assert set(found.counts) == set(VERDICTS)
    return found


@pytest.mark.parametrize("width", [80, 100, 60, 20])
def test_the_table_fits_and_tells_every_verdict(width):
    told = every_verdict().to_table(width)
    assert max(map(len, told.splitlines())) <= max(60, width)
    assert all(verdict in " ".join(told.split()) for verdict in VERDICTS[:2])
    assert "\x1b" not in told and "\u2028" not in told
    for words in ("only in old", "only in new", "not comparable", "unstable", "protocols differ"):
        assert words in told


def test_changes_are_repeated_at_the_end():
    told = compare(made(), made({"tiled": 2, "naive": 0.5})).to_table(200).splitlines()
    assert [line[:14] for line in told if " relative to blas (page.ladder: " in line] == [
        "faster: naive,", "slower: tiled,", "faster: naive,", "slower: tiled,",
    ]  # fmt: skip


class Elements(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_loads_nothing_and_runs_nothing():
    page = every_verdict().to_html()
    elements = Elements(page)
    assert elements.open == []
    assert not {tag for tag, _ in elements.tags} & {"script", "link", "img", "iframe", "object"}
    loading = {"src", "href", "srcset", "data", "action", "style", "onload"}
    assert not [attrs for _, attrs in elements.tags if loading & set(attrs)]
    assert "http" not in page.replace("http-equiv", "") and "url(" not in page
    assert "@import" not in page and "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_the_page_is_a_document_that_can_be_listened_to():
    elements = Elements(every_verdict().to_html())
    tags = [tag for tag, _ in elements.tags]
    assert dict(elements.tags)["html"] == {"lang": "en"}
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert tags.count("caption") == tags.count("table") == tags.count("thead") == 3
    assert {attrs.get("scope") for tag, attrs in elements.tags if tag == "th"} == {"col", "row"}
    boxes = [attrs for _, attrs in elements.tags if attrs.get("class") == "box"]
    assert all(box["aria-label"] and box["tabindex"] == "0" for box in boxes)


def test_the_page_tells_every_verdict_and_the_text_of_names():
    text = " ".join(Elements(every_verdict().to_html()).text)
    assert all(verdict in text for verdict in VERDICTS)
    assert "<script>alert('x')</script>\N{REPLACEMENT CHARACTER}[31m" in text


def test_the_json_tells_everything():
    found = every_verdict()
    data = json.loads(found.to_json())
    assert (data["kind"], data["schema"]) == ("accel-comparison", 1)
    names = [run["experiment"] for run in data["new"]]
    assert names == ["page.fresh", "page.ladder", "page.threads"]
    assert data["counts"] == found.counts and data["meaning"] == found.meaning
    assert data["comparisons"] == len(found.judged)
    assert len(data["rows"]) == len(found.rows)
    for line, r in zip(data["rows"], found.rows, strict=True):
        assert (line["kernel"], line["verdict"], line["why"]) == (r.kernel, r.verdict, r.why)
        assert (line["basis"] is None) == (r.judged is None)
        for key in ("relative", "absolute", "old_ns", "new_ns"):
            interval = getattr(r, key)
            assert line[key] == (interval and interval._asdict())
            assert interval is None or Interval(**line[key]) == interval
    assert {line["basis"] for line in data["rows"]} == {"relative", "absolute", None}


def test_without_anything_in_common_nothing_is_claimed():
    found = compare(made(experiment="page.one"), made(experiment="page.two"))
    assert found.meaning == "No experiment is in both."
    assert "Nothing was compared." in found.to_table()
    assert "Nothing was compared." in found.to_html()
    assert json.loads(found.to_json())["comparisons"] == 0


def test_what_is_told_names_no_path(tmp_path):
    path = records.write(made().data, tmp_path)
    found = compare(path, tmp_path)
    for told in (found.to_table(), found.to_html(), found.to_json()):
        assert str(tmp_path) not in told and Path(tmp_path).name not in told
