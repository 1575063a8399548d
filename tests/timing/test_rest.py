"""Waiting for threads that others left behind, with clocks of our own."""

import threading
import time

import pytest

from accel.timing import rest


class Process:
    """A process whose threads spin until a moment, and time that passes only in `sleep`."""

    def __init__(self, spins_until_ns, threads=1):
        self.now, self.until, self.threads = 0, spins_until_ns, threads

    def clock(self):
        return self.now

    def cpu(self):
        return self.threads * min(self.now, self.until)

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)

    def wait(self):
        rest.wait_for_rest(self.cpu, self.clock, self.sleep)
        return self.now


LOOK_NS = rest.LOOK_S * 1e9


def test_a_process_at_rest_is_looked_at_once():
    assert Process(0).wait() == LOOK_NS


@pytest.mark.parametrize("threads", [1, 15])
def test_waits_until_the_last_thread_has_stopped_spinning(threads):
    spins = 104_000_000
    ended = Process(spins, threads).wait()
    assert spins <= ended <= spins + LOOK_NS


def test_a_little_work_in_the_background_is_no_restlessness():
    process = Process(10**12)
    process.cpu = lambda: process.now // 20
    assert process.wait() == LOOK_NS


def test_threads_that_never_rest_are_an_error_that_says_what_to_do():
    with pytest.raises(rest.RestlessThreads, match=r"still run 2 s.*in a process of its own"):
        Process(10**12).wait()


def test_sees_a_thread_of_this_process():
    ends = time.perf_counter() + 0.1

    def spin():
        while time.perf_counter() < ends:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    rest.wait_for_rest()
    assert not thread.is_alive() or time.perf_counter() >= ends
    thread.join()
