"""Measure how long calls take here, for `dispatch` to choose by.

For each operation and element type, at amounts of work from a call's own cost to what no cache
holds, all backends that compete take turns; see `accel.backend.race`. Operations that differ
by the layout of memory are operations of their own in the registry (``conv2d``,
``conv2d_nhwc``, ``conv2d_nchwc``), and so are measured apart; one core and all cores are two
backends.

The time it takes follows from `STEP_S`. What first calls take beyond it, which compile or load
kernels, is said and not counted: a kernel is compiled once and then kept on disk.

The profile is kept after each step, so a calibration that is interrupted goes on where it
stood. Only one runs at a time: two would measure each other.

Others on the machine, or on the machine beneath a virtual one, can hold a core for seconds:
then all cores look no faster than one, for all sizes of a step. So when all is done, the sizes
of long calls at which the fastest is not far ahead are timed a second time, a minute or two
after the first, and the least times count.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from accel import kernels
from accel.backend import dispatch, known, race
from accel.backend import profile as profiles
from accel.backend.base import Call, ComputeBackend
from accel.backend.choosing import MARGIN, PREFERENCE
from accel.backend.profile import Curve, Profile, Source
from accel.kernels import registry
from accel.timing import locks, sample
from accel.timing.clock import Clock, perf_counter_ns

#: Time of a step, in s, without first calls. All steps together must take less than three
#: minutes; there are about a hundred.
STEP_S = 1.1

#: Bytes in use at which calls are timed, smallest first: from less than the cost of a call to
#: twice the last cache of most processors. No powers of two: there, arrays lie so that their
#: lines compete for the same places in the caches, and few calls are of such sizes.
WORKING_SETS = (
    72, 280, 1130, 2270, 9080, 36_300, 72_600, 290_000, 580_000, 1_160_000, 2_320_000, 4_640_000,
    9_280_000, 23_300_000, 70_000_000,
)  # fmt: skip

#: A call that takes longer ends the series, in ns: that of larger ones follows from it.
LONGEST_NS = 15_000_000

#: What of a step's time is left for rounds, per size: the rest goes into making inputs, and
#: finding out how many calls make a sample.
EFFORT = race.Effort(rounds=4, budget_ns=int(0.6 * STEP_S * 1e9 / len(WORKING_SETS)))

#: A backend that takes this many times as long as the fastest, at two sizes in a row and for
#: calls of at least so many ns, is not asked about larger ones. What is predicted for them grows
#: in proportion, which for arrays that no cache holds any more is too little by a factor of
#: three: so the factor must be larger than that.
BEATEN, BEATEN_NS = 8.0, 20_000

#: Of calls of at least so many ns, those whose fastest backend is less than so many times as
#: fast as the next one are timed a second time, if that takes no more than so many ns.
DOUBTFUL_NS, FAR_AHEAD, TOO_LONG_NS = 30_000, 1.25, 5_000_000

#: First calls of a step that took longer than this are mentioned, in ns.
NOTEWORTHY_NS = 1_000_000_000


class CalibrationError(RuntimeError):
    """A calibration cannot run; the message says why, and what to do."""


@dataclass(frozen=True)
class Step:
    """A part of a calibration: an operation and an element type."""

    operation: str
    dtype: str

    @property
    def key(self) -> tuple[str, str]:
        """Where a `Profile` has its curves."""
        return self.operation, self.dtype

    def __str__(self) -> str:
        return f"{self.operation}, {self.dtype}"


@dataclass(frozen=True)
class Outcome:
    """What came of a step.

    Parameters
    ----------
    curves : dict
        Backend to its `Curve`.
    elapsed_ns, first_ns : int
        Time the step took, and the part of it that first calls took.
    failures : dict
        Backend to what it failed with.
    sizes : dict
        Amount of work to the working set that it is of, of `WORKING_SETS`.
    """

    curves: dict[str, Curve]
    elapsed_ns: int
    first_ns: int
    failures: dict[str, str]
    sizes: dict[float, int] = field(default_factory=dict)


def calibrated_operations() -> list[str]:
    """Return the operations that can be calibrated: those that say their sizes and are called."""
    return [
        name
        for name in registry.FAMILIES
        if registry.operation(name).sizes is not None and registry.ladder(name, tag="best")
    ]


def dtypes_of(operation: str) -> list[str]:
    """Return the element types for which an operation has a kernel to call."""
    return list(
        dict.fromkeys(
            dtype for step in registry.ladder(operation, tag="best") for dtype in step.dtypes
        )
    )


def steps(operations: Sequence[str] = (), dtypes: Sequence[str] = ()) -> list[Step]:
    """Return what is to be calibrated: all there is by default, float32 first.

    Raises
    ------
    CalibrationError
        If an operation or element type is unknown, or none of both is left.
    """
    known_operations = calibrated_operations()
    unknown = [name for name in operations if name not in known_operations]
    if unknown:
        raise CalibrationError(
            f"no operation {', '.join(unknown)} to calibrate; there are "
            f"{', '.join(sorted(known_operations))}"
        )
    wanted = list(dict.fromkeys(operations)) or known_operations
    found = [Step(name, dtype) for name in wanted for dtype in dtypes_of(name)]
    there_are = list(dict.fromkeys(step.dtype for step in found))
    foreign = [dtype for dtype in dtypes if dtype not in there_are]
    if foreign:
        raise CalibrationError(
            f"no element type {', '.join(foreign)} to calibrate; of these operations there are "
            f"{', '.join(there_are)}"
        )
    kept = [step for step in found if not dtypes or step.dtype in dtypes]
    return sorted(kept, key=lambda step: there_are.index(step.dtype))


def members() -> list[ComputeBackend]:
    """Return the backends that are compared: those that compete, and are here.

    NumPy is the last: the threads of its products spin for a tenth of a second, and whoever
    has the next turn waits for that.
    """
    everyone = [known.backend(name) for name in known.names()]
    here = [each for each in everyone if each.competes and each.available() is None]
    return sorted(here, key=lambda each: each.name == "numpy")


@functools.cache
def kernels_digest() -> str:
    """Return a digest of the source of all kernels: other ones take other times."""
    room = Path(kernels.__file__).parent
    folders = [room, room.with_name("simd")]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def missing(step: Step, profile: Profile) -> bool:
    """Tell whether a profile lacks a step, or has it of other code or fewer backends."""
    source = profile.sources.get(step.key)
    if source is None or source.code != kernels_digest():
        return True
    return not {each.name for each in members()} <= source.backends


def begun(wanted: Sequence[Step], anew: bool = False) -> Profile:
    """Return the profile that a calibration goes on with, which is then on disk.

    Measured anew means that what is there counts as outdated. Until its turn comes, it is
    used nevertheless.

    Raises
    ------
    ProfileError
        If it cannot be kept.
    """
    found = profiles.load()
    if found is None:
        if profiles.path().exists():  # it serves another machine, or another version
            profiles.set_aside(profiles.path())
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        found = Profile(profiles.here(), now, {}, machine=profiles.words_for_here())
    if anew:
        keys = {step.key for step in wanted}
        outdated = {
            key: replace(source, code="") if key in keys else source
            for key, source in found.sources.items()
        }
        found = replace(found, sources=outdated)
    where = profiles.save(found)
    return replace(found, origin=str(where))


def calibrate(
    wanted: Sequence[Step],
    profile: Profile,
    *,
    begins: Callable[[Step, int], None] = lambda step, done: None,
    ended: Callable[[Step, Outcome], None] = lambda step, outcome: None,
    again: Callable[[Step, int], None] = lambda step, done: None,
    clock: Clock = perf_counter_ns,
) -> Profile:
    """Calibrate step by step, keep the profile after each, and choose by it from now on.

    Parameters
    ----------
    wanted : sequence of Step
        Those that the profile does not lack are left out.
    profile : Profile
        As `begun` returned it.
    begins, ended : callable
        ``begins(step, done)`` before each step, and ``ended(step, outcome)`` after it.
    again : callable
        ``again(step, done)`` before the doubtful sizes of a step are timed again.
    clock : callable
        Time in ns.

    Returns
    -------
    Profile

    Raises
    ------
    CalibrationError
        If no backend can run an operation.
    ProfileError
        If the profile cannot be kept; what was kept until then stays.
    accel.timing.rest.RestlessThreads
        If threads of this process keep a core busy.
    """
    runners = members()
    asked = frozenset(each.name for each in runners)
    lacking = [step for step in wanted if missing(step, profile)]
    sizes: dict[Step, dict[float, int]] = {}
    try:
        for done, step in enumerate(lacking):
            begins(step, done)
            outcome = measured(step, runners, clock=clock)
            profile = profile.having(step.key, outcome.curves, Source(kernels_digest(), asked))
            profiles.save(profile)
            sizes[step] = outcome.sizes
            ended(step, outcome)
        for done, step in enumerate(lacking):
            first = profile.curves[step.key]
            works = doubtful(first)
            doubted = [size for work, size in sizes[step].items() if work in works]
            if doubted:
                again(step, done)
                outcome = measured(step, runners, sizes=doubted, clock=clock)
                curves = {name: _least(curve, outcome.curves.get(name))
                          for name, curve in first.items()}  # fmt: skip
                profile = profile.having(step.key, curves, profile.sources[step.key])
                profiles.save(profile)
    finally:
        dispatch.adopt()
    return profile


def doubtful(curves: Mapping[str, Curve]) -> frozenset[float]:
    """Return the amounts of work of long calls at which the fastest is not far ahead."""
    found = set()
    for work in {work for curve in curves.values() for work in curve.work}:
        times = sorted(
            curve.ns[curve.work.index(work)] for curve in curves.values() if work in curve.work
        )
        long = DOUBTFUL_NS <= times[0] <= TOO_LONG_NS
        if long and len(times) > 1 and times[1] < FAR_AHEAD * times[0]:
            found.add(work)
    return frozenset(found)


def _least(curve: Curve, other: Curve | None) -> Curve:
    """Return a curve with the least of the times of both."""
    times = dict(zip(other.work, other.ns, strict=True)) if other else {}
    return Curve(
        curve.work,
        tuple(min(ns, times.get(work, ns)) for work, ns in zip(curve.work, curve.ns, strict=True)),
    )


def measured(
    step: Step,
    runners: Sequence[ComputeBackend],
    *,
    sizes: Sequence[int] | None = None,
    effort: race.Effort = EFFORT,
    timed: Callable[..., race.Result] = race.run,
    clock: Clock = perf_counter_ns,
) -> Outcome:
    """Return the curve of each backend that can run an operation.

    Parameters
    ----------
    step : Step
    runners : sequence of ComputeBackend
    sizes : sequence of int, optional
        Working sets in bytes, rising; `WORKING_SETS` by default.
    effort, timed, clock : optional
        As for `accel.backend.race.run`, which `timed` is by default.

    Raises
    ------
    CalibrationError
        If none can.
    """
    op, began = registry.operation(step.operation), clock()
    points: dict[str, dict[float, float]] = {}
    size_of: dict[float, int] = {}
    first_ns, failures, largest, behind = 0, {}, 0.0, Counter()
    with sample.garbage_collector_off():
        for size in WORKING_SETS if sizes is None else sizes:
            arguments = op.inputs(**{**op.sizes(size), "dtype": step.dtype})
            call = Call(step.operation, step.dtype, arguments)
            work = float(op.work(*arguments))
            if work <= largest:
                continue  # the operation has no size between the one before and this
            largest = work
            size_of[work] = size
            running = [
                each for each in runners if each.name not in failures and behind[each.name] < 2
            ]
            found = timed(
                race.runners(running, call), arguments, effort=effort, failures=dispatch.failures()
            )
            first_ns += sum(found.first_ns.values())
            failures |= found.failures
            for name, ns in found.ns.items():
                points.setdefault(name, {})[work] = ns
            fastest = min(found.ns.values(), default=0)
            if not LONGEST_NS >= fastest > 0:
                break
            for name, ns in found.ns.items():
                late = fastest >= BEATEN_NS and ns > BEATEN * fastest
                behind[name] = behind[name] + 1 if late else 0
    curves = {
        name: Curve(tuple(each), tuple(each.values()))
        for name, each in points.items()
        if name not in failures
    }
    if not curves:
        why = "; ".join(f"{name}: {error}" for name, error in failures.items())
        raise CalibrationError(f"no backend can run {step} ({why or 'none takes such calls'})")
    return Outcome(curves, clock() - began, first_ns, failures, size_of)


def crossovers(curves: Mapping[str, Curve], per_decade: int = 20) -> list[tuple[float, str]]:
    """Return who would be chosen from which amount of work on.

    Returns
    -------
    list of (float, str)
        Work, and the backend that is chosen from there; rising, the first at the smallest work
        of any curve.
    """
    least = min(curve.work[0] for curve in curves.values())
    most = max(curve.work[-1] for curve in curves.values())
    points: list[tuple[float, str]] = []
    work = least
    while work <= most:
        chosen = _chosen({name: curve.time_ns(work) for name, curve in curves.items()})
        if not points or points[-1][1] != chosen:
            points.append((work, chosen))
        work *= 10 ** (1 / per_decade)
    return points


def _chosen(ns: Mapping[str, float]) -> str:
    """Return whom `accel.backend.choosing` takes of backends with these times."""
    near = [name for name, time in ns.items() if time <= MARGIN * min(ns.values())]
    ranked = [name for name in PREFERENCE if name in near]
    return (ranked or near)[0]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let only one process calibrate at a time.

    The system gives the lock back when a process ends, however it ends. Without fcntl
    (Windows) processes are not kept apart.

    Raises
    ------
    CalibrationError
        If another process is calibrating, or the folder cannot be written.
    """
    where = folder / "calibrating"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(where, "a+", encoding="utf-8")
    except OSError as error:
        raise CalibrationError(
            f"profiles cannot be kept in {folder}: {error.strerror}; set ACCEL_CACHE to a folder "
            "that can be written"
        ) from None
    with file:
        if not locks.taken(file):
            file.seek(0)
            who = file.read().strip() or "another process"
            raise CalibrationError(
                f"{who} is calibrating already, and two would measure each other; wait until it "
                "has ended: what it measures serves here too"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
