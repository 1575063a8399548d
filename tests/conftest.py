"""Shared by all tests: this folder is importable (`synthetic`), the shell is not in the way."""

import pytest
from hypothesis import settings

# How long an example takes says nothing on a busy machine, and nothing here about correctness.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


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
