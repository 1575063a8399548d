"""Tables and sentences of a run follow from its samples, with rivals and without."""

import invented
import pytest

from accel.bench import report
from accel.bench.goals import goals

RIVALS = ["NumPy", "PyTorch"]


@pytest.fixture
def full():
    cases = [invented.case(n=4096), invented.case({**invented.LEADING, "PyTorch": 0.5e5}, n=1003)]
    return invented.bench(invented.entry("relu", cases, places=["L2", "memory"]))


@pytest.fixture
def alone():
    """A run without rivals but NumPy."""
    times = {"accel": 1e5, "NumPy": 6e5}
    cards = [invented.CARDS[0]]
    return invented.bench(invented.entry("relu", [invented.case(times)]), peers=cards)


def test_an_operation_has_a_line_for_each_case_and_rival(full):
    table = report.operation_table(full, full.entries[0])
    assert table.caption == "relu, float32, 1 thread: kernel vector"
    assert [row[4] for row in table.rows] == RIVALS * 2
    assert [row[6] for row in table.rows] == ["faster", "faster", "faster", "slower"]
    assert table.rows[0][0] == "n=4,096" and table.rows[1][0] == ""
    assert [row[1] for row in table.rows[::2]] == ["L2", "memory"]
    assert table.rows[0][5].startswith("6.")


def test_a_case_without_rivals_has_a_line_of_its_own(full):
    bench = invented.bench(invented.entry("relu", [invented.case({"accel": 1e5})]))
    (row,) = report.operation_table(bench, bench.entries[0]).rows
    assert row[4:] == ["–", "–", "–"]


def test_groups_are_apart_in_and_out_of_cache(full):
    rows = report.group_table(full).rows
    assert [(row[2], row[3]) for row in rows] == [
        ("in cache", "NumPy"), ("in cache", "PyTorch"),
        ("out of cache", "NumPy"), ("out of cache", "PyTorch"),
    ]  # fmt: skip
    assert rows[-1][4].startswith("0.50")


def test_the_goals_say_in_one_sentence_what_is_missed(full, alone):
    missed = report.goal_sentence(goals(full))
    assert "Not met: " in missed and "PyTorch" not in report.goal_sentence(goals(alone))
    table = report.goal_table(goals(alone))
    assert {row[2] for row in table.rows} <= {"met", "not met", "not measured"}


def test_libraries_are_named_also_where_they_are_absent(full):
    table = report.library_table(full)
    assert table.rows[2] == ["JAX", "–", "JAX is not installed here (No module named 'jax')"]
    assert report.absent_sentence(full) == (
        "Not compared: JAX is not installed here (No module named 'jax')."
    )


def test_nothing_is_said_of_absent_libraries_where_all_are_here(alone):
    assert report.absent_sentence(alone) == ""
    assert "Not compared" not in " ".join(report.sentences(alone))


def test_what_was_skipped_is_named_with_its_reason(full):
    changed = invented.bench(
        skipped=[{"operation": name, "reason": "no sizes"} for name in ("a", "b")]
        + [{"operation": "c", "reason": "no kernel"}]
    )
    assert report.skipped_sentence(changed) == "Not measured: a and b (no sizes); c (no kernel)."
    assert report.skipped_sentence(invented.bench(skipped=[])) == ""


def test_a_rival_that_was_left_out_is_named():
    dropped = {"SciPy": "wrong answer: element [0] is 1"}
    bench = invented.bench(invented.entry("relu", [invented.case()], dropped=dropped))
    (sentence,) = report.dropped_sentences(bench)
    assert sentence == "SciPy was left out of relu: wrong answer: element [0] is 1."


def test_what_was_removed_from_the_environment_is_said():
    assert "No variable" in report.overrides_sentence(invented.bench())
    bench = invented.bench(removed_overrides={"OPENBLAS_CORETYPE": "Haswell"})
    assert "OPENBLAS_CORETYPE=Haswell" in report.overrides_sentence(bench)


def test_instability_is_counted(full):
    assert report.stability_sentence(full) == "All 2 cases were stable."
    bench = invented.bench(invented.entry("relu", [invented.case(stable=False)]))
    assert report.stability_sentence(bench).startswith("1 of 1 cases were unstable")


def test_errors_have_a_column_for_everybody():
    gelu = {"operation": "gelu", "dtype": "float32"}
    rows = [
        {**gelu, "competitor": "accel", "ulp": 2.5, "relative": 1e-7},
        {**gelu, "competitor": "NumPy", "reason": "raised"},
    ]
    table = report.accuracy_table(invented.bench(accuracy=rows))
    assert table.headers == ["Operation", "Type", "accel", "NumPy", "PyTorch"]
    assert table.rows == [["gelu", "float32", "2.50 (1e-07)", "failed", "–"]]


def test_first_calls_are_told_or_why_there_are_none():
    calls = [
        {"operation": "gelu", "dtype": "float32", "threads": 1, "cold_ns": 3e9, "warm_ns": 4e7,
         "numba_ns": 3e8},
        {"operation": "relu", "dtype": "float32", "threads": 1, "reason": "broke"},
    ]  # fmt: skip
    first, second = report.first_call_table(invented.bench(first_calls=calls)).rows
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in first[3:]] == [
        "3.00 s", "40.0 ms", "300 ms",
    ]  # fmt: skip
    assert second[3:] == ["broke", "–", "–"]


def test_a_whole_run_is_printable(full, alone):
    for bench in (full, alone, invented.bench()):
        assert all(str(table) and table._repr_html_() for table in report.tables(bench))
        assert all(report.sentences(bench))
