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
    ("setting", "said"), [({}, "GOMP_SPINCOUNT = '30000'"), ({"GOMP_SPINCOUNT": "77"}, None)]
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
    assert said in done.stderr if said else "'30000'" not in done.stderr


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
    """Have the module see three cores and the workers 7 and 8."""
    system = System({0, 1, 2})
    monkeypatch.setattr(workers, "os", system)
    monkeypatch.setattr(workers, "_workers", lambda: [7, 8])
    return system


def test_workers_may_be_wherever_their_caller_may_but_where_it_is(system):
    workers._Here().arrive(1)
    assert system.placed == {7: {0, 2}, 8: {0, 2}}


def test_where_there_is_one_core_workers_stay(system):
    system.cores = {0}
    workers._Here().arrive(0)
    assert system.placed == {}


def test_a_worker_that_has_ended_is_no_error(system):
    system.refusing = (7,)
    here = workers._Here()
    here.arrive(2)
    assert here.core == 2


def test_the_system_is_asked_only_after_a_move(monkeypatch):
    """Calls from where the last one came from, and one from elsewhere."""
    moves, core = [], [4]
    here = type("Here", (), {"core": -1})()

    def arrive(now):
        moves.append(now)
        here.core = now

    here.arrive = arrive
    monkeypatch.setattr(workers, "_here", here)
    monkeypatch.setattr(workers, "kept", lambda function, **options: lambda: core[0])
    kind = workers._callable_apart.__wrapped__(type("Kind", (), {"__call__": lambda self: "called"}))
    function = kind()
    assert [function(), function()] == ["called", "called"]
    core[0] = 5
    function()
    assert moves == [4, 5]


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
