"""Build the book: run Sphinx aside, watch it, and put the site in place only if all went well.

Sphinx works in ``build/work``; the site that readers open is ``build/html``. A
build that fails, or is stopped, leaves the latter as it was. Records are kept in
``build/results``.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from accel.timing import isolate, locks
from accel.timing.plan import profile as find_profile

#: What the `book` extra brings, by the names under which it is imported.
NEEDED = (
    "sphinx",
    "sphinx_gallery",
    "myst_nb",
    "pydata_sphinx_theme",
    "sphinx_design",
    "sphinx_copybutton",
    "matplotlib",
    "latex2mathml",
    "pyperf",
)

#: Least free space to begin with, in bytes: a site, its working copy and its records.
LEAST_FREE_BYTES = 100 * 2**20

#: Free space below which a write has failed, whatever else went wrong, in bytes.
FULL_BYTES = 2**16

#: What terminals are told for a colour; the traceback of a failing cell is full of it.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

#: Time that Sphinx itself takes beside the experiments, in s; for the progress bar only.
SPHINX_S = 25.0


class BuildError(RuntimeError):
    """The book could not be built; the message says why and what to do, line by line."""


@dataclass(frozen=True)
class Places:
    """Where everything is, from the root of the book's sources."""

    root: Path

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def work(self) -> Path:
        return self.build / "work"

    @property
    def html(self) -> Path:
        return self.build / "html"

    @property
    def old(self) -> Path:
        """The last site, while the new one takes its place."""
        return self.build / ".html-old"

    @property
    def results(self) -> Path:
        return self.build / "results"

    @property
    def log(self) -> Path:
        return self.work / "sphinx.log"

    @property
    def progress(self) -> Path:
        return self.work / "progress.jsonl"


@dataclass
class Progress:
    """How far the experiments are, as told by the file they write to."""

    planned: dict[str, float]
    done: dict[str, float] = field(default_factory=dict)
    running: str = ""
    error: str | None = None

    def take(self, event: dict) -> None:
        """Take in one line of the progress file."""
        name = event["experiment"]
        self.planned[name] = event["budget_s"]
        match event["event"]:
            case "begin" | "progress":
                self.running = name
                self.done[name] = event.get("done", 0.0) * event["budget_s"]
            case "end" | "fresh":
                self.running = ""
                self.done[name] = event["budget_s"]
            case "error":
                self.error = event["message"]

    @property
    def total_s(self) -> float:
        return sum(self.planned.values()) + SPHINX_S

    @property
    def done_s(self) -> float:
        return sum(self.done.values())


def find_root(start: Path) -> Path:
    """Return the folder that holds the book's sources: `start` or one above it.

    Raises
    ------
    BuildError
        If there is none.
    """
    for folder in (start, *start.parents):
        if all((folder / part).exists() for part in ("book", "gallery", "conf/conf.py")):
            return folder
    raise BuildError(
        f"no book sources in {start} or above it: expected book/, gallery/ and conf/conf.py; "
        "run `accel build` inside a copy of the project"
    )


def budgets_of(script: Path) -> dict[str, float]:
    """Return the quick profile's time budget in s of every experiment in a gallery script.

    Finds the calls ``measure("name", ..., budget_s=number)`` without running them.

    Raises
    ------
    BuildError
        If the script is no Python, or computes a name or a budget.
    """
    try:
        tree = ast.parse(script.read_text("utf-8"), script.name)
    except (SyntaxError, ValueError) as error:
        raise BuildError(f"{script.name} is not Python: {error}") from None
    budgets = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "measure":
            given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "budget_s")]
            match [getattr(part, "value", None) for part in given]:
                case [str(name), int(seconds) | float(seconds)]:
                    budgets[name] = seconds
                case _:
                    raise BuildError(
                        f'{script.name}, line {node.lineno}: expected measure("name", ..., '
                        "budget_s=number), both written out: they are read without running it"
                    )
    return budgets


def planned_budgets(root: Path, factor: float) -> dict[str, float]:
    """Return the time budget in s of every experiment of the book under a profile."""
    return {
        name: seconds * factor
        for script in sorted((root / "gallery").glob("*/plot_*.py"))
        for name, seconds in budgets_of(script).items()
    }


