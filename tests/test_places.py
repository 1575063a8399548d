"""Keeping threads off their caller's core."""

import os
import threading

import pytest

from accel import places

on_linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")


class System:
    """Cores, and where threads may run."""

    def __init__(self, cores, refusing=()):
        self.cores, self.refusing, self.placed = set(cores), refusing, {}

    def sched_getaffinity(self, thread):
        assert thread == 0  # the caller's own
        return set(self.cores)

    def sched_setaffinity(self, thread, cores):
        if thread in self.refusing:
            raise ProcessLookupError(thread)
        assert cores, "a thread must be somewhere"
        self.placed[thread] = cores


@pytest.fixture
def system(monkeypatch):
    """Have the module see three cores."""
    system = System({0, 1, 2})
    monkeypatch.setattr(places, "os", system)
    return system


def test_threads_may_be_wherever_their_caller_may_but_where_it_is(system):
    places.keep_off(1, [7, 8])
    assert system.placed == {7: {0, 2}, 8: {0, 2}}


def test_where_there_is_one_core_threads_stay(system):
    system.cores = {0}
    places.keep_off(0, [7])
    assert system.placed == {}


def test_where_nothing_is_known_nothing_is_done(system):
    places.keep_off(places.UNKNOWN, [7])
    assert system.placed == {}


def test_a_thread_that_has_ended_is_passed_over(system):
    system.refusing = (7,)
    places.keep_off(2, [7, 8])
    assert system.placed == {8: {0, 1}}


def test_without_the_systems_function_the_core_is_unknown(monkeypatch):
    def no_library(name):
        raise OSError("there is none")

    monkeypatch.setattr(places.ctypes, "PyDLL", no_library)
    assert places._found()() == places.UNKNOWN


@on_linux
def test_the_core_is_one_that_this_thread_may_use():
    assert places.core() in os.sched_getaffinity(0)


@on_linux
def test_a_thread_is_told_where_it_may_run():
    told, asked, where = threading.Event(), threading.Event(), []

    def wait():
        asked.wait()
        where.append(os.sched_getaffinity(0))
        told.set()

    thread = threading.Thread(target=wait)
    thread.start()
    mine = os.sched_getaffinity(0)
    places.keep_off(min(mine), [thread.native_id])
    asked.set()
    told.wait()
    thread.join()
    assert where == [mine - {min(mine)} or mine]
