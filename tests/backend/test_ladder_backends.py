"""Backends that read the ladders: whose step each takes, silence, and threads that meet."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import accel
from accel.backend import known, ladder_backends
from accel.backend.base import BackendError, Call
from accel.backend.contract import operations
from accel.kernels import registry

X = np.array([-np.inf, -1, 0, 1e38, np.nan], "float32")


@pytest.mark.parametrize(
    ("backend", "instrument"),
    [("python", "interpreter"), ("numpy", "NumPy"), ("numba", "compiled")],
)
def test_steps_are_of_the_instrument_that_the_backend_is_named_for(backend, instrument):
    found = {
        pair: known.backend(backend)._step(*pair)
        for pair in operations()
        if known.backend(backend)._step(*pair)
    }
    assert len(found) > 20
    assert {step.instrument for step in found.values()} == {instrument}


def test_every_operation_runs_compiled_on_one_core_and_on_all():
    for name, dtype in operations():
        call = Call(name, dtype, ())
        for backend in ("numba", "numba-threads"):
            if registry.ladder(name, dtype=dtype, tag="best"):
                assert known.backend(backend).supports(call) is None, (backend, name, dtype)


@pytest.mark.parametrize("backend", ["python", "numpy", "numba", "numba-threads"])
def test_an_element_type_without_a_step_is_a_reason(backend):
    call = Call("relu", "complex64", (X, X))
    reason = known.backend(backend).supports(call)
    assert reason == f"relu has no step in {backend} for complex64"


def test_numpy_warns_of_nothing_and_leaves_its_settings_as_they_were():
    with np.errstate(all="raise", under="warn"), accel.use("numpy"):
        before = np.geterr()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answers = accel.exp(X), accel.softmax(X), accel.sum(X), accel.gelu(X)
        assert np.geterr() == before
        with pytest.raises(FloatingPointError):
            np.exp(np.float32(1e4))
    np.testing.assert_allclose(answers[0], [0, 1 / np.e, 1, np.inf, np.nan], rtol=1e-6)
    assert all(np.isnan(each).any() for each in answers)


def test_numpys_run_is_as_silent_as_its_kernel():
    numpy, out = known.backend("numpy"), np.empty_like(X)
    with np.errstate(all="raise"):
        numpy.run(Call("exp", "float32", (X, out)))
        numpy.kernel("exp", "float32")(X, out)
    assert out[3] == np.inf


def test_numpys_errors_of_arguments_come_through():
    with pytest.raises(ValueError):
        known.backend("numpy").kernel("relu", "float32")(X, np.empty(7, "float32"))


def test_without_threads_to_be_had_numba_threads_says_so(monkeypatch):
    import numba

    def get_num_threads():
        raise ValueError("No threading layer could be loaded.")

    monkeypatch.setattr(numba, "get_num_threads", get_num_threads)
    with pytest.raises(BackendError, match="cannot begin its threads .*pip install tbb"):
        ladder_backends.threads_may_meet()


@pytest.mark.parametrize(("layer", "may"), [("omp", True), ("tbb", True), ("workqueue", False)])
def test_only_numbas_own_layer_is_guarded(monkeypatch, layer, may):
    import numba

    monkeypatch.setattr(numba, "threading_layer", lambda: layer)
    assert ladder_backends.threads_may_meet() is may


def test_while_one_thread_has_all_cores_another_takes_one():
    ran = []

    def threaded(depth):
        ran.append("threaded")
        if depth:
            guarded(depth - 1)  # as another thread would, meanwhile

    guarded = ladder_backends._one_at_a_time(threaded, lambda depth: ran.append("alone"))
    guarded(1)
    guarded(0)
    assert ran == ["threaded", "alone", "threaded"]


def test_cores_are_given_back_when_a_kernel_raises():
    def threaded():
        raise ValueError("shapes")

    guarded = ladder_backends._one_at_a_time(threaded, lambda: None)
    for _ in range(2):
        with pytest.raises(ValueError, match="shapes"):
            guarded()


HAMMER = """
import threading
import numba
import numpy as np
import accel

a = np.ones((192, 192), "float32")
x = np.ones(3_000_000, "float32")
wrong, begin = [], threading.Barrier(4)

def work():
    with accel.use("numba-threads"):
        begin.wait()
        for _ in range(40):
            if not (accel.matmul(a, a) == 192).all() or not (accel.relu(x) == 1).all():
                wrong.append(1)

threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(numba.threading_layer(), len(wrong))
"""


def test_threads_that_meet_on_a_layer_that_forbids_it_get_their_answers():
    done = subprocess.run(
        [sys.executable, "-c", HAMMER],
        env=os.environ
        | {
            "NUMBA_THREADING_LAYER": "workqueue",
            "NUMBA_NUM_THREADS": "2",
            "PYTHONPATH": str(Path(accel.__file__).parent.parent),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "workqueue 0\n", "")
