"""Which backend is to run a call: who can, how long each would take, and who is taken.

A choice holds for all calls of one signature; `accel.backend.dispatch` keeps it. Nothing here
runs a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel.backend import profile as profiles
from accel.backend.base import BackendError, Call, ComputeBackend
from accel.kernels import registry

if TYPE_CHECKING:
    from accel.backend.dispatch import Policy

#: Predictions differ from times by a few per cent. Of backends that are predicted to be this
#: near to the fastest, the one preferred is taken.
MARGIN = 1.03

#: Order of preference where predictions tie: first who needs least.
PREFERENCE = ("numba", "numba-threads", "numpy", "python")

#: Order of preference where nothing was measured. Kernels for all cores begin no threads for
#: calls too short for them.
UNMEASURED = ("numba-threads", "numba", "numpy", "python")


@dataclass(frozen=True)
class Candidate:
    """A backend that was considered for a call.

    Parameters
    ----------
    backend : str
    predicted_ns : float or None
        Time of the call by the profile; None if it has no curve for it.
    reason : str or None
        Why it cannot run the call; None if it can.
    """

    backend: str
    predicted_ns: float | None
    reason: str | None


@dataclass(frozen=True)
class Choice:
    """What was chosen for a call, among whom, and why.

    Parameters
    ----------
    operation, dtype : str
    shapes : tuple
        What the plan holds for: shapes of arrays, and numbers such as a stride.
    work : float
        Amount of work by `Operation.work`, by which times are predicted.
    backend : str
        Who runs it.
    candidates : tuple of Candidate
    why : str
        A clause, as after "because".
    origin : str
        Where the times come from: the path of a profile, or "shipped".
    """

    operation: str
    dtype: str
    shapes: tuple
    work: float
    backend: str
    candidates: tuple[Candidate, ...]
    why: str
    origin: str


def choose(
    policy: Policy, call: Call, failed: Mapping[tuple[str, str], str] | None = None
) -> Choice:
    """Return who is to run a call, with all who were considered.

    Parameters
    ----------
    policy : Policy
        Says who takes part.
    call : Call
    failed : mapping, optional
        ``(backend, operation)`` to the error it met; those of the policy by default.

    Raises
    ------
    BackendError
        If nobody can; the message has every reason.
    """
    op = registry.operation(call.operation)
    work = float(op.work(*call.arguments))
    profile = current_profile()
    curves = profile.curves.get((call.operation, call.dtype), {})
    failed = policy.failures if failed is None else failed
    candidates = tuple(_candidate(each, call, curves, work, failed) for each in policy.members)
    able = [each for each in candidates if each.reason is None]
    if not able:
        reasons = "; ".join(f"{each.backend}: {each.reason}" for each in candidates)
        raise BackendError(
            f"{call.operation}: nobody in accel.use({policy.name!r}) can run it ({reasons})"
        )
    taken, why = _taken(able, alone=len(candidates) == 1)
    shapes = tuple(size(call.arguments[place]) for place in op.signature)
    return Choice(
        call.operation, call.dtype, shapes, work, taken.backend, candidates, why, profile.origin
    )


def _candidate(
    member: ComputeBackend,
    call: Call,
    curves: Mapping[str, profiles.Curve],
    work: float,
    failed: Mapping[tuple[str, str], str],
) -> Candidate:
    reason = member.available() or member.supports(call)
    failure = failed.get((member.name, call.operation))
    if reason is None and failure is not None:
        reason = f"it failed before ({failure})"
    curve = curves.get(member.name)
    return Candidate(member.name, None if curve is None else curve.time_ns(work), reason)


def _taken(able: list[Candidate], alone: bool) -> tuple[Candidate, str]:
    """Return who is taken of those who can, and why."""
    if len(able) == 1:
        return able[0], "it was named" if alone else "no other one can run it"
    timed = [each for each in able if each.predicted_ns is not None]
    if not timed:
        first = min(able, key=lambda each: _rank(each.backend, UNMEASURED))
        return first, "nothing was measured of this operation; run accel calibrate"
    least = min(each.predicted_ns for each in timed)
    near = [each for each in timed if each.predicted_ns <= MARGIN * least]
    first = min(near, key=lambda each: _rank(each.backend, PREFERENCE))
    if len(near) > 1:
        return first, f"it is preferred among those within {MARGIN - 1:.0%} of the fastest"
    return first, "it is predicted to be the fastest"


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def size(argument):
    """Return what a plan depends on: the shape of an array, a number as it is."""
    return getattr(argument, "shape", argument)


_profile: profiles.Profile | None = None


def current_profile() -> profiles.Profile:
    """Return the profile that choices are made by.

    That is the one of this machine, or the shipped one where it has none; it is read once.
    """
    global _profile
    found = _profile
    if found is None:
        found = _profile = profiles.load() or profiles.shipped()
    return found


def set_profile(profile: profiles.Profile | None) -> None:
    """Take another profile, or with None the one on disk, read anew; plans made stay."""
    global _profile
    _profile = profile
