"""Who runs a call: chosen once for each signature, then remembered.

Every operation of `accel.ops` ends in a runner, made by `runner`. It looks up the plan for
the call's signature, and makes one if there is none: `accel.backend.choosing` asks each backend
whether it is there and would take the call, predicts its time from the profile of this machine,
and takes the fastest. Plans are kept for the next call, up to a bound.

Which backends take part is the policy of the context: ``with accel.use("numpy"):`` names one,
``"auto"`` lets all compete. It is held in a context variable, so that threads and
asynchronous tasks do not disturb each other.
"""

from __future__ import annotations

import contextvars
import functools
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from accel.backend import known
from accel.backend import profile as profiles
from accel.backend.base import BackendError, Call, ComputeBackend, function_of
from accel.backend.choosing import (
    MARGIN,
    PREFERENCE,
    UNMEASURED,
    Candidate,
    Choice,
    choose,
    current_profile,
    set_profile,
)
from accel.kernels import registry

__all__ = [
    "MARGIN", "MOST_PLANS", "PREFERENCE", "UNMEASURED", "Candidate", "Choice",
    "FallbackWarning", "Plan", "Policy", "adopt", "choose", "current_profile", "policy",
    "runner", "use", "watching",
]  # fmt: skip

#: Plans that a policy remembers. A plan takes about a kilobyte.
MOST_PLANS = 4096


class FallbackWarning(UserWarning):
    """A backend failed at a call, and another one ran it; the first is not asked again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to call for a signature, and why that.

    Parameters
    ----------
    run : callable
        Takes the arguments of the operation's kernels.
    choice : Choice
    """

    run: Callable[..., None]
    choice: Choice


class Policy:
    """Which backends take part, and the plans made among them.

    Parameters
    ----------
    name : str
        "auto", or the name of a backend.

    Attributes
    ----------
    plans : dict
        Key of a runner and a signature to `Plan`, oldest first.
    failures : dict
        ``(backend, operation)`` to what it failed with.
    fallbacks : Counter
        ``(NumPy function, why)`` of calls that NumPy computed itself.
    """

    __slots__ = ("_lock", "_members", "_version", "failures", "fallbacks", "name", "plans")

    def __init__(self, name: str):
        self.name = name
        self.plans: dict[Hashable, Plan] = {}
        self.failures: dict[tuple[str, str], str] = {}
        self.fallbacks: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._version = 0  # of what choices depend on
        self._members: tuple[ComputeBackend, ...] = ()

    @property
    def members(self) -> tuple[ComputeBackend, ...]:
        """Backends that take part."""
        if not self._members:
            names = known.names() if self.name == "auto" else [self.name]
            found = [known.backend(each) for each in names]
            self._members = tuple(each for each in found if each.competes or self.name != "auto")
        return self._members

    def beside(self, name: str) -> Policy:
        """Return the policy that ``accel.use(name)`` means where this one is in force."""
        return _shared(name)

    def plan(self, key: Hashable, call: Call) -> Plan:
        """Choose who runs calls of a signature, and remember it.

        Raises
        ------
        BackendError
            If no member can run it.
        """
        while True:
            version = self._version
            plan = self.made(call)
            with self._lock:
                if version == self._version:  # else a choice made meanwhile may be out of date
                    self.plans.pop(key, None)
                    while len(self.plans) >= MOST_PLANS:
                        del self.plans[next(iter(self.plans))]
                    self.plans[key] = plan
                    return plan

    def made(self, call: Call) -> Plan:
        """Choose who runs such calls, without remembering it."""
        while True:
            choice = choose(self, call)
            try:
                return Plan(function_of(known.backend(choice.backend), call), choice)
            except failures() as error:
                self.pass_over(choice, call, error)

    def pass_over(self, choice: Choice, call: Call, error: Exception) -> None:
        """Do not ask the backend that was chosen again; warn who runs the operation instead.

        Raises
        ------
        Exception
            The error itself, if nobody else can run the call. The backend may then try again.
        """
        reason = f"{type(error).__name__}: {error}"
        place = choice.backend, call.operation
        try:
            other = choose(self, call, {**self.failures, place: reason})
        except BackendError:
            raise error from None
        with self._lock:
            first = place not in self.failures
            self.failures[place] = reason
            self._forget(lambda plan: plan.choice.operation == call.operation)
        if first:  # of several threads that meet the same failure
            warnings.warn(
                f"{call.operation} failed in {choice.backend} ({reason}); {other.backend} runs "
                "it from now on",
                FallbackWarning,
                stacklevel=5,
            )

    def forget_plans(self) -> None:
        """Make all plans anew when they are next asked for."""
        with self._lock:
            self._forget(lambda plan: True)

    def trust(self, name: str) -> None:
        """Ask a backend again for what it failed at before."""
        with self._lock:
            for place in [each for each in self.failures if each[0] == name]:
                del self.failures[place]
            self._forget(lambda plan: True)

    def _forget(self, which: Callable[[Plan], bool]) -> None:
        self._version += 1
        for key in [key for key, plan in self.plans.items() if which(plan)]:
            del self.plans[key]


