import copy
from html.parser import HTMLParser

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import report
from accel.timing.records import CaseView, Record, summarise
from accel.timing.report import Sentence, Table
from accel.timing.stats import Interval

MARKUP = '<script>alert("1")</script> & <b>'


def case(n=64, floor=0.0, steal=0.0, flops=None, **times_ns):
    """One case without noise, but for a baseline that differs from itself by up to `floor`."""
    raw = synthetic.case(times_ns, n=n, dtype="float32", jitter=0, flops=flops)
    raw = copy.deepcopy(raw)
    for number, process in enumerate(raw["again"]["processes"]):
        share = 1 + floor * (1 if number % 2 else -1) / 2
        process["samples_ns"] = [round(elapsed * share) for elapsed in process["samples_ns"]]
    return summarise(raw, steal)


def view(**description):
    return CaseView(case(**description))


def record(*cases, **changes):
    return Record(synthetic.record("page.test", list(cases), **changes))


class Page(HTMLParser):
    """What a browser would make of a piece of HTML: tags, attributes, texts."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.cells, self.text = [], set(), [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes.append((tag, dict(attributes)))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


# --- sentences -----------------------------------------------------------------------------------


def test_a_faster_kernel_is_called_faster():
    sentence = report.speedup_sentence(view(mine=1e5, blas=2e5), "mine")
    assert sentence == "`mine` is faster than `blas`: 2.00× (2.00–2.00×) at n=64, dtype=float32."


def test_a_slower_kernel_is_called_slower():
    sentence = report.speedup_sentence(view(mine=2e5, blas=1e5), "mine")
    assert sentence == (
        "`mine` is slower than `blas`: 0.500× (0.500–0.500×) of its speed at n=64, dtype=float32."
    )


def test_a_difference_within_the_noise_is_not_a_difference():
    sentence = report.speedup_sentence(view(mine=1.0e5, blas=1.01e5, floor=0.1), "mine")
    assert sentence == (
        "`mine` against `blas` is not resolved at n=64, dtype=float32: "
        "1.01× (1.01–1.01×) does not clear the noise floor of ±5.26 %."
    )


def test_the_same_difference_is_one_where_the_noise_is_lower():
    sentence = report.speedup_sentence(view(mine=1.0e5, blas=1.01e5, floor=0.002), "mine")
    assert sentence.startswith("`mine` is faster than `blas`: 1.01×")


def test_a_disturbed_run_judges_nothing_and_says_why():
    sentence = report.speedup_sentence(view(mine=1e5, blas=9e5, steal=0.25), "mine")
    assert sentence == (
        "`mine` against `blas` cannot be judged at n=64, dtype=float32, the run was unstable: "
        "the hypervisor took 25.0% of the time."
    )


def test_two_kernels_of_which_none_is_the_baseline_can_be_compared():
    sentence = report.speedup_sentence(view(a=1e5, b=4e5, blas=2e5), "a", over="b")
    assert sentence.startswith("`a` is faster than `b`: 4.00×")


def test_mixed_sizes_are_told_one_by_one_losses_included():
    mixed = record(
        case(n=64, mine=4e5, blas=2e5),
        case(n=128, mine=2e5, blas=2e5, floor=0.1),
        case(n=1024, mine=1e5, blas=2e5),
        case(n=2048, mine=1e5, blas=4e5),
        case(n=4096, mine=1e5, blas=4e5, steal=0.5),
    )
    assert report.range_sentence(mixed, "mine", "blas") == (
        "`mine` over `blas` is faster in 2 of 5 sizes: 2.00× (2.00–2.00×) at n = 1,024; "
        "4.00× (4.00–4.00×) at n = 2,048. "
        "It is slower in 1 of 5 sizes: 0.500× (0.500–0.500×) at n = 64. "
        "It is not resolved in 1 of 5 sizes: 1.00× (1.00–1.00×) at n = 128. "
        "It is unstable in 1 of 5 sizes: 4.00× (4.00–4.00×) at n = 4,096."
    )


@pytest.mark.parametrize(("mine", "word"), [(1e5, "faster"), (4e5, "slower")])
def test_sizes_that_agree_make_one_sentence(mine, word):
    same = record(case(n=1, mine=mine, blas=2e5), case(n=2, mine=mine, blas=2e5))
    sentence = report.range_sentence(same, "mine", "blas")
    assert sentence.startswith(f"`mine` over `blas` is {word} in 2 of 2 sizes: ")
    assert sentence.count("It is") == 0


def test_sizes_that_lack_one_of_the_two_are_left_out():
    some = record(case(n=64, blas=2e5), case(n=128, mine=1e5, blas=2e5))
    assert "1 of 1 sizes" in report.range_sentence(some, "mine", "blas")


def test_a_range_can_be_of_some_cases_only():
    both = record(case(n=64, mine=1e5, blas=2e5), case(n=128, mine=4e5, blas=2e5))
    assert "faster in 1 of 1" in report.range_sentence(both, "mine", "blas", n=64)
    assert "slower in 1 of 1" in report.range_sentence(both, "mine", "blas", n=128)
    with pytest.raises(ValueError, match="no case at n=256 has both"):
        report.range_sentence(both, "mine", "blas", n=256)


def test_a_range_without_any_common_size_is_refused():
    with pytest.raises(ValueError, match="page.test: no case has both 'mine' and 'blas'"):
        report.range_sentence(record(case(blas=1e5)), "mine", "blas")


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(1.324, 1.3, 1.349, 0.97), "1.32× (1.30–1.35×)"),
        (Interval(0.0123, 0.01, 0.02, 0.97), "0.0123× (0.0100–0.0200×)"),
        (Interval(1234, 1200, 1300, 0.97), "1,230× (1,200–1,300×)"),
    ],
)
def test_a_ratio_never_goes_without_its_interval(interval, words):
    assert report.times(interval) == words


@pytest.mark.parametrize(("floor", "words"), [(0.0, "±0 %"), (0.02, "±1.01 %"), (0.1, "±5.26 %")])
def test_the_noise_floor_is_a_percentage(floor, words):
    assert report.floor_text(view(blas=1e5, floor=floor)) == words


# --- stamp ---------------------------------------------------------------------------------------


def test_a_stamp_says_where_when_and_how():
    stamp = report.stamp(
        record(
            case(n=64, blas=1e5, floor=0.02), case(n=65, blas=1e5, floor=0.1), profile="publish",
            machine={"model": "Imaginary Processor 9000"},
        )
    )  # fmt: skip
    assert stamp == (
        "Measured on Imaginary Processor 9000, 2026-11-23, publish profile: 6 fresh processes, "
        "williams order, 1 thread. Noise floor ±1.01 % to ±5.26 %."
    )


def test_one_noise_floor_is_told_once():
    assert report.stamp(record(case(blas=1e5, floor=0.02), profile="standard")).endswith(
        "Noise floor ±1.01 %."
    )


def test_a_quick_run_is_stamped_a_draft():
    assert "This is a draft" in report.stamp(record(case(blas=1e5), profile="quick"))
    assert "draft" not in report.stamp(record(case(blas=1e5), profile="standard"))


def test_several_threads_are_threads():
    several = record(case(blas=1e5), protocol={"processes": 6, "order": "sequential", "threads": 2})
    assert "sequential order, 2 threads." in report.stamp(several)


def test_unstable_cases_are_named_in_the_stamp():
    stamp = report.stamp(record(case(n=64, blas=1e5), case(n=65, blas=1e5, steal=0.2)))
    assert "Unstable, and not judged: n=65, dtype=float32." in stamp


def test_what_was_removed_from_the_environment_is_named_in_the_stamp():
    removed = {"removed_overrides": {"OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "AVX2"}}
    stamp = report.stamp(record(case(blas=1e5), software=removed))
    assert "Removed from the environment: OPENBLAS_CORETYPE and MKL_CBWR." in stamp


def test_a_processor_without_a_name_is_said_to_have_none():
    assert "on an unnamed processor," in report.stamp(record(case(blas=1e5), machine={}))


# --- sentences and tables on a page --------------------------------------------------------------


def test_a_sentence_prints_as_text_and_shows_as_a_paragraph():
    sentence = Sentence("`mine` beats `blas`.")
    assert str(sentence) == "`mine` beats `blas`."
    assert sentence._repr_html_() == (
        '<p class="measured-sentence"><code>mine</code> beats <code>blas</code>.</p>'
    )


def test_sentences_join_to_a_paragraph():
    joined = report.paragraph("One.", Sentence("Two."))
    assert isinstance(joined, Sentence)
    assert joined == "One. Two."


@given(st.text())
def test_no_text_becomes_markup(text):
    page = Page(Sentence(text)._repr_html_())
    assert page.tags <= {"p", "code"}
    assert page.text == text.replace("`", "")


def test_markup_in_names_and_stories_is_shown_not_obeyed():
    raw = synthetic.case({MARKUP: 1e5, "blas": 2e5}, n=64, jitter=0)
    raw["kernels"][MARKUP]["story"] = raw["operation"] = MARKUP
    one = CaseView(raw)
    for html in (
        report.ladder_table(one)._repr_html_(),
        report.speedup_sentence(one, MARKUP)._repr_html_(),
        report.range_sentence(record(raw), MARKUP, "blas")._repr_html_(),
    ):
        page = Page(html)
        assert not page.tags & {"script", "b"}
        assert MARKUP in page.text


def ladder():
    return report.ladder_table(view(slow=4e6, mine=1e5, blas=2e5))


def test_a_ladder_has_a_row_for_each_step_in_order():
    rows = ladder().rows
    assert [row[0] for row in rows] == ["`slow`", "`mine`", "`blas`"]
    assert [row[2] for row in rows] == ["4.00\xa0ms", "100\xa0µs", "200\xa0µs"]
    assert [row[4] for row in rows] == ["0.0500× (0.0500–0.0500×)", "2.00× (2.00–2.00×)", "1"]
    assert [row[5] for row in rows] == ["slower", "faster", "baseline"]
    assert rows[1][6] == "what mine removes"


def test_a_ladder_can_refer_to_another_step():
    table = report.ladder_table(view(slow=4e6, mine=1e5, blas=2e5), over="slow")
    assert table.headers[4] == "Speed-up over `slow`"
    assert [row[5] for row in table.rows] == ["baseline", "faster", "faster"]


def test_a_ladder_names_its_case_and_noise_floor():
    table = report.ladder_table(view(n=65, blas=2e5, floor=0.02))
    assert table.caption == "matmul at n=65, dtype=float32; noise floor ±1.01 %"


@pytest.mark.parametrize(
    ("flops", "unit", "rate"), [(10**6, "GFLOP/s", "10.0"), (10, "GB/s", "0.492")]
)
def test_arithmetic_is_rated_in_flops_and_traffic_in_bytes(flops, unit, rate):
    table = report.ladder_table(view(n=64, blas=1e5, flops=flops))
    assert (table.headers[3], table.rows[0][3]) == (unit, rate)


TABLE = Table(
    "Two steps",
    ["Step", "Time", "Change", "Note"],
    [["`loop`", "1,200 ns", "–", "first"], ["`numpy`", "7 ns", "-3 %", "2nd"]],
)


def test_a_table_prints_aligned_numbers_to_the_right():
    assert str(TABLE).splitlines() == [
        "Two steps",
        "Step       Time  Change  Note",
        "─────  ────────  ──────  ─────",
        "loop   1,200 ns       –  first",
        "numpy      7 ns    -3 %  2nd",
    ]


def test_a_table_shows_as_html_with_scopes_and_numbers_marked():
    html = TABLE._repr_html_()
    page = Page(html)
    assert page.tags == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.cells[:4] == ["Step", "Time", "Change", "Note"]
    assert page.cells[4:] == ["loop", "1,200 ns", "–", "first", "numpy", "7 ns", "-3 %", "2nd"]
    assert '<th scope="col" class="number">Time</th>' in html
    assert '<th scope="col">Note</th>' in html
    assert "<caption>Two steps</caption>" in html


def test_a_table_wider_than_the_screen_scrolls_by_keyboard_and_has_a_name():
    (box,) = [
        attributes for tag, attributes in Page(TABLE._repr_html_()).attributes if tag == "div"
    ]
    assert (box["role"], box["tabindex"], box["aria-label"]) == ("region", "0", "Two steps")


def test_a_table_without_rows_is_its_caption_and_headers():
    empty = Table("Nothing", ["Step", "Time"], [])
    assert str(empty).splitlines() == ["Nothing", "Step  Time", "────  ────"]
    assert Page(empty._repr_html_()).cells == ["Step", "Time"]


@given(st.text(), st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_no_cell_becomes_markup(caption, rows):
    page = Page(Table(caption, ["a", "b"], rows)._repr_html_())
    assert page.tags <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.cells[2:] == [cell.replace("`", "") for row in rows for cell in row]
    assert page.attributes[0][1]["aria-label"] == caption
