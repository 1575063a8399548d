"""The source's table of caches: latencies in cycles, sizes, and data that say the opposite."""

import pytest
import synthetic

from accel.findings import claims, evidence
from accel.findings.claims import Claim, ClaimError, examine, overall
from accel.findings.evidence import CacheSize, Latency
from accel.findings.ledger import Evidence as Shown
from accel.timing.records import Record

KIB, MIB = 2**10, 2**20
CACHES = [
    {"level": 1, "type": "instruction", "size_bytes": 32 * KIB},
    {"level": 1, "type": "data", "size_bytes": 32 * KIB},
    {"level": 2, "type": "unified", "size_bytes": MIB},
    {"level": 3, "type": "unified", "size_bytes": 16 * MIB},
]
#: Nanoseconds of a step of the ruler: six cycles at 3 GHz.
RULER_NS = 2.0


def staircase(
    times_ns=(1.5, 4.5, 15.0, 90.0), ends=(32 * KIB, MIB, 16 * MIB), caches=CACHES,
    architecture="x86_64", jitter=0.01,
):  # fmt: skip
    """A latency staircase with these times of an access up to these footprints."""
    cases = []
    for octave in range(15):
        footprint = 4 * KIB * 2**octave
        time = times_ns[sum(footprint > end for end in ends)]
        cases.append(
            synthetic.case(
                {"cycle_count": RULER_NS * 9600, "chase": time * 9600},
                baseline="chase", operation="chase", footprint=footprint, steps=9600,
                jitter=jitter, flops=0,
            )
        )  # fmt: skip
    machine = {**synthetic.MACHINE, "caches": caches, "architecture": architecture}
    return Record(synthetic.record("mountain.latency", cases, machine=machine))


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def latency(low, high, level):
    return Claim("c", "Title", "", low, high, (Latency("within", "mountain.latency", level),))


def size(about_kib, level):
    low, high = 0.75 * about_kib * KIB, 1.25 * about_kib * KIB
    return Claim("c", "Title", "", low, high, (CacheSize("cache", "mountain.latency", level),))


def judged(claim, record):
    (result,) = examine(claim, lambda name: record)
    return result


@pytest.mark.parametrize(
    ("level", "footprints", "cycles"),
    [
        (1, ["4 KiB", "8 KiB", "16 KiB"], 4.5),
        (2, ["64 KiB", "128 KiB", "256 KiB", "512 KiB"], 13.5),
        (3, ["2 MiB", "4 MiB", "8 MiB"], 45),
        (0, ["32 MiB", "64 MiB"], 270),
    ],
)
def test_footprints_well_inside_a_level_count_and_no_others(level, footprints, cycles):
    findings = Latency("within", "mountain.latency", level).findings(staircase())
    assert [plain(finding.label) for finding in findings] == [f"footprint {f}" for f in footprints]
    for finding in findings:
        assert finding.interval.value == pytest.approx(cycles, rel=0.03)
        assert "ns" in finding.detail


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1, 2, "above"), (4, 5, "confirmed"), (10, 20, "below")],
)
def test_the_same_staircase_confirms_one_range_and_refutes_others(low, high, verdict):
    assert overall([judged(latency(low, high, 1), staircase())]) == verdict


@pytest.mark.parametrize(
    ("near_ns", "verdict", "opening"),
    [
        (0.5, "confirmed", "The range 1–2 cycles holds in every case measured."),
        (1.5, "above", "Every case measured takes longer than 1–2 cycles."),
        (0.2, "below", "Every case measured takes less than 1–2 cycles."),
    ],
)
def test_contrary_machines_give_contrary_verdicts(near_ns, verdict, opening):
    result = judged(latency(1, 2, 1), staircase((near_ns, 4.5, 15.0, 90.0)))
    assert result.judgement.kind == verdict
    assert plain(result.judgement.sentence).startswith(opening)


def test_without_a_known_cycle_nothing_is_measurable_and_times_are_told():
    result = judged(latency(1, 2, 1), staircase(architecture="arm64"))
    assert result.judgement.kind == "not measurable here"
    sentence = plain(result.judgement.sentence)
    assert sentence.startswith("No usable measurement of 1–2 cycles on this machine.")
    assert "clock cycle is not known on arm64" in sentence
    assert "1.5" in sentence and "within 4 KiB" in sentence


