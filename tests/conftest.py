"""Shared by all tests: this folder is importable (`synthetic`), the shell is not in the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("accel", "book", "conf", "gallery", "pyproject.toml")

# How long an example takes says nothing on a busy machine, and nothing here about correctness.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


def pytest_addoption(parser):
    parser.addoption(
        "--thorough", action="store_true",
        help="also what takes long: the site in a browser, every kernel in its second type",
    )  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """Leave out what takes long unless it is asked for, by the option or by its name.

    Tests of the site come last: the book is built beside the others meanwhile.
    """
    named = any("::" in argument for argument in config.args)
    if not (named or config.getoption("--thorough")):
        left_out = [item for item in items if _takes_long(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("site") is not None)


def _takes_long(item):
    """Tell whether a test is marked so, or compiles a kernel for more types than float32."""
    if item.get_closest_marker("site") or item.get_closest_marker("thorough"):
        return True
    parameters = item.callspec.id if hasattr(item, "callspec") else ""
    another_type = "float64" in parameters or "int64" in parameters
    return item.path.parent.name == "kernels" and another_type


@pytest.fixture(scope="session", autouse=True)
def site_build(request, tmp_path_factory):
    """The process that builds the book in a copy of the sources; None where no test opens it.

    It takes minutes, most of them waiting its turn on one core, so it begins with the
    first test, whatever that is. Tests judge what is on the site, never how fast it was.
    """
    if not any(item.get_closest_marker("site") for item in request.session.items):
        yield None
        return
    copy = _copied_sources(tmp_path_factory.mktemp("checkout"))
    with open(copy / "build.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "accel.cli", "build", "--profile", "quick"], cwd=copy,
            env=_environment(PYTHONPATH=str(copy)), stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    yield process, copy
    process.terminate()
    process.wait(timeout=60)


def _environment(**more):
    """Return this shell's environment without settings of this package."""
    return {key: os.environ[key] for key in os.environ if not key.startswith("ACCEL_")} | more


def _copied_sources(folder):
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():  # with what was compiled before
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    shutil.rmtree(folder / "book" / "gallery", ignore_errors=True)  # what another build left
    return folder


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    """Settings of the shell that runs the tests change no result."""
    for variable in ("ACCEL_RESULTS", "ACCEL_PROFILE", "ACCEL_PROGRESS", "ACCEL_REMEASURE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty results folder, where records are read and written meanwhile."""
    folder = tmp_path / "results"
    monkeypatch.setenv("ACCEL_RESULTS", str(folder))
    return folder
