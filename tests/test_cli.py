"""The `accel` command, as somebody at a terminal meets it."""

import json
import os
import signal
import subprocess
import sys

import pytest
import synthetic_roofs
from processes import comes_true, has_ended
from typer.testing import CliRunner

from accel import build as building
from accel import cli
from accel.timing import MeasurementError, machine, roofs

#: Sphinx stops here, as it does while a script measures: a child works, and it waits.
WAITING_CONF = """
import os, subprocess, sys, time

project = "Small"
html_theme = "basic"

def setup(app):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("pids.new", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename("pids.new", "pids")
    time.sleep(600)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The current folder is a book of one page."""
    for folder in ("book", "conf", "gallery"):
        (tmp_path / folder).mkdir()
    (tmp_path / "conf" / "conf.py").write_text('project = "Small"\nhtml_theme = "basic"\n')
    (tmp_path / "book" / "index.rst").write_text("Small\n=====\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def accel():
    """Run the command in this process, and leave its signals as they were."""
    before = {number: signal.getsignal(number) for number in cli.ENDINGS}
    yield lambda *arguments: CliRunner().invoke(cli.app, list(arguments))
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def failing(monkeypatch):
    """Let the build end with an error."""

    def fail_with(error):
        def build(*arguments):
            raise error

        monkeypatch.setattr(building, "build", build)

    return fail_with


# --- usage ---------------------------------------------------------------------------------------


def test_without_a_command_the_help_is_printed_and_the_status_is_2(accel):
    answer = accel()
    assert answer.exit_code == 2
    assert "build" in answer.output and "machine" in answer.output


@pytest.mark.parametrize(
    "arguments", [("--fast",), ("bulid",), ("build", "--profil", "quick"), ("machine", "--xml")]
)
def test_what_is_unknown_is_named_and_the_status_is_2(accel, arguments):
    answer = accel(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert "Usage: " in answer.stderr and "--help" in answer.stderr
    assert any(argument in answer.stderr for argument in arguments)


@pytest.mark.parametrize("arguments", [("--help",), ("build", "--help"), ("machine", "--help")])
def test_help_is_no_error(accel, arguments):
    answer = accel(*arguments)
    assert answer.exit_code == 0
    assert "Usage: " in answer.stdout


def test_the_help_names_the_profiles(accel):
    assert all(name in accel("build", "--help").stdout for name in ("quick", "standard", "publish"))


# --- machine -------------------------------------------------------------------------------------


def test_the_machine_card_has_every_row(accel):
    answer = accel("machine")
    assert answer.exit_code == 0
    here, software = machine.describe(), machine.software()
    rows = [*machine.card(here, software), *machine.weather(machine.load())]
    assert all(label in answer.stdout for label, _ in rows)


def test_the_machine_in_json_is_one_object_and_nothing_else(accel):
    answer = accel("machine", "--json")
    assert answer.exit_code == 0
    assert answer.stderr == ""
    facts = json.loads(answer.stdout)
    assert set(facts) == {"machine", "software", "load", "fingerprint", "warnings"}
    assert facts["fingerprint"] == machine.fingerprint(facts["machine"], facts["software"])


def test_a_forced_blas_kernel_is_warned_of(accel, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "Warning: OPENBLAS_CORETYPE=Haswell is set" in accel("machine").stdout
    warnings = json.loads(accel("machine", "--json").stdout)["warnings"]
    assert any("OPENBLAS_CORETYPE=Haswell" in warning for warning in warnings)


# --- roofs ---------------------------------------------------------------------------------------


@pytest.fixture
def asked_for(monkeypatch):
    """What the command asked of `roofs.here`; it gets those of an invented machine."""
    wishes = []

    def here(**wish):
        wishes.append(wish)
        return synthetic_roofs.roofs()

    monkeypatch.setattr(roofs, "here", here)
    return wishes


def test_without_the_option_no_roof_is_looked_up(accel, asked_for):
    assert accel("machine").exit_code == 0
    assert asked_for == []


def test_roofs_are_printed_as_tables_with_intervals_and_age(accel, asked_for):
    answer = accel("machine", "--roofs")
    assert answer.exit_code == 0
    assert asked_for == [{"remeasure": False, "complete": True}]
    text = answer.stdout.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("float32        1   512 bits", "(224–224 GFLOP/s)", "L2", "One access"):
        assert words in text
    assert "8 independent chains" in text and " ago, in 6 fresh processes" in " ".join(text.split())


@pytest.mark.parametrize("options", [("--remeasure",), ("--roofs", "--remeasure")])
def test_measuring_again_is_asked_for_by_its_own_name(accel, asked_for, options):
    assert accel("machine", *options).exit_code == 0
    assert asked_for == [{"remeasure": True, "complete": True}]


def test_roofs_in_json_are_part_of_the_one_object(accel, asked_for):
    answer = accel("machine", "--roofs", "--json")
    facts = json.loads(answer.stdout)
    assert answer.stderr == ""
    assert [level["name"] for level in facts["roofs"]["levels"]] == ["L1", "L2", "L3", "memory"]
    assert facts["roofs"]["parallel_misses"]["chains"] == 8


@pytest.mark.parametrize(
    "error", [roofs.RoofError("no [bold]room[/bold]"), MeasurementError("no [bold]room[/bold]")]
)
def test_roofs_that_cannot_be_known_are_status_1_and_the_reason(accel, monkeypatch, error):
    def here(**wish):
        raise error

    monkeypatch.setattr(roofs, "here", here)
    answer = accel("machine", "--roofs")
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        "The roofs of this machine are not known.", "no [bold]room[/bold]",
    ]  # fmt: skip


# --- build ---------------------------------------------------------------------------------------


def test_a_build_prints_the_path_of_the_first_page_and_nothing_else(accel, project):
    answer = accel("build", "--profile", "quick")
    assert answer.exit_code == 0
    assert answer.stdout == f"{project / 'build' / 'html' / 'index.html'}\n"


def test_the_page_is_opened_when_asked_for(accel, project, monkeypatch):
    opened = []
    page = project / "build" / "html" / "index.html"
    monkeypatch.setattr(building, "build", lambda *arguments: page)
    monkeypatch.setattr(cli.webbrowser, "open", opened.append)
    accel("build")
    assert opened == []
    accel("build", "--open")
    assert opened == [page.as_uri()]


@pytest.mark.parametrize(
    ("options", "profile", "remeasure"),
    [
        ((), None, False),
        (("--profile", "publish"), "publish", False),
        (("--remeasure",), None, True),
    ],
)
def test_options_reach_the_build(accel, project, monkeypatch, options, profile, remeasure):
    seen = []
    monkeypatch.setattr(
        building, "build", lambda *arguments: seen.append(arguments[:3]) or project / "index.html"
    )
    accel("build", *options)
    assert seen == [(project, profile, remeasure)]


def test_an_error_is_told_as_it_is_and_the_status_is_1(accel, failing):
    line = "plot_08.py: block_it.ladder: kernel [bold]ikj[/bold] at n=64: " + "why " * 60
    failing(building.BuildError(line))
    answer = accel("build")
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines()[-2:] == ["The book was not built.", line]


def test_an_unknown_profile_is_named_beside_those_there_are(accel, project):
    answer = accel("build", "--profile", "fast")
    assert answer.exit_code == 1
    assert "no profile 'fast'; choose one of quick, standard, publish" in answer.stderr
    assert not (project / "build").exists()


def test_outside_a_project_nothing_is_built(accel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = accel("build")
    assert answer.exit_code == 1
    assert "run `accel build` inside a copy of the project" in answer.stderr
    assert os.listdir(tmp_path) == []


def test_an_interrupt_is_status_130_and_says_that_the_site_is_as_it_was(accel, failing):
    failing(KeyboardInterrupt())
    answer = accel("build")
    assert answer.exit_code == 130
    assert answer.stderr.endswith("Stopped. The last good site is as it was.\n")


def test_the_bar_shows_what_runs_and_how_long_it_will():
    with cli.Bar(cli.err) as bar:
        state = building.Progress({"first.a": 60, "first.b": 35.4})
        cli._show(bar, state)
        (task,) = bar._bar.tasks
        assert (task.description, task.fields["left"]) == ("reading the scripts", "about 2:00 left")
        state.take({"event": "progress", "experiment": "first.a", "budget_s": 60, "done": 0.5})
        cli._show(bar, state)
        assert (task.description, task.fields["left"]) == ("measuring first.a", "about 1:30 left")
        assert task.completed == 30


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_build_that_is_stopped_leaves_no_process_and_the_last_site(project, number):
    (project / "build" / "html").mkdir(parents=True)
    (project / "build" / "html" / "index.html").write_text("the last good site")
    (project / "conf" / "conf.py").write_text(WAITING_CONF)
    program = (  # as from a terminal: an ignored SIGINT would be inherited
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from accel.cli import main; import sys; sys.argv = ['accel', 'build']; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True
    ) as command:
        try:
            assert comes_true((project / "pids").exists)
            command.send_signal(getattr(signal, number))
            _, said = command.communicate(timeout=30)
        finally:
            command.kill()
    assert command.returncode == 130
    assert said.endswith("Stopped. The last good site is as it was.\n")
    sphinx, worker = (project / "pids").read_text().split()
    assert has_ended(int(sphinx)) and has_ended(int(worker))
    assert (project / "build" / "html" / "index.html").read_text() == "the last good site"
    assert sorted(os.listdir(project / "build")) == ["html", "work"]
