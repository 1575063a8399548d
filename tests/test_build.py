"""Building a miniature book: one page, no experiment, the real Sphinx."""

import errno
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple

import pytest
from processes import has_ended

from accel import build as building
from accel.build import BuildError, Places, Progress

CONF = """
import os

project = "Small"
html_theme = "basic"
names = ("ACCEL_PROFILE", "ACCEL_REMEASURE", "ACCEL_RESULTS")
rst_epilog = "\\n".join(f".. |{name}| replace:: {os.environ[name]}" for name in names)
"""

PAGE = """
Small
=====

First edition. |ACCEL_PROFILE| |ACCEL_REMEASURE| |ACCEL_RESULTS|
"""

FAULT = "\n:doc:`a page that does not exist`\n"


DISK = namedtuple("DISK", "total used free")


@pytest.fixture
def root(tmp_path):
    """Sources of a book of one page."""
    for folder in ("book", "conf", "gallery/01_first"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "conf" / "conf.py").write_text(CONF)
    (tmp_path / "book" / "index.rst").write_text(PAGE)
    return tmp_path


@pytest.fixture
def places(root):
    return Places(root)


@pytest.fixture
def last_site(places):
    """The site of an earlier build."""
    places.html.mkdir(parents=True)
    (places.html / "index.html").write_text("the last good site")
    return places.html / "index.html"


@pytest.fixture
def new_site(places):
    """What Sphinx has just finished."""
    folder = places.work / "html"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the new site")
    return folder


def is_intact(last_site):
    """The last site is there, whole, and alone."""
    return last_site.read_text() == "the last good site" and not [
        name for name in os.listdir(last_site.parent.parent) if name.startswith(".html")
    ]


# --- sources -------------------------------------------------------------------------------------


def test_the_root_is_found_from_any_folder_inside(root):
    inside = root / "gallery" / "01_first"
    assert building.find_root(root) == building.find_root(inside) == root


def test_outside_a_project_the_message_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        BuildError, match=r"no book sources in .*expected book/, gallery/ and conf/conf.py"
    ):
        building.find_root(tmp_path)


def script(root, text):
    path = root / "gallery" / "01_first" / "plot_01_first.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_budgets_are_read_without_running_the_script(root):
    script(
        root,
        """
        raise SystemExit("never run")
        a = measure("first.a", "?", cases, budget_s=10)
        if a:
            print(measure("first.b", "?", [], threads=2, budget_s=2.5))
        # measure("first.c", "?", [], budget_s=1)
        measured("first.d", budget_s=1)
        """,
    )
    assert building.planned_budgets(root, factor=2) == {"first.a": 20, "first.b": 5}


@pytest.mark.parametrize(
    "call",
    [
        'measure("first.a", "?", cases, budget_s=SECONDS)',
        'measure(NAME, "?", cases, budget_s=1)',
        'measure("first.a", "?", cases)',
        'measure("first.a", "?", cases, budget_s="1")',
        "measure()",
        "measure(*everything)",
    ],
)
def test_a_budget_that_is_not_written_out_is_refused_with_its_line(root, call):
    script(root, f"x = 1\n{call}\n")
    with pytest.raises(BuildError, match="plot_01_first.py, line 2: expected measure"):
        building.planned_budgets(root, 1)


@pytest.mark.parametrize("content", [b"for x in:\n", b"\0", b"# \xff\n"])
def test_a_script_that_is_not_python_is_named(root, content):
    script(root, "").write_bytes(content)
    with pytest.raises(BuildError, match="plot_01_first.py is not Python"):
        building.planned_budgets(root, 1)


# --- progress ------------------------------------------------------------------------------------


def event(kind, name="first.a", budget_s=10, **facts):
    return {"event": kind, "experiment": name, "budget_s": budget_s, **facts}


def test_progress_is_the_share_of_the_planned_time():
    progress = Progress({"first.a": 10, "first.b": 30})
    assert progress.total_s == 40 + building.SPHINX_S
    progress.take(event("begin"))
    assert (progress.running, progress.done_s) == ("first.a", 0)
    progress.take(event("progress", done=0.5))
    assert (progress.running, progress.done_s) == ("first.a", 5)
    progress.take(event("end"))
    assert (progress.running, progress.done_s) == ("", 10)


def test_a_record_that_is_fresh_is_done_at_once():
    progress = Progress({"first.a": 10})
    progress.take(event("fresh"))
    assert progress.done_s == 10


