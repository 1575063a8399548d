"""Shared by the tests of arrays."""

import numpy as np
import pytest

from accel.arrays import array, chunks, functions, inner_loops, loops, reductions


@pytest.fixture
def in_parts(monkeypatch):
    """Run every loop in parts on two threads, and into buffers, however short it is."""
    monkeypatch.setattr(array, "LONG", 0)
    for module in (array, loops):
        monkeypatch.setattr(module, "long_from", {})
    monkeypatch.setattr(loops, "LONG", 0)
    monkeypatch.setattr(loops, "LEAST_BYTES", 1)
    monkeypatch.setattr(loops, "GRAIN", 1)
    monkeypatch.setattr(inner_loops, "GRAIN", 1)
    for module in (loops, reductions):
        monkeypatch.setattr(module, "WORTH_WAKING_NS", 0)
    for module in (functions, loops, reductions):
        monkeypatch.setattr(module, "WORTH_SHARING_NS", 0)
    monkeypatch.setattr(array, "short_reductions", set())
    monkeypatch.setattr(array, "MOST_REMEMBERED", 0)
    monkeypatch.setattr(reductions, "LEAST_ROWS", 1)
    monkeypatch.setattr(reductions, "LEAST_ELEMENTS", dict.fromkeys(reductions.LEAST_ELEMENTS, 1))
    monkeypatch.setattr(functions, "LEAST_ELEMENTS", 1)
    monkeypatch.setattr(chunks, "cores", lambda policy: 2)


@pytest.fixture
def numbers():
    """Return a function that makes float32 arrays of standard normal numbers."""
    return lambda *shape, dtype="float32": (
        np.random.default_rng(list(shape)).standard_normal(shape).astype(dtype)
    )
