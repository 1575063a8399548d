"""What every backend promises, as checks to hold one to: for this library's, and for others'.

In the tests of a package that brings a backend::

    from accel.backend.contract import BackendContract

    class TestMine(BackendContract):
        backend = MyBackend()

pytest then makes each check with each operation and element type. ``complaints(MyBackend())``
says the same without pytest, as a list of lines that is empty if all is well.

The right answers are those of the registry of `accel.kernels`: each operation brings inputs
at the edges (0, 1, odd, 127, 128, 129 elements; NaN and infinity; strides), the answer in
float64, and the error that its element type allows. Every array is tried amid other bytes: an
element written before its beginning, after its end or between its strides is noticed.
"""

from __future__ import annotations

import math
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accel.backend.base import BackendError, Call, ComputeBackend
from accel.backend.contract_cases import Case, cases, fenced, operations
from accel.kernels import registry

#: Threads that call a backend at once, and how often each does.
THREADS, ROUNDS = 4, 8

#: Seconds after which calls from several threads are taken to wait for each other.
STUCK_S = 300


def identity(backend: ComputeBackend) -> list[str]:
    """Return complaints about what a backend says of itself, and about its options."""
    said = []
    name = getattr(backend, "name", None)
    if not isinstance(backend, ComputeBackend):
        return [f"it must be a ComputeBackend, got {type(backend).__name__}"]
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or name == "auto":
        said.append(
            "its name must be a word of small letters, digits and hyphens other than 'auto', "
            f"got {name!r}"
        )
    if not isinstance(backend.competes, bool):
        said.append(f"competes must be True or False, got {backend.competes!r}")
    reasons = backend.available(), backend.available()
    for reason in reasons:
        said += _words("available()", reason)
    option = {"an_option_that_no_backend_has": 1}
    try:
        backend.configure(**option)
        said.append("configure() took an option that there is not, expected BackendError")
    except BackendError:
        return said
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        said.append(
            f"configure() raised {type(error).__name__} for an option that there is not, "
            f"expected BackendError: {error}"
        )
    return said


def _words(what: str, reason: Any) -> list[str]:
    if reason is None or isinstance(reason, str) and reason.strip():
        return []
    return [f"{what} must return None or a reason in words, got {reason!r}"]


def consents(backend: ComputeBackend, operation: str, dtype: str) -> list[str]:
    """Return complaints about what `supports` says of an operation's calls.

    It must say the same of calls of other numbers, other layouts, and other arguments than
    `Operation.signature` names, as its answer is remembered for them.
    """
    said = []
    for case in cases(operation, dtype):
        answer = backend.supports(Call(operation, dtype, fenced(case.call.arguments)[1]))
        said += _words(f"{case.where}: supports()", answer)
        other = backend.supports(_alike(case.call))
        if (answer is None) != (other is None):
            said.append(
                f"{case.where}: supports() said {answer!r}, and {other!r} of a call of the same "
                "signature"
            )
    return said


def _alike(call: Call) -> Call:
    """Return a call of the same signature whose arguments differ in all else."""
    named = registry.operation(call.operation).signature
    changed = []
    for place, each in enumerate(call.arguments):
        if isinstance(each, np.ndarray):
            changed.append(np.zeros(each.shape, each.dtype))
        elif place in named or isinstance(each, bool):
            changed.append(each)
        else:
            changed.append(each + 1)
    return Call(call.operation, call.dtype, tuple(changed))


def supported(
    backend: ComputeBackend, operation: str, dtype: str, most_flops: float = math.inf
) -> list[Case]:
    """Return the cases of an operation that a backend says it would run."""
    return [
        case
        for case in cases(operation, dtype, most_flops)
        if backend.supports(case.call) is None
    ]


def _ways(backend: ComputeBackend, operation: str, dtype: str) -> dict[str, Callable[..., None]]:
    """Return the ways to have a call run: `run`, and `kernel` where there is one."""

    def run(*arguments):
        return backend.run(Call(operation, dtype, arguments))

    kernel = backend.kernel(operation, dtype)
    return {"run()": run} if kernel is None else {"run()": run, "kernel()": kernel}


def _each(backend, operation, dtype, most_flops, judged: Callable) -> list[str]:
    """Return what is said of each way to run each case."""
    tried = supported(backend, operation, dtype, most_flops)
    ways = _ways(backend, operation, dtype) if tried else {}
    said = [(way, judged(case, function)) for way, function in ways.items() for case in tried]
    return [f"{way} {fault}" for way, fault in said if fault]


def answers(
    backend: ComputeBackend, operation: str, dtype: str, most_flops: float = math.inf
) -> list[str]:
    """Return complaints about answers, about what is written, and about what is not."""
    return _each(backend, operation, dtype, most_flops, Case.fault)


