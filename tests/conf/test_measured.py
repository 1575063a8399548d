"""Roles: what they print, and that what cannot be answered fails the build with its place."""

import re

import measured
import pytest
import synthetic
from measured import QueryError, answer, parse

from accel.timing import records
from accel.timing.records import Record

LADDER = Record(synthetic.ladder())


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def ask(text, record=LADDER):
    return answer(parse(text), record)


@pytest.mark.parametrize(
    ("text", "value", "has_interval"),
    [
        ("block_it.ladder: time of lists at n=128", r"2\d\d ms", True),
        ("block_it.ladder: gflops of tiled at n=1024", r"9\d\.\d GFLOP/s", True),
        ("block_it.ladder: bandwidth of blas at n=64", r"[\d.]+ GB/s", True),
        ("block_it.ladder: speedup of blocked over ikj at n=256", r"1\.5\d×|1\.49×", True),
        ("block_it.ladder: speedup of tiled at n=512", r"0\.9\d\d×", True),
        ("block_it.ladder: verdict of tiled over ikj at n=512", "faster", False),
        ("block_it.ladder: verdict of ikj over tiled at n=512", "slower", False),
        ("block_it.ladder: first call of ikj at n=64", r"[\d.]+ ms", False),
        ("block_it.ladder: samples of ikj at n=64", "54", False),
        ("block_it.ladder: resolution at n=64", r"±0\.\d+ %", False),
        ("block_it.ladder: size of lists at largest n", "128", False),
        ("block_it.ladder: size of lists at smallest n", "64", False),
        ("block_it.ladder: size at largest n", "1,024", False),
        ("block_it.ladder: size of ijk over lists at largest n", "128", False),
        ("block_it.ladder: processes", "6", False),
        ("block_it.ladder: profile", "quick", False),
        ("block_it.ladder: date", "2026-11-23", False),
        ("block_it.ladder: clock resolution", "1.00 ns", False),
        ("block_it.ladder: clock overhead", "40.0 ns", False),
        ("block_it.ladder: loop overhead", "30.0 ns", False),
        ("block_it.ladder :  time  of ikj\nat n = 64 , dtype=float32", r"[\d.]+ µs", True),
    ],
)
def test_a_question_is_answered_from_the_record(text, value, has_interval):
    found = ask(text)
    assert re.fullmatch(value, plain(found.value))
    assert bool(found.interval) == has_interval


def test_a_sentence_is_chosen_by_the_data():
    assert ask("x.y: sentence of tiled over ikj at n=512").value.startswith(
        "`tiled` is faster than"
    )
    assert ask("x.y: sentence of ikj over tiled at n=512").value.startswith("`ikj` is slower than")


def equal_and_apart(jitter, **changes):
    case = synthetic.case({"a": 1.0e6, "b": 1.0e6}, n=8, jitter=jitter)
    return Record(synthetic.record("block_it.pair", [{**case, **changes}]))


def test_a_ratio_that_is_not_resolved_is_never_a_bare_number():
    found = ask("block_it.pair: speedup of a over b", equal_and_apart(0.05))
    assert found.value == "not resolved"
    assert found.interval.endswith("×")
    assert "noise floor" in found.story


def test_a_ratio_of_an_unstable_case_says_so_and_why():
    record = equal_and_apart(0.05, stable=False, reasons=["the hypervisor took 3 % of the time"])
    found = ask("block_it.pair: speedup of a over b", record)
    assert found.value == "unstable"
    assert "hypervisor" in found.story
    assert ask("block_it.pair: time of a", record).value.endswith("(unstable)")


