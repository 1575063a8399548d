"""Claims judged by records: every verdict and sentence, each with the data that call for it."""

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.findings import claims
from accel.findings.claims import Claim, ClaimError, Comparison, Judgement, Result
from accel.timing.records import Record
from accel.timing.stats import Interval

LOW, HIGH = 2, 5
INSIDE = ("n = 1", Interval(3, 2.5, 3.5, 0.97), "faster")
ABOVE = ("n = 2", Interval(8, 7, 9, 0.97), "faster")
BELOW = ("n = 3", Interval(1.5, 1.4, 1.6, 0.97), "faster")
ACROSS = ("n = 4", Interval(2, 1.8, 2.2, 0.97), "faster")
LOSS = ("n = 5", Interval(0.7, 0.6, 0.8, 0.97), "slower")
UNRESOLVED = ("n = 6", Interval(1, 0.98, 1.02, 0.97), "not resolved")
UNSTABLE = ("n = 7", Interval(3, 2.5, 3.5, 0.97), "unstable")


@pytest.mark.parametrize(
    ("measured", "verdict", "opening"),
    [
        ([INSIDE], "confirmed", "The range 2–5× holds in every case measured."),
        ([ABOVE, ABOVE], "above", "Every case measured gains more than 2–5×."),
        ([BELOW, LOSS, UNRESOLVED], "below", "No case measured reaches 2–5×."),
        ([LOSS], "below", "No case measured reaches 2–5×."),
        (
            [INSIDE, BELOW],
            "only for n = 1",
            "The range 2–5× holds for n = 1 and not elsewhere.",
        ),
        ([INSIDE, ABOVE, ACROSS], "only for n = 1", "The range 2–5× holds for n = 1 and not"),
        ([ACROSS], "may hold for n = 4", "The range 2–5× may hold for n = 4, and holds"),
        ([ACROSS, BELOW], "may hold for n = 4", "The range 2–5× may hold for n = 4, and holds"),
        (
            [BELOW, ABOVE],
            "not met",
            "No case measured lies in the range 2–5×: some fall short, others exceed it.",
        ),
        ([UNSTABLE], "not measurable here", "No usable measurement of 2–5× on this machine."),
        ([], "not measurable here", "No usable measurement of 2–5× on this machine."),
    ],
)
def test_the_verdict_follows_from_where_the_intervals_lie(measured, verdict, opening):
    judged = claims.judge(LOW, HIGH, measured)
    assert judged.verdict == verdict
    assert judged.sentence.startswith(opening)


def test_the_sentence_has_every_number_it_rests_on():
    judged = claims.judge(LOW, HIGH, [BELOW, INSIDE, LOSS])
    assert judged.sentence == (
        "The range 2–5× holds for n = 1 and not elsewhere. "
        "Inside it: 3.00× (2.50–3.50×) at n = 1. "
        "Below it: 1.50× (1.40–1.60×) at n = 3; 0.700× (0.600–0.800×) at n = 5."
    )


def test_an_unstable_case_is_named_and_changes_nothing():
    judged = claims.judge(LOW, HIGH, [BELOW, UNSTABLE])
    assert judged.verdict == "below"
    assert judged.sentence.endswith("Not used, since the run was unstable: n = 7.")


def test_the_contrary_data_give_the_contrary_verdict():
    assert claims.judge(LOW, HIGH, [INSIDE]).kind == "confirmed"
    assert claims.judge(LOW, HIGH, [LOSS]).kind == "below"
    assert claims.judge(LOW, HIGH, [ABOVE]).kind == "above"


@given(
    st.lists(
        st.tuples(st.floats(0.01, 100), st.floats(1, 3), st.booleans()), min_size=1, max_size=6
    )
)
def test_a_claim_is_confirmed_only_if_every_usable_interval_lies_inside(entries):
    measured = [
        (f"n = {index}", Interval(value, value / width, value * width, 0.97),
         "faster" if stable else "unstable")
        for index, (value, width, stable) in enumerate(entries)
    ]  # fmt: skip
    judged = claims.judge(LOW, HIGH, measured)
    usable = [interval for _, interval, verdict in measured if verdict != "unstable"]
    inside = [LOW <= interval.low and interval.high <= HIGH for interval in usable]
    assert (judged.kind == "confirmed") == (bool(inside) and all(inside))
    assert judged.kind in claims.KINDS