def build(
    start: Path,
    profile: str | None = None,
    remeasure: bool = False,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Build the book and return the path of its first page.

    Parameters
    ----------
    start : Path
        Folder inside the project.
    profile : str, optional
        "quick", "standard" or "publish".
    remeasure : bool
        Measure everything again, even where nothing has changed.
    watch : callable
        Called several times a second with the state of the experiments.

    Raises
    ------
    BuildError
        If it fails; the site of the last good build is untouched.
    ValueError
        If there is no such profile.
    """
    chosen = find_profile(profile)
    require_extra()
    places = Places(find_root(start.resolve()))
    with prepared(places):
        if remeasure:
            shutil.rmtree(places.root / "book" / "gallery", ignore_errors=True)
        progress = Progress(planned_budgets(places.root, chosen.budget_factor))
        environ = {
            **os.environ,
            "ACCEL_RESULTS": str(places.results),
            "ACCEL_PROFILE": chosen.name,
            "ACCEL_PROGRESS": str(places.progress),
            "ACCEL_REMEASURE": "1" if remeasure else "0",
            # What libraries cache for this build stays in the build folder.
            "MPLCONFIGDIR": str(places.work / "matplotlib"),
            "IPYTHONDIR": str(places.work / "ipython"),
        }
        with forgotten_unless_finished(places.work / "doctrees"):
            if run_sphinx(places, environ, progress, watch) != 0:
                raise BuildError(complaint(places, progress))
        publish(places)
    return places.html / "index.html"


def require_extra() -> None:
    """Raise if a library of the `book` extra is missing.

    Raises
    ------
    BuildError
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BuildError(
            f"missing {', '.join(missing)}; install the book's extra: "
            "pip install 'accel-book[book]'"
        )


@contextmanager
def prepared(places: Places) -> Iterator[None]:
    """Make the build folder ready, and let only one build use it at a time.

    Raises
    ------
    BuildError
        If it cannot be written, is nearly full, or is in use.
    """
    with ExitStack() as stack:
        try:
            places.work.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(places.work / "lock", "w"))
            if not locks.taken(lock):  # nothing below may be touched then
                raise BuildError(f"another build is using {places.build}; wait for it to end")
            put_back(places)
            places.progress.write_text("")
        except OSError as error:
            raise BuildError(f"cannot write to {places.build}: {error.strerror}") from None
        free = shutil.disk_usage(places.build).free
        if free < LEAST_FREE_BYTES:
            raise BuildError(
                f"{places.build} has {free >> 20} MiB free, "
                f"a build needs {LEAST_FREE_BYTES >> 20} MiB"
            )
        yield


@contextmanager
def forgotten_unless_finished(memory: Path) -> Iterator[None]:
    """Remove Sphinx's memory of a run that failed or was stopped.

    Sphinx warns only about pages it reads again: with this memory, the next run
    would pass over a fault that is still there.
    """
    try:
        yield
    except BaseException:
        shutil.rmtree(memory, ignore_errors=True)
        raise


def run_sphinx(places: Places, environ: dict, progress: Progress, watch) -> int:
    """Run Sphinx, report what it measures, and stop it with its workers if interrupted."""
    command = [
        sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-n",
        "-c", "conf", "-d", "build/work/doctrees", "book", "build/work/html",
    ]  # fmt: skip
    # Sphinx never removes the page of a source that is gone; writing all anew is quick.
    shutil.rmtree(places.work / "html", ignore_errors=True)
    with places.log.open("wb") as log, places.progress.open(encoding="utf-8") as events:
        process = subprocess.Popen(
            command, cwd=places.root, env=environ, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            while True:
                running = process.poll() is None
                for event in whole_lines(events):
                    progress.take(event)
                watch(progress)
                if not running:
                    return process.returncode
                time.sleep(0.2)
        finally:
            stop(process)


def whole_lines(file: TextIO) -> Iterator[dict]:
    """Yield what has been written since the last call; a line amid being written waits."""
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(place)
            return
        yield json.loads(line)


def stop(process: subprocess.Popen) -> None:
    """End a process and the workers in its group: politely, then not."""
    try:
        if process.poll() is None:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):  # then the group is killed below
                process.wait(timeout=5)
    finally:  # also if whoever waits here is interrupted once more
        isolate.end(process)


def complaint(places: Places, progress: Progress) -> str:
    """Return why Sphinx failed: the experiment's own line, or the log's warnings."""
    if progress.error:
        return progress.error
    if shutil.disk_usage(places.build).free < FULL_BYTES:
        return f"no space is left in {places.build}"  # nor was there any for the log
    text = _COLOUR.sub("", places.log.read_text("utf-8", errors="replace"))
    telling = [
        line.replace(f"{places.root}{os.sep}", "")
        for line in text.splitlines()
        if any(word in line for word in ("WARNING", "ERROR", "CRITICAL", "rror:", "xception:"))
        and not line.startswith("[IPKernelApp]")  # a Jupyter kernel on its own connection
    ]
    lines = list(dict.fromkeys(telling))[:10] or text.splitlines()[-3:]
    return "\n".join([*lines, f"the whole log is in {places.log.relative_to(places.root)}"])


def publish(places: Places) -> None:
    """Put the finished site in place of the last one.

    Raises
    ------
    BuildError
        If it cannot be copied; the last one stays.
    """
    new = places.build / ".html-new"
    try:
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(places.work / "html", new)
        shutil.rmtree(places.old, ignore_errors=True)
        if places.html.exists():
            os.replace(places.html, places.old)
        os.replace(new, places.html)
    except OSError as error:  # copytree collects its errors in one, a triple for each file
        reason = error.args[0][0][-1] if isinstance(error, shutil.Error) else error.strerror
        raise BuildError(f"cannot put the site into {places.html}: {reason}") from None
    finally:
        put_back(places)
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(places.old, ignore_errors=True)


def put_back(places: Places) -> None:
    """Restore the last site where a build ended between taking it away and putting the new one."""
    if places.old.exists() and not places.html.exists():
        os.replace(places.old, places.html)