@pytest.mark.parametrize(
    ("level", "changes", "reason"),
    [
        (1, {"caches": None}, "The system states no size for L1."),
        (0, {"caches": []}, "The system states no size for memory."),
        (4, {}, "The system states no size for L4."),
        (3, {"times_ns": (1.5, 4.5, 90.0, 90.0)},
         "The system states 16 MiB for L3, and the curve has no step within a factor of two"),
        (0, {"caches": [{"level": 3, "type": "unified", "size_bytes": 256 * MIB}]},
         "No footprint measured lies well inside memory."),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(level, changes, reason):
    result = judged(latency(1, 2, level), staircase(**changes))
    assert result.judgement.kind == "not measurable here"
    assert reason in plain(result.judgement.sentence)


def test_an_unstable_footprint_is_named_and_not_used():
    record = staircase()
    record.data["cases"][0]["stable"] = False
    result = judged(latency(4, 5, 1), record)
    assert result.judgement.kind == "confirmed"
    assert "unstable: footprint 4 KiB" in plain(result.judgement.sentence)


@pytest.mark.parametrize(
    ("about_kib", "level", "verdict", "sentence"),
    [
        (32, 1, "confirmed", "It is about 32 KiB. Inside it: 32 KiB by the system."),
        (256, 2, "above", "It is larger than about 256 KiB. Above it: 1 MiB by the system."),
        (32 * 1024, 3, "below", "It is smaller than about 32 MiB. Below it: 16 MiB by the system."),
    ],
)
def test_a_size_is_judged_by_what_the_system_states(about_kib, level, verdict, sentence):
    result = judged(size(about_kib, level), staircase())
    assert result.judgement.kind == verdict
    assert plain(result.judgement.sentence) == sentence
    assert "by the curve" in result.findings[0].detail


def test_a_stated_size_without_its_step_says_so():
    record = staircase((1.5, 4.5, 90.0, 90.0))
    (finding,) = CacheSize("cache", "mountain.latency", 3).findings(record)
    assert finding.detail == "no such step in the curve"


def test_where_the_system_is_silent_the_curve_is_judged():
    result = judged(size(1024, 2), staircase(caches=None))
    assert [finding.label for finding in result.findings] == ["by the curve"]
    assert result.judgement.kind == "may hold for"
    assert judged(size(128, 2), staircase(caches=None)).judgement.kind == "above"


def test_a_cache_that_neither_shows_is_not_measurable():
    result = judged(size(1024, 4), staircase())
    assert result.judgement.kind == "not measurable here"
    assert "states no size for L4" in result.judgement.sentence


@pytest.mark.parametrize("kind", [Latency, CacheSize])
def test_a_record_that_is_no_staircase_is_refused(kind):
    with pytest.raises(ClaimError, match="block_it.ladder: expected a latency staircase"):
        kind("x", "block_it.ladder", 1).findings(Record(synthetic.ladder()))


TABLE = """
[time]
kind = "latency"
title = "L1"
quote = "1-2 cycles"
range = [1, 2]
comparisons = [{ title = "within L1", experiment = "mountain.latency", level = 1 }]

[size]
kind = "size"
title = "Size of L1"
quote = "~32KB"
about_kib = 32
comparisons = [{ title = "L1", experiment = "mountain.latency", level = 1 }]
"""


def test_claims_of_every_kind_are_read(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(TABLE)
    read = claims.read_claims(path)
    assert plain(read["time"].claimed) == "1–2 cycles"
    assert plain(read["size"].claimed) == "about 32 KiB"
    assert (read["size"].low, read["size"].high) == (24 * KIB, 40 * KIB)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('kind = "latency"', 'kind = "latence"', "misspelt: 'latence'"),
        ("level = 1 }]\n\n", "level = -1 }]\n\n", "level -1, expected the number of a cache or 0"),
        ("level = 1 }]\n\n", 'level = "L1" }]\n\n', "level 'L1', expected"),
        ("about_kib = 32", "about_kib = 0", "expected low < high"),
        ("about_kib = 32", "", "misspelt: 'range'"),
        ("about_kib = 32", "about_kib = 32\nrange = [1, 2]", "misspelt.*range"),
        ("about_kib = 32", 'about_kib = "32"', "misspelt"),
        ('[{ title = "within L1", experiment = "mountain.latency", level = 1 }]', "[]",
         "has no comparisons"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_refused_by_name(tmp_path, old, new, complaint):
    path = tmp_path / "claims.toml"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(ClaimError, match=complaint):
        claims.read_claims(path)


def test_evidence_shows_cycles_time_and_no_line_at_one():
    claim = latency(1, 2, 1)
    page = Shown(claim, [judged(claim, staircase())])._repr_html_()
    assert "1–2\N{NO-BREAK SPACE}cycles shaded</th>" in page
    assert ">Time of an access</th>" in page
    assert 'class="one"' not in page
    assert page.count("<small>1.") == 3
    assert page.count('class="claim-chart above"') == 3


def test_evidence_that_is_missing_says_why():
    claim = latency(1, 2, 1)
    page = Shown(claim, [judged(claim, staircase(caches=None))])._repr_html_()
    assert "The system states no size for L1." in page


def test_quantities_have_words_of_their_own():
    assert plain(evidence.cycles(4.567)) == "4.57 cycles"
    assert plain(evidence.SIZE.claimed(24 * KIB, 40 * KIB)) == "about 32 KiB"
