"""`accel.explain`: who computes a call, who else could have, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from accel.arrays.array import Array, asarray
from accel.arrays.leaving import ND, name
from accel.arrays.loops import LoopPlan, Watch, watched
from accel.backend import dispatch
from accel.backend.choosing import Choice


@dataclass(frozen=True)
class Explanation:
    """What was found out; printed, it is a few lines for each call.

    Parameters
    ----------
    title : str
        What was asked about.
    policy : str
        The name that was given to `accel.use`, or "auto".
    choices : list of Choice
        Of operations of `accel.kernels`, in the order of the calls.
    loops : list of LoopPlan
        Loops of NumPy that are run in parts.
    fallbacks : Counter
        ``(NumPy function, why)`` to the number of calls that NumPy computed itself.
    """

    title: str
    policy: str
    choices: list[Choice] = field(default_factory=list)
    loops: list[LoopPlan] = field(default_factory=list)
    fallbacks: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"{self.title}, with accel.use({self.policy!r})"]
        for choice, times in Counter(self.choices).items():
            lines += _of_choice(choice, times)
        for plan, times in Counter(self.loops).items():
            lines.append(_of_loop(plan, times))
        for (function, why), times in sorted(self.fallbacks.items()):
            lines.append(f"  {function}{_times(times)}: NumPy computes it, because {_clause(why)}")
        if len(lines) == 1:
            lines.append(
                "  NumPy computes it: views compute nothing, and what is short NumPy has done "
                "before anything else would begin"
            )
        return "\n".join(lines)

    __repr__ = __str__


def explain(function: Callable | None = None, *args: Any, **keywords: Any) -> Explanation:
    """Tell who computes a call, and why.

    Parameters
    ----------
    function : callable, optional
        A function of NumPy (`numpy.matmul`), an operation of this library (`accel.gelu`), or
        a function of the user's. Without one, tell what the policy in force has planned so
        far, and what was left to NumPy.
    *args, **keywords
        What to call it with. Plain arrays are taken as `accel.asarray` makes them.

    Returns
    -------
    Explanation
        Print it. Of a function of NumPy and of an operation neither kernels nor loops in parts
        are run, only what is left to NumPy; a function of the user's is run.

    Raises
    ------
    TypeError, ValueError, BackendError
        As the call would.

    Examples
    --------
    >>> import numpy as np
    >>> import accel
    >>> a = np.ones((512, 512), "float32")
    >>> print(accel.explain(np.matmul, a, a))  # doctest: +SKIP
    numpy.matmul, with accel.use('auto')
      matmul of float32 (512, 512), (512, 512): numba-threads, because it is predicted to be ...
    """
    policy = dispatch.policy()
    if function is None:
        plans = [plan.choice for plan in list(policy.plans.values())]
        return Explanation("plans", policy.name, plans, [], Counter(policy.fallbacks))
    numpys, ours = _is_numpys(function), _is_ours(function)
    given = args, keywords
    if not ours:
        given = _as_arrays(args), {key: _as_arrays(x) for key, x in keywords.items()}
    # Nothing is computed for a single call, so that what a kernel's result would tell about
    # errors is not there to be asked for.
    quiet = np.errstate(all="ignore") if numpys or ours else _nothing()
    compute = not (numpys or ours)
    with _watching_loops(compute) as loops, dispatch.watching(compute) as seen, quiet:
        function(*given[0], **given[1])
    title = f"numpy.{_title(function)}" if numpys else f"{'accel.' * ours}{function.__name__}"
    return Explanation(title, policy.name, seen.choices, loops.plans, Counter(seen.fallbacks))


@contextmanager
def _watching_loops(compute: bool):
    """Collect the plans of NumPy's loops."""
    watch = Watch(compute)
    before = watched.set(watch)
    try:
        yield watch
    finally:
        watched.reset(before)


@contextmanager
def _nothing():
    yield


def _is_numpys(function: Callable) -> bool:
    return (
        isinstance(function, np.ufunc)
        or isinstance(getattr(function, "__self__", None), np.ufunc)
        or hasattr(function, "_implementation")
    )


def _is_ours(function: Callable) -> bool:
    return (getattr(function, "__module__", None) or "").startswith("accel.ops")


def _title(function: Callable) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return name(owner, function.__name__)
    return name(function)


def _as_arrays(x: Any) -> Any:
    """Return plain arrays as `Array`, also those in lists and tuples."""
    if type(x) is ND:
        return asarray(x)
    if type(x) in (list, tuple):
        return type(x)([_as_arrays(each) for each in x])
    return x.view(Array) if type(x) is Array else x


def _of_choice(choice: Choice, times: int) -> list[str]:
    sizes = ", ".join(str(each) for each in choice.shapes)
    lines = [
        f"  {choice.operation} of {choice.dtype} {sizes}{_times(times)}: {choice.backend}, "
        f"because {_clause(choice.why)}"
    ]
    for each in choice.candidates:
        told = "no prediction" if each.predicted_ns is None else f"{_time(each.predicted_ns)}"
        if each.reason is not None:
            told = f"not possible, because {_clause(each.reason)}"
        lines.append(f"    {each.backend:<14} {told}")
    lines.append(f"    times from {_source(choice.origin)}")
    return lines


def _of_loop(plan: LoopPlan, times: int) -> str:
    how = f"NumPy's loop on {plan.threads} threads" if plan.threads > 1 else "NumPy's loop"
    return (
        f"  {plan.name} of {plan.dtype} {plan.shape}{_times(times)}: {how}, because one core is "
        f"predicted to take {_time(plan.predicted_ns)}, by the time of a short one"
    )


def _times(times: int) -> str:
    return f", {times} times" if times > 1 else ""


def _clause(why: str) -> str:
    return why[:1].lower() + why[1:] if why[1:2].islower() else why


def _time(ns: float) -> str:
    for unit, size in (("ns", 1e3), ("µs", 1e6), ("ms", 1e9)):
        if ns < size:
            return f"{ns / size * 1e3:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def _source(origin: str) -> str:
    """Return whose times they are, and what to do where they are another machine's."""
    if origin == "shipped":
        return "the shipped profile, of another machine; accel calibrate measures this one"
    return f"the profile {origin}"
