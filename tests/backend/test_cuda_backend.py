"""The CUDA backend: who may choose it, what it runs, and what a failing device becomes."""

import subprocess
import sys

import numpy as np
import pytest
import simulator

from accel.backend import cuda_backend, dispatch, known
from accel.backend.base import BackendError, Call
from accel.backend.cuda_backend import CudaBackend
from accel.backend.profile import Curve, Profile
from accel.kernels import cuda, registry


class DeviceFault(Exception):
    """As the driver's: a code, and words."""

    def __init__(self, code, words):
        super().__init__(f"[{code}] {words}")
        self.code = code


class OutOfMemoryError(Exception):
    """As CuPy's."""


def backend(reason=None, room=1e12):
    return CudaBackend(lambda: reason, lambda: room)


def call(n=8):
    x = np.linspace(-3, 3, n, dtype="float32")
    return Call("gelu", "float32", (x, np.empty_like(x)))


@pytest.fixture
def failing(monkeypatch):
    """Have every device kernel raise an error that devices raise."""

    def arrange(error):
        def run(*arguments):
            raise error

        step = cuda.Step("gelu", "failing", run, "fails")
        monkeypatch.setattr(cuda, "best", lambda operation, dtype: step)
        monkeypatch.setattr(cuda_backend, "device_errors", lambda: (DeviceFault, OutOfMemoryError))

    return arrange


def test_it_is_known_by_its_name():
    assert isinstance(known.backend("cuda"), CudaBackend)


def test_it_competes_only_where_there_is_a_device():
    assert backend().competes and backend().available() is None
    assert not backend("no driver; install one").competes


def test_choosing_it_where_there_is_none_says_what_is_missing():
    missing = known.backend("cuda").available()
    if missing is None:
        pytest.skip("there is a device")
    with pytest.raises(BackendError, match="backend 'cuda' is not available"):
        dispatch.use("cuda")


def test_machines_without_a_driver_do_not_load_numba_cuda_to_find_out():
    asked = (
        "import sys; from accel.backend import known; "
        "reason = known.backend('cuda').available(); "
        "print(reason is None or 'numba.cuda' not in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


def test_operations_without_a_device_kernel_are_not_supported():
    assert backend().supports(call()) is None
    a = np.zeros((2, 2), "int64")
    assert "no device kernel for int64" in backend().supports(Call("matmul", "int64", (a, a, a)))
    x = np.zeros(4, "float32")
    assert "relu has no device kernel" in backend().supports(Call("relu", "float32", (x, x)))


def test_arrays_that_never_fit_the_device_are_not_supported():
    assert "its arrays take 6.4e-08 GB" in backend(room=60).supports(call())
    assert backend(room=64).supports(call()) is None


def test_a_device_that_does_not_answer_supports_nothing(monkeypatch):
    def asked():
        raise DeviceFault(999, "unknown error")

    monkeypatch.setattr(cuda_backend, "device_errors", lambda: (DeviceFault,))
    assert "does not answer" in CudaBackend(lambda: None, asked).supports(call())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DeviceFault(2, "out of memory"), "has no room for gelu with 6.4e-08 GB"),
        (OutOfMemoryError("64 bytes"), "free arrays on the device, or compute in parts"),
        (DeviceFault(700, "illegal address"), "start a new process"),
        (DeviceFault(719, "launch failed"), "this process can use it no more"),
        (DeviceFault(1, "invalid value"), "gelu failed on the device"),
    ],
)
def test_a_failing_device_is_a_backend_error_that_says_what_to_do(failing, error, words):
    failing(error)
    with pytest.raises(BackendError, match=words) as raised:
        backend().run(call())
    assert str(error) in str(raised.value) and raised.value.__cause__ is error


def test_wrong_arguments_stay_the_callers_business(failing):
    failing(ValueError("shapes do not fit"))
    with pytest.raises(ValueError, match="shapes do not fit"):
        backend().run(call())


@pytest.fixture
def device_and_numpy(monkeypatch):
    """Have a device compete with NumPy for gelu, and be predicted to be the faster."""
    monkeypatch.setitem(known._all(), "cuda", backend())
    curves = {"cuda": Curve((1.0,), (1.0,)), "numpy": Curve((1.0,), (1e6,))}
    dispatch.adopt(Profile("here", "today", {("gelu", "float32"): curves}))
    policy = dispatch.Policy("auto")
    policy._members = known.backend("cuda"), known.backend("numpy")
    token = dispatch._policy.set(policy)
    yield policy
    dispatch._policy.reset(token)
    dispatch.adopt()


def test_the_cpu_takes_over_from_a_device_without_room(failing, device_and_numpy):
    failing(DeviceFault(2, "out of memory"))
    one = call()
    with pytest.warns(dispatch.FallbackWarning, match="gelu failed in cuda.*no room"):
        dispatch.runner("gelu", "float32")(*one.arguments)
    expected, tolerance = registry.operation("gelu").oracle(*one.arguments)
    assert np.all(np.abs(one.arguments[1] - expected) <= tolerance)
    dispatch.runner("gelu", "float32")(*one.arguments)  # the device is not asked again
    assert [place for place in device_and_numpy.failures] == [("cuda", "gelu")]


def run_on_the_simulator(operation, parameters):
    """Run a call by the backend; what is wrong with its answer, and what it says of itself."""
    from accel.agreement import difference

    op = registry.operation(operation)
    arguments = op.inputs(**parameters)
    one = Call(operation, "float32", arguments)
    runner = known.backend("cuda")
    expected, tolerance = op.oracle(*arguments)
    reasons = runner.available(), runner.supports(one)
    runner.run(one)
    return difference(arguments[-1], expected, tolerance), *reasons


def stay_on_the_simulator():
    """Run a call on arrays of the device; what came back, and the host's result."""
    op = registry.operation("gelu")
    arguments = op.inputs(n=8)
    there = cuda.to_device(*arguments)
    known.backend("cuda").run(Call("gelu", "float32", there))
    return there[-1].copy_to_host(), arguments[-1], op.oracle(*arguments)[0]


@pytest.fixture(scope="module")
def simulated():
    with simulator.simulator() as run:
        yield run


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("matmul", {"m": 3, "k": 4, "n": 5, "order_out": "F"}),
        ("softmax", {"rows": 2, "width": 5}),
        ("layernorm", {"rows": 2, "width": 5}),
        ("gelu", {"n": 5}),
    ],
)
def test_calls_on_arrays_of_the_host_come_back_right(simulated, operation, parameters):
    complaint, available, supported = simulated(run_on_the_simulator, operation, parameters)
    assert complaint is None and supported is None
    assert "simulator is on" in available


def test_arrays_of_the_device_stay_there(simulated):
    there, here, expected = simulated(stay_on_the_simulator)
    assert np.isnan(here).all()
    np.testing.assert_allclose(there, expected, atol=8 * np.finfo("float32").eps * 10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", cuda.operations())
def test_calls_on_a_device_come_back_right(operation, dtype):
    missing = cuda.missing()
    if missing is not None:
        pytest.skip(f"no device: {missing}")
    op = registry.operation(operation)
    arguments = op.inputs(**op.sizes(1 << 20), dtype=dtype)
    expected, tolerance = op.oracle(*arguments)
    known.backend("cuda").run(Call(operation, dtype, arguments))
    assert np.all(np.abs(arguments[-1] - expected) <= tolerance)
