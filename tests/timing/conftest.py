"""A clock that moves only when told to."""

import pytest


class FakeClock:
    """Nanoseconds that pass by `spend`, and by `read_ns` at each reading.

    Readings show whole multiples of `tick_ns`, like a clock that is coarse.
    """

    def __init__(self, read_ns=0, tick_ns=1):
        self.now = 0
        self.readings = 0
        self.read_ns = read_ns
        self.tick_ns = tick_ns

    def __call__(self):
        self.readings += 1
        self.now += self.read_ns
        return self.now // self.tick_ns * self.tick_ns

    def spend(self, nanoseconds):
        self.now += nanoseconds


@pytest.fixture
def make_clock():
    return FakeClock


@pytest.fixture
def clock():
    return FakeClock()
