import pytest

from accel.figures import look


@pytest.fixture
def collected(monkeypatch):
    """Pictures are kept, as in a build of the book; none are left from another test."""
    monkeypatch.setattr(look, "_collecting", True)
    look.take()
    yield look
    look.take()
