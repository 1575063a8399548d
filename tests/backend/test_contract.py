"""The contract: sound backends keep it, and each way of breaking it is noticed."""

import threading
import time

import numpy as np
import pytest

from accel.backend import contract, contract_cases, known
from accel.backend.base import BackendError, Call, ComputeBackend
from accel.backend.contract import BackendContract, complaints
from accel.kernels import registry

SOME = tuple((name, "float32") for name in ("relu", "sum", "matmul", "momentum"))


class Sound(ComputeBackend):
    """Runs four operations as they should be run."""

    name = "sound"

    def available(self):
        return None

    def supports(self, call):
        return None if (call.operation, call.dtype) in SOME else "it was not taught to"

    def run(self, call):
        getattr(self, call.operation)(*call.arguments)

    def relu(self, x, out):
        self.same(x.shape, out.shape)
        np.maximum(x, 0, out=out)

    def sum(self, x, out):
        self.same(out.shape, (1,))
        with np.errstate(all="ignore"):
            out[0] = x.sum(dtype="float64")

    def matmul(self, a, b, out):
        self.same((a.shape[0], b.shape[1]), out.shape)
        np.matmul(a, b, out=out)

    def momentum(self, gradient, velocity, rate, keep, parameters):
        self.same(gradient.shape, parameters.shape)
        with np.errstate(all="ignore"):
            velocity[...] = keep * velocity + gradient
            parameters -= rate * velocity

    def same(self, one, other):
        if one != other:
            raise ValueError(f"expected {one}, got {other}")


class LosesTheLastTerm(Sound):
    def sum(self, x, out):
        super().sum(x[:-1], out)


class WritesItsInput(Sound):
    def relu(self, x, out):
        super().relu(x, out)
        x[...] = out


class WritesBesideTheResult(Sound):
    def relu(self, x, out):
        super().relu(x, out)
        np.lib.stride_tricks.as_strided(out, (out.size + 1,), out.strides)[-1] = 0


class WritesBetweenStrides(Sound):
    def matmul(self, a, b, out):
        super().matmul(a, b, out)
        if 4 < out.strides[-1] < out.strides[0]:
            np.lib.stride_tricks.as_strided(out, (2,), (4,))[1] = 0


class LeavesALastElement(Sound):
    def relu(self, x, out):
        self.same(x.shape, out.shape)
        np.maximum(x[:-1], 0, out=out[:-1])


class TakesOneOrderOnly(Sound):
    def matmul(self, a, b, out):
        super().matmul(a.ravel("K").reshape(a.shape), b, out)


class ForgetsItsState(Sound):
    def momentum(self, gradient, velocity, rate, keep, parameters):
        super().momentum(gradient, velocity.copy(), rate, keep, parameters)


class SharesAScratch(Sound):
    def relu(self, x, out):
        self.same(x.shape, out.shape)
        self.scratch = x
        time.sleep(1e-4)
        out[...] = np.resize(np.maximum(self.scratch, 0), out.shape)


class ClaimsAll(Sound):
    def supports(self, call):
        return None


class SupportsByValue(Sound):
    def supports(self, call):
        first = call.arguments[0]
        return "there is a zero" if first.size and not first.all() else super().supports(call)


class SupportsByOrder(Sound):
    def supports(self, call):
        if all(each.flags.c_contiguous for each in call.arguments if isinstance(each, np.ndarray)):
            return super().supports(call)
        return "rows must lie one after another"


class SaysFalse(Sound):
    def supports(self, call):
        return super().supports(call) and False


class SaysNothing(Sound):
    def supports(self, call):
        return super().supports(call) and " "


class WritesPastASmallerResult(Sound):
    def relu(self, x, out):
        as_long = np.lib.stride_tricks.as_strided(out, x.shape, out.strides)
        np.maximum(x, 0, out=as_long)


class ChangesItsInputWhenRefusing(Sound):
    def same(self, one, other):
        if one != other:
            self.x[...] = 0
            raise ValueError("shapes")

    def relu(self, x, out):
        self.x = x
        super().relu(x, out)


