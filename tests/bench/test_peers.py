"""Rivals: prepared off the clock, answering where the worker looks, and right."""

import json
import os
import subprocess
import sys

import fake_peer
import numpy as np
import pytest

from accel.bench import peers, planning
from accel.bench.peers import calling, card, checking
from accel.kernels import operation
from accel.timing import worker

INSTALLED = [name for name, reason in peers.installed().items() if reason is None]


def test_numpy_is_always_there():
    assert "NumPy" in INSTALLED


@pytest.mark.parametrize("library", [name for name in peers.MODULES if name not in INSTALLED])
def test_a_library_that_is_absent_says_so(library):
    assert peers.module(library).available().startswith(f"{library} is not installed here (")
    with pytest.raises(ValueError, match="not installed here"):
        checking.complaints(library)


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_that_is_installed_is_right(library, dtype):
    found = checking.complaints(library, dtype)
    assert found
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("library", list(peers.MODULES))
def test_a_table_names_operations_and_importable_functions(library):
    module = peers.module(library)
    for adapt in module.RIVALS.values():
        assert getattr(module, adapt.__name__) is adapt
        assert adapt.target in (calling.call, calling.call_in_place)


def test_numpy_competes_wherever_sizes_are_known():
    measured = {
        task.operation for task in planning.tasks() if planning.reason_to_skip(task) is None
    }
    assert measured - set(peers.module("NumPy").RIVALS) == set()


def test_an_answer_is_an_array_when_somebody_looks():
    run, answer = calling.kept(lambda: [[1.0], [2.0]], read=lambda value: np.ravel(value))
    calling.call(run, answer)
    assert np.asarray(answer).tolist() == [1.0, 2.0]
    assert np.asarray(answer, dtype=np.float32).dtype == np.float32


def test_the_fastest_way_is_taken():
    now = [0]

    def lasting(time_ns):
        def run():
            now[0] += time_ns

        return run

    slow, quick = lasting(5_000_000), lasting(1_000_000)
    assert calling.fastest(slow, quick, clock=lambda: now[0]) is quick
    assert calling.fastest((slow, "box"), quick, clock=lambda: now[0]) is quick


def competitor(name, library=fake_peer):
    """Return a rival as a worker would call it, and the arguments that it was made of."""
    op = operation(name)
    arguments = op.inputs(**op.sizes(2**12))
    originals = [np.copy(a) if isinstance(a, np.ndarray) else None for a in arguments]
    adapt = library.RIVALS[name]
    own = adapt(*arguments)
    pristine = [originals[i] if i in op.mutates else None for i in range(len(own))]
    return worker.Competitor(name, adapt.target, own, pristine), arguments, op


@pytest.mark.parametrize("name", ["relu", "sgd", "momentum"])
def test_a_worker_restores_and_judges_what_a_rival_changes(name):
    rival, arguments, op = competitor(name)
    truth = op.oracle(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments])
    for _ in range(3):
        assert rival.sample(2) > 0
        worker.judge(rival, *truth)


def test_a_wrong_rival_is_found_out():
    rival, arguments, op = competitor("exp")
    truth = op.oracle(*arguments)
    rival.sample(1)
    with pytest.raises(worker.WrongAnswer):
        worker.judge(rival, *truth)


def test_a_complaint_names_what_is_wrong(monkeypatch):
    monkeypatch.setitem(peers.MODULES, "Fake", "fake_peer")
    assert checking.complaint("Fake", "relu", {"n": 5}) is None
    assert "elements differ" in checking.complaint("Fake", "exp", {"n": 5})


@pytest.mark.parametrize(
    ("used", "threads", "words"),
    [
        (1, 1, "; 1 worked"),
        (2, 1, "; not held: 2 threads worked, expected at most 1"),
        (None, 1, "; not verified: this system does not tell what each thread does"),
    ],
)
def test_threads_that_are_not_held_are_said(used, threads, words):
    assert card.used_words(used, threads) == words


def test_a_card_comes_from_a_process_of_its_own():
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = card.of("NumPy", 1, environ)
    assert found["reason"] is None and found["version"] == np.__version__
    assert set(found["operations"]) == set(peers.module("NumPy").RIVALS)
    assert found["operations"]["relu"]["adapt"] == "accel.bench.peers.numpy_peer:relu"
    assert "not held" not in found["threads"]


def test_a_library_that_breaks_while_it_loads_breaks_alone():
    found = card.of("None such", 1, dict(os.environ))
    assert found["reason"].startswith("None such cannot be loaded: ")


def test_the_check_is_a_command():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, accel.bench.peers.__main__ as m; "
         "m.complaints = lambda name, dtype: {'relu': [], 'exp': ['n=1: wrong']}; "
         "sys.exit(m.main(['NumPy']))"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "  relu float32: right" in told.stdout and "  exp float64: n=1: wrong" in told.stdout


def test_cards_are_plain_data():
    assert json.loads(json.dumps(card.here("NumPy")))["name"] == "NumPy"
