"""Dispatch that remembers nothing of other tests, and knows no profile of this machine."""

import pytest
from pretended import flat_profile

from accel.backend import choosing, dispatch, known


@pytest.fixture(autouse=True)
def no_profile(tmp_path, monkeypatch):
    """Choices by a profile of this machine would differ from machine to machine."""
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choosing, "_profile", None)


@pytest.fixture
def policies(monkeypatch):
    """Policies that no other test has used, with "auto" in force."""
    monkeypatch.setattr(dispatch, "_POLICIES", {})
    before = dispatch._policy.set(dispatch._shared("auto"))
    yield
    dispatch._policy.reset(before)


@pytest.fixture
def backends(policies, monkeypatch):
    """``backends(first, second, ...)`` are all that there are from then on."""
    monkeypatch.setattr(choosing, "_profile", flat_profile())

    def only(*members):
        monkeypatch.setattr(known, "_all", lambda: {each.name: each for each in members})
        return members

    return only