def test_an_experiment_that_was_not_planned_adds_to_the_total():
    progress = Progress({})
    progress.take(event("begin", "surprise.x", budget_s=7))
    assert progress.total_s == 7 + building.SPHINX_S


def test_the_error_of_an_experiment_is_kept():
    progress = Progress({})
    progress.take(event("error", message="it broke"))
    assert progress.error == "it broke"


def test_a_line_amid_being_written_waits_for_its_end(tmp_path):
    path = tmp_path / "progress.jsonl"
    with path.open("w") as writer, path.open() as reader:
        writer.write('{"event": "begin"}\n{"event": "pro')
        writer.flush()
        assert list(building.whole_lines(reader)) == [{"event": "begin"}]
        assert list(building.whole_lines(reader)) == []
        writer.write('gress"}\n')
        writer.flush()
        assert list(building.whole_lines(reader)) == [{"event": "progress"}]


# --- whole builds --------------------------------------------------------------------------------


def test_a_build_puts_the_site_in_place_and_returns_its_first_page(root, places):
    states = []
    page = building.build(
        root / "book", "quick", watch=lambda progress: states.append(progress.total_s)
    )
    assert page == places.html / "index.html"
    html = page.read_text()
    assert "First edition. quick 0" in html
    assert f"{places.results}" in html
    assert states[0] == building.SPHINX_S
    assert sorted(os.listdir(places.build)) == ["html", "work"]


def test_a_build_replaces_the_last_site_whole(root, last_site):
    (last_site.parent / "page-that-is-gone.html").write_text("")
    building.build(root)
    assert "First edition. standard" in last_site.read_text()
    assert not (last_site.parent / "page-that-is-gone.html").exists()


def test_measuring_again_forgets_what_the_gallery_has_run(root, places):
    leftover = root / "book" / "gallery" / "plot_01.rst"
    leftover.parent.mkdir()
    leftover.write_text(":orphan:\n\nRun yesterday\n=============\n")
    page = building.build(root, "quick", remeasure=True)
    assert "First edition. quick 1" in page.read_text()
    assert not leftover.exists()


def test_a_fault_leaves_the_last_site_and_fails_again_until_it_is_gone(root, last_site):
    page = root / "book" / "index.rst"
    page.write_text(PAGE + FAULT)
    for _ in range(2):
        with pytest.raises(BuildError) as failure:
            building.build(root, "quick")
        first, last = str(failure.value).splitlines()[0], str(failure.value).splitlines()[-1]
        assert first.startswith("book/index.rst:7: WARNING: unknown document")
        assert last == "the whole log is in build/work/sphinx.log"
        assert is_intact(last_site)
    page.write_text(PAGE)
    building.build(root, "quick")
    assert "First edition" in last_site.read_text()


def test_a_fault_is_not_passed_over_after_a_build_that_was_stopped(root, last_site, monkeypatch):
    """Sphinx had read the faulty page already, and would not read it again."""
    (root / "book" / "index.rst").write_text(PAGE + FAULT)
    sphinx = building.run_sphinx

    def interrupted(*arguments):
        sphinx(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "run_sphinx", interrupted)
    with pytest.raises(KeyboardInterrupt):
        building.build(root, "quick")
    monkeypatch.setattr(building, "run_sphinx", sphinx)
    with pytest.raises(BuildError, match="unknown document"):
        building.build(root, "quick")
    assert is_intact(last_site)


def test_a_failed_experiment_is_the_only_line(root, last_site):
    line = "plot_01_first.py: first.a: kernel f at n=1: raised ValueError: no"
    error = json.dumps(event("error", message=line))
    (root / "conf" / "conf.py").write_text(
        f"import os\nopen(os.environ['ACCEL_PROGRESS'], 'a').write({error + chr(10)!r})\n"
        "raise RuntimeError('the script failed')\n"
    )
    with pytest.raises(BuildError) as failure:
        building.build(root, "quick")
    assert str(failure.value) == line
    assert is_intact(last_site)


def test_a_configuration_that_does_not_load_is_told_from_the_log(root, last_site):
    (root / "conf" / "conf.py").write_text("import a_library_that_is_not_there\n")
    with pytest.raises(BuildError, match="ModuleNotFoundError: No module named 'a_library"):
        building.build(root, "quick")
    assert is_intact(last_site)


