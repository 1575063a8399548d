"""A real cluster of two workers gives the answers of one process, or says why it cannot."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import accel
from accel.agreement import difference
from accel.backend import dispatch, known
from accel.backend.base import BackendError, Call
from accel.backend.dask import DaskBackend, cluster, partition, stream, tasks
from accel.kernels import registry
from accel.timing import memory
from accel.timing.isolate import THREAD_VARIABLES

pytest.importorskip("distributed")

MIB = 1 << 20

#: Names in the environment before any worker has been started.
BEFORE = set(os.environ)

#: What a worker may use: little more than what its libraries take, and room for pieces.
LIMIT = 512 * MIB


@pytest.fixture(scope="module", autouse=True)
def environment():
    """Clusters that tests start themselves set numbers of threads for this process, too."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def backend():
    member = DaskBackend()
    member.configure(workers=2)
    yield member
    member.close()


@pytest.fixture(scope="module")
def tight():
    """Two workers of which neither can hold the arrays that they work on."""
    member = DaskBackend()
    member.configure(workers=2, memory_limit=LIMIT)
    yield member
    member.close()


def run(member, operation, dtype="float32", **parameters):
    """Run a call, and return its arguments and what is wrong with the answer."""
    op = registry.operation(operation)
    arguments = op.inputs(**parameters, dtype=dtype)
    member.run(Call(operation, dtype, arguments))
    expected, tolerance = op.oracle(*arguments)
    return difference(np.asarray(arguments[-1]), expected, tolerance)


def pids(member):
    return member.cluster().client.run(os.getpid)


SIZES = {
    "matmul": {"m": 700, "k": 501, "n": 300},
    "matmul_nt": {"m": 301, "k": 700, "n": 500},
    "matmul_batched": {"batch": 5, "m": 130, "k": 120, "n": 110},
    "softmax": {"rows": 900, "width": 333},
    "log_softmax": {"rows": 900, "width": 333},
    "layernorm": {"rows": 900, "width": 333},
    "rmsnorm": {"rows": 900, "width": 333},
}


@pytest.mark.parametrize("operation", sorted(partition.KINDS))
def test_every_operation_it_supports_is_right(backend, operation):
    assert run(backend, operation, **SIZES.get(operation, {"n": 300_001})) is None


def test_float64_is_right_too(backend):
    assert run(backend, "matmul", "float64", **SIZES["matmul"]) is None


def test_an_empty_call_is_answered_without_workers(backend):
    out = np.ones(1, "float32")
    backend.run(Call("sum", "float32", (np.empty(0, "float32"), out)))
    assert out[0] == 0


