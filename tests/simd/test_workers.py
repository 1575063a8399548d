"""Threads of parallel kernels: how long they spin, and where they are."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from accel.kernels import ladder
from accel.simd import jit, workers

SPIN = """
import os
from accel.simd import jit
jit(lambda: None, parallel=True)
assert os.environ.get("GOMP_SPINCOUNT") == {left!r}
"""


@pytest.mark.parametrize(
    ("setting", "said"), [({}, "GOMP_SPINCOUNT = '3000'"), ({"GOMP_SPINCOUNT": "77"}, None)]
)
def test_threads_of_parallel_kernels_spin_briefly_and_nobody_elses(setting, said):
    """GNU's OpenMP says on request what it has read when it was loaded."""
    pytest.importorskip("numba.np.ufunc.omppool", reason="Numba has other threads here")
    own = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", SPIN.format(left=setting.get("GOMP_SPINCOUNT"))],
        env={**environment, **setting, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP" not in done.stderr and said:
        pytest.skip("Numba's OpenMP is not GNU's here")
    assert said in done.stderr if said else "'3000'" not in done.stderr


# Where they are

on_linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")


@jit(parallel=True)
def ones(x):
    for i in numba.prange(x.size):
        x[i] = 1


@jit
def calls_ones(x):
    ones(x)


def test_a_parallel_function_is_a_dispatcher_still_and_can_be_called_from_compiled_code():
    x = np.zeros(9)
    calls_ones(x)
    assert x.all()
    ones(x)
    assert ones.signatures


@on_linux
def test_workers_are_other_threads_of_this_process():
    ones(np.zeros(9))
    threads = set(map(int, os.listdir("/proc/self/task")))
    assert workers._workers() <= threads - {workers.threading.get_native_id()}


def test_workers_are_placed_only_after_a_move(monkeypatch):
    """Calls from where the last one came from, and one from elsewhere."""
    core, placed = [4], []
    monkeypatch.setattr(workers, "_here", workers._Here())
    monkeypatch.setattr(workers, "_workers", lambda: {7})
    monkeypatch.setattr(workers.places, "core", lambda: core[0])
    monkeypatch.setattr(workers.places, "keep_off", lambda *given: placed.append(given))
    function = workers._callable_apart.__wrapped__(Answering)()
    assert [function(), function()] == ["called", "called"]
    core[0] = 5
    function()
    assert placed == [(4, {7}), (5, {7})]


class Answering:
    """What is like a dispatcher here."""

    def __call__(self):
        return "called"


@pytest.mark.parametrize("setting", sorted(workers.PLACING))
def test_what_a_user_says_about_places_is_left_alone(monkeypatch, setting):
    monkeypatch.setenv(setting, "anything")
    dispatcher = numba.njit(lambda: None)
    assert type(workers.apart(dispatcher)) is type(numba.njit(lambda: None))


@on_linux
def test_each_thread_of_python_keeps_its_own_workers_off_its_core():
    """In a process of its own, whose threads nobody else has placed."""
    program = """
import os, threading
import numba, numpy as np
from accel.simd import jit, workers

@jit(parallel=True)
def ones(x):
    for i in numba.prange(x.size):
        x[i] = 1

def calls():
    for _ in range(50):
        ones(np.zeros(100))
    core = workers._here.core
    allowed = os.sched_getaffinity(0) - {core}
    for worker in workers._workers():
        assert os.sched_getaffinity(worker) == (allowed or {core}), (worker, core)

calls()
other = threading.Thread(target=calls)
other.start()
other.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def compiled_for_all_cores():
    for name in NAMES:
        for step in ladder(name, tag="threads"):
            if isinstance(step.function, numba.core.dispatcher.Dispatcher):
                yield pytest.param(step.function, id=f"{name}.{step.name}")


NAMES = ("relu", "softmax", "layernorm", "sum", "argmax", "prefix_sum", "batchnorm")


@on_linux
@pytest.mark.parametrize("function", list(compiled_for_all_cores()))
def test_kernels_for_all_cores_look_where_they_are_called(function):
    assert type(function).__name__ == "Apart"