def test_a_disk_that_filled_up_meanwhile_is_told(places, monkeypatch):
    places.work.mkdir(parents=True)
    places.log.write_text("")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DISK(2**40, 2**40, 0))
    assert building.complaint(places, Progress({})) == f"no space is left in {places.build}"


# --- before Sphinx starts ------------------------------------------------------------------------


@pytest.fixture
def no_sphinx(monkeypatch):
    """Sphinx must not be started."""

    def refuse(*arguments):
        raise AssertionError("Sphinx was started")

    monkeypatch.setattr(building, "run_sphinx", refuse)


def test_an_unknown_profile_is_refused_before_anything_is_touched(root, places, no_sphinx):
    with pytest.raises(
        ValueError, match="no profile 'fast'; choose one of quick, standard, publish"
    ):
        building.build(root, "fast")
    assert not places.build.exists()


def test_a_missing_extra_is_named_with_the_command_that_installs_it(root, no_sphinx, monkeypatch):
    find = importlib.util.find_spec
    missing = ("myst_nb", "latex2mathml")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(
        BuildError, match=r"missing myst_nb, latex2mathml; .*pip install 'accel-book\[book\]'"
    ):
        building.build(root, "quick")


def test_a_build_folder_that_is_a_file_is_named(root, places, no_sphinx):
    places.build.write_text("in the way")
    with pytest.raises(BuildError, match=f"cannot write to {places.build}: "):
        building.build(root, "quick")
    assert places.build.read_text() == "in the way"


def test_a_disk_that_is_nearly_full_is_told_before_the_work(
    root, last_site, no_sphinx, monkeypatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DISK(2**40, 2**40 - 2**20, 2**20))
    with pytest.raises(BuildError, match="has 1 MiB free, a build needs 100 MiB"):
        building.build(root, "quick")
    assert is_intact(last_site)


def test_a_second_build_at_the_same_time_is_refused_and_disturbs_nothing(root, places, no_sphinx):
    with building.prepared(places):
        places.progress.write_text("told so far\n")
        with pytest.raises(BuildError, match="another build is using .*; wait for it to end"):
            building.build(root, "quick")
        assert places.progress.read_text() == "told so far\n"


def test_a_build_that_has_ended_keeps_nobody_out(places):
    for _ in range(2):
        with building.prepared(places):
            pass


def test_a_site_that_was_being_replaced_when_the_power_went_is_put_back(places, last_site):
    os.replace(places.html, places.old)
    with building.prepared(places):
        assert is_intact(last_site)


# --- putting the site in place -------------------------------------------------------------------


def test_the_new_site_takes_the_place_of_the_last(places, last_site, new_site):
    building.publish(places)
    assert last_site.read_text() == "the new site"
    assert sorted(os.listdir(places.build)) == ["html", "work"]


@pytest.mark.parametrize(
    "fault",
    [
        shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'"), ("c", "d", "e")]),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_copy_that_fails_half_way_leaves_the_last_site(
    places, last_site, new_site, monkeypatch, fault
):
    def half(source, target):
        os.mkdir(target)
        raise fault

    monkeypatch.setattr(shutil, "copytree", half)
    with pytest.raises(BuildError) as failure:
        building.publish(places)
    line = str(failure.value)
    assert line.startswith(f"cannot put the site into {places.html}: ")
    assert line.count("No space left on device") == 1 and "\n" not in line
    assert is_intact(last_site)


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("fault", [OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
def test_a_move_that_fails_leaves_the_last_site(
    places, last_site, new_site, monkeypatch, failing, fault
):
    """The last site steps aside first, then the new one takes its place."""
    moves, move = [], os.replace

    def fail(source, target):
        moves.append(source)
        if len(moves) == failing:
            raise fault
        move(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((BuildError, KeyboardInterrupt)):
        building.publish(places)
    assert is_intact(last_site)


# --- stopping ------------------------------------------------------------------------------------

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_second_interrupt_while_stopping_still_ends_every_process():
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        child = int(process.stdout.readline())

        def impatient(timeout=None):
            process.wait = type(process).wait.__get__(process)
            raise KeyboardInterrupt

        process.wait = impatient
        with pytest.raises(KeyboardInterrupt):
            building.stop(process)
    assert process.returncode == -signal.SIGKILL
    assert has_ended(child)


def test_stopping_what_has_ended_is_quiet():
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait()
    building.stop(process)
    assert process.returncode == 0