COMPARISON = Comparison("compiled", "block_it.ladder", "blocked", "ikj")
LADDER = Record(synthetic.ladder())


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_comparison_has_a_finding_for_each_case_with_both_kernels():
    findings = COMPARISON.findings(LADDER)
    assert [plain(finding.label) for finding in findings] == [
        "n = 64", "n = 128", "n = 256", "n = 512", "n = 1,024",
    ]  # fmt: skip
    assert all(finding.interval.value == pytest.approx(1.5, rel=0.02) for finding in findings)
    narrow = Comparison("lists", "block_it.ladder", "lists_blocked", "lists")
    assert [plain(finding.label) for finding in narrow.findings(LADDER)] == ["n = 64"]


def test_a_misspelt_kernel_is_refused_with_the_choices():
    wrong = Comparison("compiled", "block_it.ladder", "blokced", "ikj")
    with pytest.raises(ClaimError, match="block_it.ladder: no case has 'blokced'.*blocked"):
        wrong.findings(LADDER)


def test_a_misspelt_parameter_is_refused():
    wrong = Comparison("compiled", "block_it.ladder", "blocked", "ikj", along="m3")
    with pytest.raises(ClaimError, match="'m3'"):
        wrong.findings(LADDER)


def claim_over(low, high):
    return Claim("blocking", "Blocking", "2-5x", low, high, (COMPARISON,))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.4, 1.6, "confirmed"), (2, 5, "below"), (1.1, 1.3, "above")],
)
def test_the_same_record_confirms_one_range_and_refutes_another(low, high, verdict):
    (result,) = claims.examine(claim_over(low, high), lambda name: LADDER)
    assert result.judgement.verdict == verdict
    assert claims.overall([result]) == verdict


def result(title, kind, *cases):
    return Result(Comparison(title, "a.b", "x", "y"), [], Judgement(kind, cases, ""))


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([result("A", "confirmed"), result("B", "confirmed")], "confirmed"),
        ([result("A", "below"), result("B", "below")], "below"),
        ([result("A", "only for", "n = 1"), result("B", "only for", "n = 2")],
         "only for some sizes"),
        ([result("A", "may hold for", "n = 1")], "may hold for some sizes"),
        ([result("A", "confirmed"), result("B", "below")], "only for A"),
        ([result("A", "only for", "n = 1"), result("B", "above")], "only for some sizes of A"),
        ([result("A", "confirmed"), result("B", "only for", "n = 1"), result("C", "below")],
         "only for A, and for some sizes of B"),
        ([result("A", "may hold for", "n = 1"), result("B", "below")],
         "may hold for some sizes of A"),
        ([result("A", "below"), result("B", "above"), result("C", "below")],
         "not met: below in 2, above in 1 of 3 comparisons"),
        ([result("A", "not met")], "not met"),
        ([result("A", "not measurable here")], "not measurable here"),
    ],
)  # fmt: skip
def test_one_phrase_for_all_comparisons_hides_no_disagreement(results, text):
    assert claims.overall(results) == text


GOOD = """
[blocking]
title = "Blocking"
quote = "2-5x speedup"
range = [2, 5]
comparisons = [{title = "compiled", experiment = "a.b", kernel = "x", over = "y"}]
"""


def test_claims_are_read_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(GOOD + GOOD.replace("[blocking]", "[again]"))
    read = claims.read_claims(path)
    assert list(read) == ["blocking", "again"]
    assert read["blocking"].claimed == "2–5×"
    assert read["blocking"].comparisons[0].along == "n"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('quote = "2-5x speedup"', "", "incomplete or misspelt.*quote"),
        ("quote", "quoth", "incomplete or misspelt.*quoth"),
        ("range = [2, 5]", "", "incomplete or misspelt.*range"),
        ("range = [2, 5]", "range = [2]", "incomplete or misspelt"),
        ("range = [2, 5]", "range = [5, 2]", "range 5 to 2, expected low < high"),
        ('kernel = "x"', 'kernal = "x"', "incomplete or misspelt.*kernal"),
        ("[blocking]", "[blocking", "claims.toml: "),
    ],
)
def test_a_damaged_list_of_claims_is_refused_by_name(tmp_path, old, new, complaint):
    path = tmp_path / "claims.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ClaimError, match=complaint):
        claims.read_claims(path)
