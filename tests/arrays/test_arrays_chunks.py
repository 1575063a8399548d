import contextvars
import os
import threading

import numpy as np
import pytest

from accel.arrays import chunks


def test_each_part_is_done_once():
    done = []
    chunks.together(done.append, range(100), threads=3)
    assert sorted(done) == list(range(100))


def test_parts_run_at_the_same_time():
    meeting = threading.Barrier(3)
    chunks.together(lambda _: meeting.wait(timeout=60), range(3), threads=3)


def test_the_error_of_the_first_failing_part_is_raised_when_all_are_done():
    done = []

    def part(number):
        done.append(number)
        if number in (3, 5):
            raise ValueError(f"part {number}")

    with pytest.raises(ValueError, match="part 3"):
        chunks.together(part, range(8), threads=2)
    assert sorted(done) == list(range(8))


def test_parts_see_the_callers_context():
    variable = contextvars.ContextVar("variable")
    variable.set("mine")
    seen = []
    chunks.together(lambda _: seen.append(variable.get("none")), range(50), threads=3)
    assert seen == ["mine"] * 50


def test_a_part_that_asks_for_parts_keeps_to_its_thread():
    meeting, names = threading.Barrier(2), []

    def part(_):
        meeting.wait(timeout=60)
        helper = threading.current_thread().name.startswith("accel part")
        assert (chunks.cores("numba-threads") == 1) == helper
        chunks.together(names.append, range(3), threads=2)

    chunks.together(part, range(2), threads=2)
    assert sorted(names) == [0, 0, 1, 1, 2, 2]


def test_callers_on_many_threads_do_not_wait_for_each_other_forever():
    totals = np.zeros(8, int)

    def caller(place):
        def part(number):
            totals[place] += number

        for _ in range(50):
            chunks.together(part, [1], threads=2)

    callers = [threading.Thread(target=caller, args=(place,)) for place in range(8)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(timeout=60)
    assert totals.tolist() == [50] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    chunks.together(lambda _: None, range(4), threads=2)
    child = os.fork()
    if child == 0:
        meeting = threading.Barrier(2)
        try:
            chunks.together(lambda _: meeting.wait(timeout=30), range(2), threads=2)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("policy", ["python", "numpy", "numba"])
def test_a_backend_of_one_core_gets_one(policy):
    assert chunks.cores(policy) == 1


def test_as_many_threads_take_part_as_numba_would_use():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert chunks.cores("auto") == 1
    finally:
        numba.set_num_threads(before)
    assert chunks.cores("auto") == before


def test_without_numba_its_variable_counts(monkeypatch):
    monkeypatch.delitem(chunks.sys.modules, "numba")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    assert chunks.cores("auto") == 7
    monkeypatch.setenv("NUMBA_NUM_THREADS", "many")
    assert chunks.cores("auto") == len(os.sched_getaffinity(0))