class RefusesTooLate(Sound):
    def momentum(self, gradient, velocity, rate, keep, parameters):
        with np.errstate(all="ignore"):
            velocity[...] = keep * velocity + gradient
        self.same(gradient.shape, parameters.shape)
        parameters -= rate * velocity


class RefusesWithAnotherError(Sound):
    def same(self, one, other):
        if one != other:
            raise RuntimeError("shapes")


class Returns(Sound):
    def run(self, call):
        super().run(call)
        return call.arguments[-1]


class HasAnotherKernel(Sound):
    def kernel(self, operation, dtype):
        return (lambda x, out: np.abs(x, out=out)) if operation == "relu" else None


class TakesAnyOption(Sound):
    def configure(self, **options):
        """Take it."""


class StumblesOverOptions(Sound):
    def configure(self, port=1):
        """Take a port."""


class IsNotSureItIsThere(Sound):
    def available(self):
        return False


class CallsItselfAuto(Sound):
    name = "auto"


class HasNoName(Sound):
    name = None


class MayCompete(Sound):
    competes = "perhaps"


class TakesNothing(Sound):
    def supports(self, call):
        return "it is a holiday"


BREACHES = {
    LosesTheLastTerm: r"run\(\) sum\(n=1,.*: argument 1: element \[0\] is 0, expected",
    WritesItsInput: r"run\(\) relu\(.*: changed argument 0, which it may only read",
    WritesBesideTheResult: r"run\(\) relu\(.*: wrote beside the array of argument 1",
    WritesBetweenStrides: r"matmul\(.*order_out=strided.*: wrote beside the array of argument 2",
    LeavesALastElement: r"run\(\) relu\(n=1, .*: argument 1: element \[0\] is nan",
    TakesOneOrderOnly: r"run\(\) matmul\(.*order_a=F.*: argument 2: element",
    ForgetsItsState: r"run\(\) momentum\(.*: argument 1: element",
    SharesAScratch: r"run\(\) from 4 threads: relu\(",
    ClaimsAll: r"run\(\) gelu\(.*: raised AttributeError: .*no attribute 'gelu'",
    SupportsByValue: r"supports\(\) said None, and 'there is a zero' of a call of the same signat",
    SupportsByOrder: r"matmul\(.*said 'rows must lie one after another', and None of a call",
    SaysFalse: r"supports\(\) must return None or a reason in words, got False",
    SaysNothing: r"supports\(\) must return None or a reason in words, got ' '",
    WritesPastASmallerResult: r"relu\(.* with a result of .*: wrote beside the array of arg",
    ChangesItsInputWhenRefusing: r"relu\(.* with a result of .*: changed argument 0$",
    RefusesTooLate: r"momentum\(.* with a result of .*: changed argument 1$",
    RefusesWithAnotherError: r"raised RuntimeError, expected ValueError: shapes",
    Returns: r"run\(\) relu\(.*: returned ndarray, expected None",
    HasAnotherKernel: r"kernel\(\) relu\(.*: ",
    TakesAnyOption: r"configure\(\) took an option that there is not, expected BackendError",
    StumblesOverOptions: r"configure\(\) raised TypeError for an option that there is not",
    IsNotSureItIsThere: r"available\(\) must return None or a reason in words, got False",
    CallsItselfAuto: r"its name must be a word .* other than 'auto', got 'auto'",
    HasNoName: r"its name must be a word .*, got None",
    MayCompete: r"competes must be True or False, got 'perhaps'",
    TakesNothing: r"supports\(\) takes no call at all",
}


def test_a_sound_backend_keeps_the_contract():
    assert complaints(Sound(), SOME) == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda kind: kind.__name__)
def test_each_breach_is_noticed(breach):
    tried = (("gelu", "float32"),) if breach is ClaimsAll else SOME + (("gelu", "float32"),)
    said = complaints(breach(), tried)
    assert said
    pattern = contract.re.compile(BREACHES[breach])
    assert any(pattern.search(line) for line in said), said


def test_each_breach_is_of_a_backend_that_is_sound_otherwise():
    assert {kind for kind in BREACHES} == set(Sound.__subclasses__())