def mapped(path, shape, seed):
    """Return a file of random float32, mapped into memory; blocks of rows differ in sign."""
    array = blank(path, shape)
    block = np.random.default_rng(seed).standard_normal((shape[0] // 10, shape[1]), "float32")
    for number, rows in enumerate(partition.spans(shape[0], len(block))):
        array[rows] = block if number % 3 else -block
    array.flush()
    array.flags.writeable = False
    return array


def blank(path, shape):
    """Return a file mapped into memory to write to, which goes when nobody uses it any more."""
    array = np.lib.format.open_memmap(path, "w+", "float32", shape)
    path.unlink()
    return array


def test_a_matrix_larger_than_a_workers_memory_is_multiplied_within_its_limit(tight, tmp_path):
    rows, k, n = 150_000, 900, 48
    a = mapped(tmp_path / "a.npy", (rows, k), 1)
    assert a.nbytes > LIMIT
    b = np.random.default_rng(2).standard_normal((k, n), "float32")
    before, out = pids(tight), np.full((rows, n), np.nan, "float32")
    tight.run(Call("matmul", "float32", (a, b, out)))
    assert pids(tight) == before, "a worker passed its limit and was ended"
    peaks = tight.cluster().client.run(memory._status_bytes, "VmHWM")  # None but on Linux
    assert max(peak or 0 for peak in peaks.values()) < 0.8 * LIMIT, peaks
    assert np.isfinite(out).all()
    for part in list(partition.spans(rows, 5_000))[::5]:  # the oracle takes longer than the product
        expected, tolerance = registry.operation("matmul").oracle(a[part], b, out[part])
        assert difference(out[part], expected, tolerance) is None


@pytest.mark.thorough
def test_matrices_all_larger_than_a_workers_memory_are_multiplied_within_its_limit(
    tight, tmp_path
):
    size = 12_000
    a, b = (mapped(tmp_path / f"{seed}.npy", (size, size), seed) for seed in (1, 2))
    out = blank(tmp_path / "out.npy", (size, size))
    assert min(a.nbytes, b.nbytes, out.nbytes) > LIMIT
    before = pids(tight)
    tight.run(Call("matmul", "float32", (a, b, out)))
    assert pids(tight) == before, "a worker passed its limit and was ended"
    some = np.random.default_rng(3).integers(0, size, 64)
    expected, tolerance = registry.operation("matmul").oracle(a[some], b, out[some])
    assert difference(out[some], expected, tolerance) is None


@pytest.mark.thorough
def test_sums_and_softmax_of_more_than_a_workers_memory_are_right(tight, tmp_path):
    x = mapped(tmp_path / "x.npy", (150_000, 900), 5)
    assert x.nbytes > LIMIT
    line, total = x.reshape(-1), np.empty(1, "float32")
    tight.run(Call("sum", "float32", (line, total)))
    expected, tolerance = registry.operation("sum").oracle(line, total)
    assert difference(total, expected, tolerance) is None
    out = blank(tmp_path / "out.npy", x.shape)
    tight.run(Call("softmax", "float32", (x, out)))
    for part in (slice(0, 3000), slice(70_000, 73_000), slice(147_000, 150_000)):
        expected, tolerance = registry.operation("softmax").oracle(x[part], out[part])
        assert difference(out[part], expected, tolerance) is None


def in_small_pieces(monkeypatch):
    monkeypatch.setattr(stream, "MOST_ROOM", MIB)


def start_product(backend, size=1500):
    """Start a product in a thread; return its arguments, the thread, and what it raised."""
    a, b, out = registry.operation("matmul").inputs(n=size)
    out[:] = np.nan
    raised = []

    def work():
        try:
            backend.run(Call("matmul", "float32", (a, b, out)))
        except BackendError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return (a, b, out), thread, raised


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def test_a_worker_lost_amid_a_product_does_not_change_the_result(backend, monkeypatch):
    in_small_pieces(monkeypatch)
    victim = next(iter(pids(backend).values()))
    (a, b, out), thread, raised = start_product(backend)
    wait_until(lambda: np.isfinite(out).any())
    assert thread.is_alive(), "it was over too soon to lose a worker amid it"
    os.kill(victim, signal.SIGKILL)
    thread.join(120)
    assert not thread.is_alive() and raised == []
    expected, tolerance = registry.operation("matmul").oracle(a, b, out)
    assert difference(out, expected, tolerance) is None
    wait_until(lambda: len(pids(backend)) == 2)  # its nanny has started another
    assert victim not in pids(backend).values()


def test_workers_leave_the_threads_of_other_processes_alone(backend):
    """Also one that was lost and has been started again, as in the test before."""
    assert len(pids(backend)) == 2
    assert not set(THREAD_VARIABLES) & (os.environ.keys() - BEFORE)
    threads = backend.cluster().client.run(os.getenv, "OPENBLAS_NUM_THREADS")
    assert set(threads.values()) == {"1"}


def test_an_error_of_a_kernel_on_a_worker_arrives_as_itself(backend, monkeypatch):
    x = np.ones(10, "float32")

    def rule(call, room, lanes):
        piece = partition.Piece(int, call.operation, call.dtype, (lambda: (x,),), print)
        return partition.Job([piece])

    monkeypatch.setitem(partition.KINDS, "relu", rule)
    with pytest.raises(TypeError, match="int"):
        backend.run(Call("relu", "float32", (x, x.copy())))


def test_calls_of_several_threads_wait_for_each_other(backend):
    complaints = []
    threads = [
        threading.Thread(target=lambda: complaints.append(run(backend, "exp", n=200_000)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert complaints == [None, None, None]


def test_a_scheduler_that_exists_is_used_and_left_running(backend):
    ours = backend.cluster()
    guest = DaskBackend()
    guest.configure(scheduler=ours.address)
    assert run(guest, "matmul", **SIZES["matmul"]) is None
    guest.close()
    assert len(pids(backend)) == 2


def test_a_scheduler_without_workers_is_an_error_not_a_hang(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(stream, "NO_WORKER_S", 0.5)
    with LocalCluster(n_workers=0, dashboard_address=None) as empty:
        guest = DaskBackend()
        guest.configure(scheduler=empty.scheduler_address)
        with pytest.raises(BackendError, match="no worker of tcp.* has finished anything"):
            run(guest, "relu", n=1000)
        empty.scale(1)  # the next call connects anew, and finds one
        empty.wait_for_workers(1)
        monkeypatch.undo()
        assert run(guest, "relu", n=1000) is None
        guest.close()


def test_a_scheduler_that_goes_away_is_an_error_not_a_hang(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(stream, "NO_WORKER_S", 2)
    guest = DaskBackend()
    with LocalCluster(n_workers=0, dashboard_address=None) as doomed:
        guest.configure(scheduler=doomed.scheduler_address)
    with pytest.raises(BackendError, match="does not answer any more|has finished anything"):
        run(guest, "relu", n=1000)
    guest.close()


def test_nobody_at_the_address_is_an_error_within_seconds(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    begun = time.monotonic()
    with pytest.raises(BackendError, match="no scheduler answers at tcp://127.0.0.1:1 within"):
        DaskBackend().configure(scheduler="tcp://127.0.0.1:1")
    assert time.monotonic() - begun < 30


def test_too_little_memory_says_how_much_is_needed():
    full = tasks.State(300 * MIB, 320 * MIB, 1)
    with pytest.raises(BackendError, match="may use 320 MiB .* needs at least 506 MiB"):
        stream.room_bytes([full])


def test_pieces_fill_no_worker_beyond_where_dask_begins_to_write_to_disk():
    states = [tasks.State(200 * MIB, 1000 * MIB, 1), tasks.State(100 * MIB, 0, 2)]
    room = stream.room_bytes(states)
    assert room == min(stream.MOST_ROOM, 100 * MIB)
    tight = tasks.State(200 * MIB, 400 * MIB, 1)
    assert stream.room_bytes([*states, tight]) == 10 * MIB


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"threads": 2}, "no option threads; there are scheduler, workers, memory_limit"),
        ({"workers": 0}, "workers must be a whole number from 1, got 0"),
        ({"workers": True}, "workers must be a whole number from 1, got True"),
        ({"memory_limit": "lots"}, "memory_limit must be bytes above 0, or text such as"),
        ({"memory_limit": -1}, "memory_limit must be bytes above 0"),
        ({"memory_limit": "nan"}, "memory_limit must be bytes above 0"),
        ({"scheduler": "tcp://x:1", "workers": 2}, "have their own: leave them out"),
        ({"scheduler": 8786}, "scheduler must be an address, got 8786"),
        ({"scheduler": "localhost"}, "must be an address such as 'tcp://"),
    ],
)
def test_options_that_make_no_sense_are_refused_and_change_nothing(options, complaint):
    member = DaskBackend()
    with pytest.raises(BackendError, match=complaint):
        member.configure(**options)
    assert member._options == {}


@pytest.mark.parametrize(
    ("limit", "size"),
    [("2GiB", 2 << 30), ("500 MB", 500_000_000), ("1.5kib", 1536), (1000, 1000), ("64", 64)],
)
def test_memory_may_be_written_as_people_do(limit, size):
    member = DaskBackend()
    member.configure(memory_limit=limit)
    assert member._options == {"memory_limit": size}


def test_without_distributed_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    member = DaskBackend()
    assert "pip install 'accel-book[dask]'" in member.available()
    with pytest.raises(BackendError, match="pip install"):
        member.configure(workers=2)


def test_it_is_known_by_name_and_does_not_compete():
    member = known.backend("dask")
    assert isinstance(member, DaskBackend) and not member.competes
    assert member.supports(Call("conv2d", "float32", ())) is not None
    with accel.use("dask"):
        assert dispatch.policy().name == "dask"


SCRIPT = """
import accel, numpy as np
if __name__ == "__main__":
    with accel.use("dask", workers=1):
        print(accel.sum(np.ones(1000, "float32")))
"""


def test_a_script_that_does_not_close_it_ends_in_peace(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = str(Path(accel.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": root}, check=False,
    )  # fmt: skip
    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == ("1000.0", "", 0)


def test_nothing_of_dask_is_loaded_before_it_is_used():
    code = (
        "import sys; from accel.backend import known; known.backend('dask').available(); "
        "print(sorted({'dask', 'distributed'} & set(sys.modules)))"
    )
    root = str(Path(accel.__file__).parents[1])
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert loaded.stdout.strip() == "[]"