def harms(
    backend: ComputeBackend, operation: str, dtype: str, most_flops: float = math.inf
) -> list[str]:
    """Return complaints about how results of other shapes are dealt with.

    The front door lets none through. What gets past it is refused with an error of the
    arguments, for which nobody else is asked, or does at least no harm.
    """
    return _each(backend, operation, dtype, most_flops, Case.harm)


def together(
    backend: ComputeBackend, operation: str, dtype: str, most_flops: float = math.inf
) -> list[str]:
    """Return complaints about calls from several threads at once, of several sizes."""
    tried = supported(backend, operation, dtype, most_flops)[-THREADS:]
    if not tried:
        return []
    said: list[str] = []
    for way, function in _ways(backend, operation, dtype).items():
        faults: list[str | None] = []
        begin = threading.Barrier(THREADS)

        def work(number, function=function, faults=faults, begin=begin):
            try:
                for each in range(ROUNDS):
                    begin.wait(STUCK_S)
                    faults.append(tried[(number + each) % len(tried)].fault(function))
            except BaseException:
                begin.abort()  # the others need not wait for this one
                raise

        if not _all_end([threading.Thread(target=work, args=[n]) for n in range(THREADS)]):
            faults.append(f"{operation}: calls did not end within {STUCK_S} s")
        elif len(faults) < THREADS * ROUNDS:
            faults.append(f"{operation}: a thread ended early")
        said += [f"{way} from {THREADS} threads: {fault}" for fault in faults if fault]
    return said


def _all_end(threads: Sequence[threading.Thread]) -> bool:
    """Start threads that take turns as often as can be, and tell whether all of them ended."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for each in threads:
            each.daemon = True  # one that never ends does not keep the process
            each.start()
        for each in threads:
            each.join(STUCK_S)
    finally:
        sys.setswitchinterval(before)
    return not any(each.is_alive() for each in threads)


def complaints(
    backend: ComputeBackend,
    pairs: Sequence[tuple[str, str]] = (),
    most_flops: float = math.inf,
) -> list[str]:
    """Return in what a backend breaks its promises.

    Parameters
    ----------
    backend : ComputeBackend
    pairs : sequence of (str, str), optional
        Operations and element types to try; all that there are by default.
    most_flops : float
        Leave out larger inputs, for a backend that is slow by nature.

    Returns
    -------
    list of str
        One line for each complaint; empty if there is none.
    """
    said = identity(backend)
    if said:
        return said
    some = False
    for operation, dtype in pairs or operations():
        said += consents(backend, operation, dtype)
        some = some or bool(supported(backend, operation, dtype, most_flops))
        for check in (answers, harms, together):
            said += check(backend, operation, dtype, most_flops)
    return said if some else [*said, "supports() takes no call at all"]


def _nothing_said(said: list[str]) -> None:
    assert not said, "\n".join(said)


class BackendContract:
    """Tests of a backend for pytest, to be inherited by a class whose name begins with Test.

    Attributes
    ----------
    backend : ComputeBackend
        Set it in the subclass, or in a fixture of it that pytest uses by itself:
        ``@pytest.fixture(autouse=True)`` above ``def it(self): self.backend = ...``.
    operations : sequence of (str, str)
        Operations and element types to try; all that there are by default.
    most_flops : float
        Inputs that take more are left out; for a backend that is slow by nature.
    """

    backend: ComputeBackend
    operations: Sequence[tuple[str, str]] = ()
    most_flops: float = math.inf

    def pytest_generate_tests(self, metafunc):
        """Make each test for each operation and element type."""
        if "operation" in metafunc.fixturenames:
            pairs = list(self.operations or operations())
            names = [f"{operation}-{dtype}" for operation, dtype in pairs]
            metafunc.parametrize(("operation", "dtype"), pairs, ids=names)

    def _supported(self, operation, dtype):
        if not supported(self.backend, operation, dtype, self.most_flops):
            import pytest

            pytest.skip(f"{self.backend.name} does not run {operation} for {dtype}")

    def test_it_says_who_it_is_and_refuses_unknown_options(self):
        _nothing_said(identity(self.backend))

    def test_it_runs_some_operation(self):
        pairs = self.operations or operations()
        assert any(supported(self.backend, *pair, self.most_flops) for pair in pairs)

    def test_what_it_supports_depends_on_the_signature_alone(self, operation, dtype):
        _nothing_said(consents(self.backend, operation, dtype))

    def test_answers_are_right_and_nothing_else_is_written(self, operation, dtype):
        self._supported(operation, dtype)
        _nothing_said(answers(self.backend, operation, dtype, self.most_flops))

    def test_a_result_of_another_shape_does_no_harm(self, operation, dtype):
        self._supported(operation, dtype)
        _nothing_said(harms(self.backend, operation, dtype, self.most_flops))

    def test_several_threads_may_call_it_at_once(self, operation, dtype):
        self._supported(operation, dtype)
        _nothing_said(together(self.backend, operation, dtype, self.most_flops))