@functools.cache  # to ask an element type for its name takes longer than to run a short call
def runner(operation: str, dtype: str | np.dtype) -> Callable[..., None]:
    """Return a function that runs calls of an operation by whom the context's policy chooses.

    It takes the arguments of the operation's kernels. What it costs beyond the kernel is a
    look at the context and one look-up, by the arguments that `Operation.signature` names.

    Raises
    ------
    KeyError
        If there is no such operation.
    """
    return _runner(operation, np.dtype(dtype).name)


@functools.cache
def _runner(operation: str, dtype: str) -> Callable[..., None]:
    key_of, current = _key(operation, dtype), _policy.get

    def run(*arguments):
        policy = current()
        key = key_of(arguments)
        plan = policy.plans.get(key) or policy.plan(key, Call(operation, dtype, arguments))
        try:
            plan.run(*arguments)
        except failures() as error:
            _recover(policy, plan, Call(operation, dtype, arguments), error)

    return run


def _key(operation: str, dtype: str) -> Callable[[tuple], Hashable]:
    """Return a function that makes the key of a call's plan from its arguments.

    It is made from an expression such as ``("relu float32", a[0].shape)``, or for a convolution
    ``("conv2d float32", a[0].shape, a[1].shape, a[2], a[3])``. As it is part of every call, a
    loop over the arguments would cost more than all the rest of the dispatch.
    """
    op = registry.operation(operation)
    example = op.inputs(**op.edges[0])
    sizes = [
        f"a[{place}].shape" if isinstance(example[place], np.ndarray) else f"a[{place}]"
        for place in op.signature
    ]
    return eval(f"lambda a: ({', '.join([repr(f'{operation} {dtype}'), *sizes])})")


def failures() -> tuple[type[Exception], ...]:
    """Return what a failing backend raises; errors of arguments are the caller's business."""
    from numba.core.errors import NumbaError

    return BackendError, RuntimeError, OSError, ArithmeticError, NumbaError


def _recover(policy: Policy, plan: Plan, call: Call, error: Exception) -> None:
    """Have another backend run a call at which one failed."""
    if _updates(call):
        raise BackendError(
            f"{call.operation} failed in {plan.choice.backend} while it updated its arguments, "
            f"which are not to be used now ({type(error).__name__}: {error}); make them anew, "
            "and choose another backend with accel.use"
        ) from error
    policy.pass_over(plan.choice, call, error)
    runner(call.operation, call.dtype)(*call.arguments)


def _updates(call: Call) -> bool:
    """Tell whether a call that failed midway may have changed what it reads."""
    if registry.operation(call.operation).mutates:
        return True
    *reads, out = call.arguments
    arrays = [each for each in reads if isinstance(each, np.ndarray)]
    return any(np.may_share_memory(out, each) for each in arrays)


_POLICIES: dict[str, Policy] = {}


