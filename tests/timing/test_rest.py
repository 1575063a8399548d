"""Waiting for threads that others left behind, with clocks and threads of our own."""

import threading

import pytest

from accel.timing import rest


class Process:
    """A process whose threads spin until a moment, and time that passes only in `sleep`."""

    def __init__(self, spins_until_s, threads=1):
        self.now, self.until, self.threads = 0.0, spins_until_s, threads

    def clock(self):
        return self.now

    def cpu_ns(self):
        return round(self.threads * min(self.now, self.until) * 1e9)

    def sleep(self, seconds):
        self.now += seconds

    def wait(self, tasks):
        rest.wait_for_rest(tasks, self.cpu_ns, self.clock, self.sleep)
        return self.now


@pytest.fixture
def nowhere(tmp_path):
    """A system that says nothing of threads."""
    return tmp_path / "nothing"


@pytest.fixture
def thread(tmp_path):
    """Write what the system says of a thread; its name may hold anything."""

    def write(number, state):
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(f"{number} (a) R (name) {state} 1 2 3")

    return write


def test_a_process_at_rest_is_looked_at_once(nowhere):
    assert Process(0).wait(nowhere) == rest.LOOK_S


@pytest.mark.parametrize("threads", [1, 15])
def test_processor_time_shows_when_the_last_thread_has_stopped_spinning(nowhere, threads):
    ended = Process(0.104, threads).wait(nowhere)
    assert 0.104 <= ended <= 0.104 + 2 * rest.LOOK_S


def test_a_little_work_in_the_background_is_no_restlessness(nowhere):
    process = Process(1e3)
    process.cpu_ns = lambda: round(process.now / 20 * 1e9)
    assert process.wait(nowhere) == rest.LOOK_S


def test_threads_that_never_rest_are_an_error_that_says_what_to_do(nowhere):
    with pytest.raises(rest.RestlessThreads, match=r"still run 10 s.*in a process of its own"):
        Process(1e3).wait(nowhere)


def test_threads_that_run_are_named_and_the_caller_is_not(tmp_path, thread):
    thread(threading.get_native_id(), "R")
    thread(1, "S")
    thread(2, "R")
    assert rest.others_running(tmp_path) == ["2"]


def test_a_thread_that_ended_while_one_looked_does_not_run(tmp_path):
    (tmp_path / "7").mkdir()
    assert rest.others_running(tmp_path) == []


def test_no_time_passes_where_all_threads_sleep(tmp_path, thread):
    thread(1, "S")
    assert Process(0).wait(tmp_path) == 0


def test_states_show_when_the_last_thread_has_gone_to_sleep(tmp_path, thread):
    process, pauses = Process(0), []

    def sleep(seconds):
        pauses.append(seconds)
        thread(1, "R" if len(pauses) < 3 else "S")

    thread(1, "R")
    rest.wait_for_rest(tmp_path, process.cpu_ns, process.clock, sleep)
    assert pauses == 3 * [rest.PAUSE_S]


def test_threads_whose_state_never_changes_are_an_error_too(tmp_path, thread):
    thread(1, "R")
    with pytest.raises(rest.RestlessThreads, match=r"still run 10 s"):
        Process(0).wait(tmp_path)


@pytest.mark.skipif(not rest.TASKS.exists(), reason="the system does not say")
def test_a_real_thread_that_computes_is_seen():
    stop, begun = threading.Event(), threading.Event()

    def compute():
        begun.set()
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    thread.start()
    begun.wait()
    try:
        assert str(thread.native_id) in rest.others_running()
    finally:
        stop.set()
        thread.join()
    rest.wait_for_rest()