def test_what_is_no_backend_is_told_at_once():
    assert complaints(len) == ["it must be a ComputeBackend, got builtin_function_or_method"]


def test_calls_that_wait_for_each_other_are_noticed(monkeypatch):
    monkeypatch.setattr(contract, "STUCK_S", 0.5)
    enough = threading.Event()

    class Waits(Sound):
        def relu(self, x, out):
            if threading.current_thread() is not threading.main_thread():
                enough.wait()
            super().relu(x, out)

    try:
        said = contract.together(Waits(), "relu", "float32")
    finally:
        enough.set()
    assert any("relu: calls did not end within 0.5 s" in line for line in said)


def test_larger_inputs_are_left_out_where_that_is_asked_for():
    all_of_them = list(contract.cases("matmul", "float32"))
    few = list(contract.cases("matmul", "float32", most_flops=1000))
    assert 0 < len(few) < len(all_of_them) == len(registry.operation("matmul").edges)
    assert all(2 * case.call.arguments[0].size * case.call.arguments[1].shape[1] <= 1000
               for case in few)  # fmt: skip


def test_every_operation_that_is_measured_is_asked_for():
    asked = {name for name, _ in contract.operations()}
    assert asked == {
        name for name in registry.FAMILIES if registry.operation(name).sizes is not None
    }
    assert ("matmul", "int64") in contract.operations()


def test_an_array_is_copied_amid_bytes_that_belong_to_nobody():
    host = np.arange(60.0).reshape(6, 10)
    for x in (host, host.T, host[1::2, ::3], host[:0], host[0, 0:1]):
        fenced = contract_cases.Fenced.copy_of(x)
        np.testing.assert_array_equal(fenced.view, x)
        assert fenced.view.strides == x.strides and not fenced.spilled()
        assert fenced.outside.sum() == fenced.host.size - x.nbytes
        fenced.view[...] = -1
        assert not fenced.spilled()
        fenced.host[np.flatnonzero(fenced.outside)[-1]] = 0
        assert fenced.spilled()


def test_the_contract_can_be_loaded_without_pytest():
    names = vars(contract).values()
    assert pytest not in names


class TestSound(BackendContract):
    backend = Sound()
    operations = SOME


class TestSetInAFixture(BackendContract):
    operations = (("relu", "float32"),)

    @pytest.fixture(autouse=True)
    def it(self):
        self.backend = Sound()


def of_float32(backend):
    """Return the operations that a backend of a ladder has a step in for float32."""
    asked = [Call(name, dtype, ()) for name, dtype in contract.operations() if dtype == "float32"]
    return [(each.operation, each.dtype) for each in asked if backend.supports(each) is None]


def one_of_each_file(pairs):
    """Return one operation of each file, and all that update their arguments."""
    first = {registry.FAMILIES[name]: name for name, _ in reversed(pairs)}.values()
    return [pair for pair in pairs if pair[0] in first or registry.operation(pair[0]).mutates]


class TestPython(BackendContract):
    backend = known.backend("python")
    most_flops = 3000.0
    operations = of_float32(backend)


class TestNumpy(BackendContract):
    backend = known.backend("numpy")
    most_flops = 1e6
    operations = one_of_each_file(of_float32(backend))


class TestNumba(BackendContract):
    backend = known.backend("numba")
    operations = (("matmul", "float32"), ("relu", "float32"), ("adam", "float32"))


class TestNumbaThreads(BackendContract):
    backend = known.backend("numba-threads")
    operations = TestNumba.operations


@pytest.mark.thorough
class TestPythonInFull(BackendContract):
    backend = known.backend("python")
    most_flops = 1e5


@pytest.mark.thorough
class TestNumpyInFull(BackendContract):
    backend = known.backend("numpy")


@pytest.mark.thorough
class TestNumbaInFull(BackendContract):
    backend = known.backend("numba")


@pytest.mark.thorough
class TestNumbaThreadsInFull(BackendContract):
    backend = known.backend("numba-threads")


def test_backends_with_options_name_theirs():
    with pytest.raises(BackendError, match="'numpy' takes no options, got port"):
        known.backend("numpy").configure(port=3)