def test_a_single_case_needs_no_condition():
    assert ask("block_it.pair: verdict of a over b", equal_and_apart(0.05)).value == "not resolved"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("block_it.ladder", "cannot read 'block_it.ladder'; expected something like"),
        ("block_it.ladder: speedup of", "no quantity 'speedup of'"),
        ("block_it.ladder: time of ikj at 512", "cannot read the condition '512'"),
        ("block_it.ladder: time of ikj at biggest n", "cannot read the condition 'biggest n'"),
        ("block_it.ladder: speed of ikj at n=64", "no quantity 'speed'; there are time, gflops"),
        ("block_it.ladder: time at n=64", "'time' needs 'of KERNEL'"),
        ("block_it.ladder: time of ikj over blas at n=64", "'time' takes no 'over'"),
        ("block_it.ladder: time of gpu at n=64", "no case with gpu; its kernels are.*lists"),
        ("block_it.ladder: time of ikj at n=63", "0 cases .* meet.*expected 1; there are.*n=64"),
        ("block_it.ladder: time of ikj", "5 cases .* meet the conditions, expected 1"),
        ("block_it.ladder: time of lists at n=1024", "0 cases.*n=128"),
        ("block_it.ladder: time of ikj at largest m2", "0 cases"),
        ("block_it.ladder: size of ikj", "5 cases"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_choices(text, complaint):
    with pytest.raises(QueryError, match=complaint):
        ask(text)


CLAIMS = """
[blocking]
title = "Blocking"
quote = "2-5x"
range = [2, 5]
comparisons = [
  {title = "compiled", experiment = "block_it.ladder", kernel = "blocked", over = "ikj"},
]
"""


@pytest.fixture
def pages(book):
    book.configure("myst_parser", "measured")
    book.write("book/claims.toml", CLAIMS)
    records.write(synthetic.ladder())
    return book


def test_roles_print_values_intervals_and_links_in_markdown_and_rst(pages):
    pages.write(
        "book/index.md",
        "# Title\n\n{measured}`block_it.ladder: speedup of blocked over ikj at n=512` and\n"
        "{measured}`block_it.ladder: sentence of blocked over ikj at n=512` and\n"
        "{claim}`blocking` and {claim}`blocking: compiled` and {machine}`processor`.\n\n"
        "```{toctree}\nother\n```\n",
    )
    pages.write("book/other.rst", "Other\n=====\n\n:measured:`block_it.ladder: processes`\n")
    done = pages.build()
    assert done.returncode == 0, done.stderr
    page = pages.page()
    assert re.search(
        r'<a class="measured" href="machine.html#record-block_it-ladder" title="[^"]*blocked over'
        r' ikj[^"]*">1\.\d\d×<span class="interval"> \(1\.\d\d–1\.\d\d×\)</span></a>', page
    )  # fmt: skip
    assert re.search(r'<a class="sentence"[^>]*><code[^>]*><span class="pre">blocked', page)
    assert re.search(
        r'<a class="claim" href="claims.html#claim-blocking"[^>]*><s>2–5×</s> below</a>', page
    )
    assert "No case measured reaches 2–5×." in page
    assert re.search(r'<a class="machine" href="machine.html#machine-card">Imaginary', page)
    assert re.search(r'<a class="measured"[^>]*>6</a>', pages.page("other"))


def test_every_wrong_role_is_a_warning_with_file_line_and_choices(pages):
    wrong = [
        "{measured}`nothing.here: time of a at n=1`",
        "{measured}`block_it.ladder: time of gpu at n=64`",
        "{measured}`rubbish`",
        "{claim}`blokcing`",
        "{claim}`blocking: interpreted`",
        "{machine}`flux capacitor`",
    ]
    pages.write("book/index.md", "# Title\n\n" + "\n\n".join(wrong) + "\n")
    done = pages.build()
    assert done.returncode != 0
    warnings = re.findall(r"index\.md:(\d+): WARNING: (.*)", done.stderr)
    assert [int(line) for line, _ in warnings] == [3, 5, 7, 9, 11, 13]
    told = [text for _, text in warnings]
    for text, choice in zip(
        told, ["block_it.ladder", "lists", "block_it.ladder: speedup", "blocking", "compiled",
               "Processor"], strict=True
    ):  # fmt: skip
        assert choice in text


def test_a_page_is_read_again_when_its_record_changes_and_only_then(pages):
    pages.write("book/index.md", "# Title\n\n{measured}`block_it.ladder: processes`\n\n"
                "```{toctree}\nother\n```\n")  # fmt: skip
    pages.write("book/other.md", "# Other\n")
    assert pages.build().returncode == 0
    doctrees = {name: pages.folder / "doctrees" / f"{name}.doctree" for name in ("index", "other")}
    times = {name: path.stat().st_mtime_ns for name, path in doctrees.items()}
    assert pages.build().returncode == 0
    assert {name: path.stat().st_mtime_ns for name, path in doctrees.items()} == times
    records.write(synthetic.ladder(protocol={"processes": 12}))
    assert pages.build().returncode == 0
    assert ">12</a>" in pages.page()
    assert doctrees["other"].stat().st_mtime_ns == times["other"]


def test_a_page_whose_cells_read_records_is_read_again_when_a_record_is_new(pages):
    pages.write("book/index.md", "---\nreads_records: true\n---\n\n# Title\n")
    assert pages.build().returncode == 0
    doctree = pages.folder / "doctrees" / "index.doctree"
    before = doctree.stat().st_mtime_ns
    assert pages.build().returncode == 0
    assert doctree.stat().st_mtime_ns == before
    records.write(synthetic.sweep())
    assert pages.build().returncode == 0
    assert doctree.stat().st_mtime_ns > before


def test_the_grammar_in_the_docstring_names_every_quantity():
    told = measured.__doc__
    for quantity in [*measured.OF_KERNEL, *measured.OF_RECORD, "size", "resolution"]:
        assert quantity in told
