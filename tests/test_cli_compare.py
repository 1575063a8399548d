"""`accel compare` and `accel export`, as somebody at a terminal meets them."""

import json
import os
import subprocess
import sys

import pytest
import synthetic
from typer.testing import CliRunner

from accel import cli
from accel.timing import compare, records, to_pyperf


@pytest.fixture
def accel():
    return lambda *arguments: CliRunner().invoke(cli.app, [*map(str, arguments)])


def run(folder, tiled=2e5, experiment="page.ladder", **changes):
    """Write a run of one experiment into a folder and return the folder."""
    cases = [synthetic.case({"tiled": tiled * n, "blas": 1e5 * n}, n=n) for n in (1, 2)]
    records.write(synthetic.record(experiment, cases, **changes), folder)
    return folder


@pytest.fixture
def old(tmp_path):
    return run(tmp_path / "old")


@pytest.fixture
def new(tmp_path):
    return run(tmp_path / "new", tiled=3e5)


def test_two_folders_are_compared_in_a_table(accel, old, new):
    answer = accel("compare", old, new)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout == compare(old, new).to_table(80)
    assert "slower: tiled" in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 80


def test_two_files_are_compared_under_whatever_name(accel, old, new, tmp_path):
    copied = tmp_path / "before.json"
    copied.write_bytes((old / "page.ladder.json").read_bytes())
    answer = accel("compare", copied, new / "page.ladder.json")
    assert answer.stdout == compare(old, new).to_table(80)


@pytest.mark.parametrize(
    ("sides", "options", "status"),
    [
        (("old", "new"), (), 0),
        (("old", "new"), ("--fail-on-slower",), 1),
        (("new", "old"), ("--fail-on-slower",), 0),
        (("old", "old"), ("--fail-on-slower",), 0),
    ],
)
def test_a_resolved_regression_is_status_1_if_asked_for(accel, old, new, sides, options, status):
    folders = {"old": old, "new": new}
    answer = accel("compare", *(folders[side] for side in sides), *options)
    assert answer.exit_code == status
    assert "Kernel" in answer.stdout


def test_a_page_and_json_are_written_whole(accel, old, new, tmp_path):
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    answer = accel("compare", old, new, "--html", page, "--json", data, "--fail-on-slower")
    assert answer.exit_code == 1
    found = compare(old, new)
    assert page.read_text("utf-8") == found.to_html()
    assert json.loads(data.read_text("utf-8")) == json.loads(found.to_json())
    assert sorted(os.listdir(tmp_path)) == ["data.json", "new", "old", "page.html"]


def test_other_machines_are_named_before_the_table(accel, old, tmp_path):
    machine = {**synthetic.MACHINE, "model": "Another 7"}
    other = run(tmp_path / "new", machine=machine, fingerprint="f" * 16)
    told = accel("compare", old, other).stdout
    assert told.index("ratios compare machines, not code") < told.index("Kernel")
    assert told.index("Imaginary Processor 9000 → Another 7") < told.index("Kernel")


# --- what cannot be used -------------------------------------------------------------------------


def refused(answer):
    """Return the one line that a refusal prints."""
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty"),
        (b'{"kind": "accel-record", "schema": 1, "cas', "damaged JSON"),
        (b'{"kind": "accel-record", "schema": 0}', "it is older; measure again"),
        (b'{"kind": "accel-record", "schema": 2}', "it is newer; upgrade accel"),
        (b'{"kind": "accel-record"}', "record schema missing"),
        (b'{"kind": "accel-record", "schema": 1, "clock": NaN}', "NaN is not a JSON number"),
        (b'{"kind": "accel-comparison", "schema": 1}', "not a record"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 10_000, "nested"),
    ],
)
@pytest.mark.parametrize("side", ["old", "new"])
def test_an_unusable_record_is_status_2_and_named(accel, old, new, side, content, complaint):
    folder = {"old": old, "new": new}[side]
    (folder / "page.bad.json").write_bytes(content)
    answer = accel("compare", old, new, "--fail-on-slower")
    line = refused(answer)
    assert line.startswith(f"{side}: page.bad.json: ") and complaint in line
    assert answer.stdout == ""


def test_what_is_no_file_is_status_2_and_not_waited_for(accel, old, tmp_path):
    pipe, giant, empty = tmp_path / "pipe", tmp_path / "giant", tmp_path / "empty"
    os.mkfifo(pipe)
    empty.mkdir()
    with open(giant, "wb") as file:
        file.truncate(2**30)
    assert "new: pipe: cannot be read: it is a named pipe" in refused(accel("compare", old, pipe))
    assert "new: giant: cannot be read: it has at" in refused(accel("compare", old, giant))
    assert "no records here" in refused(accel("compare", old, empty))
    assert "old: absent: cannot be read: No such" in refused(accel("compare", "absent", old))
    assert "null: cannot be read: it is a device" in refused(accel("compare", "/dev/null", old))


def test_a_name_cannot_drive_the_terminal(accel, old, tmp_path):
    evil = tmp_path / "\x1b[31m\nevil"
    assert "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}evil" in refused(
        accel("compare", old, evil)
    )


def test_where_nothing_is_in_common_the_table_says_so_and_the_status_is_2(accel, old, tmp_path):
    answer = accel("compare", old, run(tmp_path / "new", experiment="page.other"))
    assert "nothing could be compared" in refused(answer)
    assert "only in old" in answer.stdout and "only in new" in answer.stdout


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_file_that_cannot_be_written_is_status_2_and_named(accel, old, new, tmp_path, option):
    line = refused(accel("compare", old, new, option, tmp_path / "absent" / "x"))
    assert "absent/x: No such file or directory" in line


def test_a_record_is_never_written_over(accel, old, new):
    record = new / "page.ladder.json"
    before = record.read_bytes()
    overwriting = ("compare", old, new, "--json", record), ("export", record, "--pyperf", record)
    for arguments in overwriting:
        assert "a record is there; choose another name" in refused(accel(*arguments))
    assert record.read_bytes() == before


# --- export --------------------------------------------------------------------------------------


def test_a_record_is_exported_for_pyperf(accel, old, new, tmp_path):
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for folder, file in zip((old, new), files, strict=True):
        answer = accel("export", folder / "page.ladder.json", "--pyperf", file)
        assert (answer.exit_code, answer.output) == (0, "")
        assert file.read_text() == to_pyperf(records.read(folder / "page.ladder.json"))
    told = subprocess.run(
        [sys.executable, "-m", "pyperf", "compare_to", *files],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "1.50x slower" in told.stdout


def test_what_cannot_be_exported_is_status_2_and_leaves_no_file(accel, old, tmp_path):
    target = tmp_path / "out.json"
    assert "absent.json: cannot be read" in refused(
        accel("export", tmp_path / "absent.json", "--pyperf", target)
    )
    answer = accel("export", old, "--pyperf", target)
    assert "old: cannot be read: Is a directory" in refused(answer)
    assert not target.exists()


def test_an_export_without_a_format_is_a_usage_error(accel, old):
    answer = accel("export", old / "page.ladder.json")
    assert answer.exit_code == 2
    assert "--pyperf" in answer.stderr


@pytest.mark.parametrize("command", ["compare", "export"])
def test_help_says_what_the_command_does(accel, command):
    answer = accel(command, "--help")
    assert answer.exit_code == 0
    assert "Usage: " in answer.stdout