def _shared(name: str) -> Policy:
    """Return the policy of one backend, or of all that compete; all contexts share it."""
    return _POLICIES.setdefault(name, Policy(name))


def _forked() -> None:
    """Choose anew in a forked process, where backends may be gone and locks held by nobody."""
    for each in _POLICIES.values():
        each._lock = threading.Lock()
        each.forget_plans()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


_policy: contextvars.ContextVar[Policy] = contextvars.ContextVar(
    "accel_policy", default=_shared("auto")
)


#: ``policy()`` returns the policy of this context. Every call asks, so nothing stands between.
policy: Callable[[], Policy] = _policy.get


def adopt(profile: profiles.Profile | None = None) -> None:
    """Choose by another profile from now on: the one given, or the one on disk, read anew."""
    set_profile(profile)
    for each in list(_POLICIES.values()):
        each.forget_plans()


class use:
    """Choose who computes, from now on in this context, or within a ``with`` block.

    Parameters
    ----------
    name : str
        A backend such as "numpy", or "auto" for the fastest of all for each call.
    **options
        For the backend: ``accel.use("dask", scheduler="tcp://...")``. They hold in all
        contexts, and what the backend failed at before is tried again with them.

    Raises
    ------
    BackendError
        If there is no such backend, or it is not available here.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> with accel.use("numpy"):
    ...     y = accel.relu(np.array([-1.0, 2.0], "float32"))
    """

    def __init__(self, name: str, **options: Any):
        if name == "auto":
            if options:
                raise BackendError(
                    f"accel.use('auto') takes no options, got {', '.join(options)}"
                )
        else:
            _ready(known.backend(name), options)
        self._chosen = _policy.get().beside(name)
        self._before = [_policy.set(self._chosen)]
        self._entered = False

    def __enter__(self) -> use:
        if self._entered:  # an object may be kept, and serve several blocks
            self._before.append(_policy.set(self._chosen))
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _policy.reset(self._before.pop())


def _ready(chosen: ComputeBackend, options: dict[str, Any]) -> None:
    """Give a backend its options, and see that it is there."""
    if options:
        chosen.configure(**options)
        for each in list(_POLICIES.values()):
            each.trust(chosen.name)
    reason = chosen.available()
    if reason is not None:
        raise BackendError(f"backend {chosen.name!r} is not available: {reason}")


class watching:
    """Collect the choices made for calls within a ``with`` block, as `accel.explain` does.

    Parameters
    ----------
    compute : bool
        Whether the calls are run; else their results are left as they were.

    Attributes
    ----------
    choices : list of Choice
        One for each call, in order.
    fallbacks : Counter
        ``(NumPy function, why)`` of calls that NumPy computed itself.
    """

    def __init__(self, compute: bool):
        self._compute = compute
        self.choices: list[Choice] = []
        self.fallbacks: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> watching:
        self._before = _policy.set(_Watched(_policy.get(), self, self._compute))
        return self

    def __exit__(self, *_) -> None:
        _policy.reset(self._before)


class _Watched(Policy):
    """A policy that keeps no plans, so that every call comes by, and tells what it chose."""

    def __init__(self, watched: Policy, told: watching, compute: bool):
        super().__init__(watched.name)
        self._watched, self._told, self._compute = watched, told, compute
        self.failures, self.fallbacks = watched.failures, told.fallbacks

    def beside(self, name: str) -> Policy:
        return _Watched(self._watched.beside(name), self._told, self._compute)

    def plan(self, key: Hashable, call: Call) -> Plan:
        return self.made(call)

    def made(self, call: Call) -> Plan:
        plan = self._watched.made(call)
        self._told.choices.append(plan.choice)
        return plan if self._compute else Plan(_nothing, plan.choice)

    def pass_over(self, choice: Choice, call: Call, error: Exception) -> None:
        self._watched.pass_over(choice, call, error)
        self._told.choices.remove(choice)  # the call comes by once more


def _nothing(*arguments) -> None:
    """Leave the result as it was."""
