"""What `accel bench` measures: operations, sizes and rivals, all from the registry.

An operation takes part if it says which parameters fill so many bytes (`Operation.sizes`)
and has a kernel that is tagged as the one to call. The rest is named with the reason. Sizes
are half of the first two caches of this machine, a part of the last that no neighbour
evicts, and twice as much as all of them hold; then come the shapes that suit nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accel.kernels import best, case, operation
from accel.kernels.registry import FAMILIES, Kernel
from accel.timing import machine
from accel.timing.plan import PROFILES, Case, Plan

#: Name of our kernel in a record.
OURS = "accel"

#: Caches where the system does not state them, in bytes.
UNKNOWN = {1: 32 * 2**10, 2: 2**20, 3: 32 * 2**20}

#: Most FLOPs of a case: a call is then up to 200 ms of one core. That lets a product of
#: matrices of 2048 through.
MOST_FLOPS = {"quick": 6e8, "standard": 1.8e10, "publish": 1.8e10}

#: In a draft, products of matrices of 1024 all the same: a goal begins there.
MOST_FLOPS_OF = {("matmul", "quick"): 2.6e9}

#: Awkward shapes that are measured; all that there are, but in a draft.
MOST_AWKWARD = {"quick": 1}

#: Time per operation under the quick profile, in s; the others multiply it. Half of it goes
#: into loading five libraries in six processes.
BUDGET_S = 24.0

#: Element types that are measured unless some are asked for, where they are not float32.
MORE_DTYPES = {"matmul": ("float64",)}

#: Operations that are measured on all cores too, unless a number of threads is asked for.
ON_ALL_CORES = ("matmul",)


@dataclass(frozen=True)
class Task:
    """One experiment: an operation, an element type, a number of threads."""

    operation: str
    dtype: str
    threads: int

    @property
    def experiment(self) -> str:
        """Name of its record: ``bench.relu_float32``."""
        many = f"_threads_{self.threads}" if self.threads > 1 else ""
        return f"bench.{self.operation}_{self.dtype}{many}"


@dataclass(frozen=True)
class Shape:
    """Parameters of one case, and why it is measured: a place in memory, or awkward."""

    parameters: Mapping[str, Any]
    awkward: bool


class RequestError(ValueError):
    """What was asked for cannot be measured; the message says why and what can."""


def cores() -> int:
    """Return how many threads may be asked for."""
    return machine.describe()["logical_cores"] or 1


def tasks(
    names: Sequence[str] = (), dtypes: Sequence[str] = (), threads: int | None = None
) -> list[Task]:
    """Return what to measure, in the registry's order.

    Parameters
    ----------
    names : sequence of str
        Operations; all by default.
    dtypes : sequence of str
        Element types; by default float32, and for products of matrices float64.
    threads : int, optional
        By default one, and for products of matrices all cores as well.

    Raises
    ------
    RequestError
        If an operation or element type is unknown, or the threads are not those of a core
        each.
    """
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise RequestError(
            f"no operation {', '.join(unknown)}; there are {', '.join(sorted(FAMILIES))}"
        )
    if threads is not None and not 1 <= threads <= cores():
        raise RequestError(
            f"--threads must be 1 to {cores()}, as many as there are cores, not {threads}"
        )
    for dtype in dtypes:
        _check_dtype(dtype)
    found = []
    for name in dict.fromkeys(names) if names else FAMILIES:
        for dtype in dict.fromkeys(dtypes) if dtypes else ("float32", *MORE_DTYPES.get(name, ())):
            counts = [threads] if threads else [1]
            if threads is None and name in ON_ALL_CORES and cores() > 1:
                counts.append(cores())
            found += [Task(name, dtype, count) for count in counts]
    return found


def _check_dtype(dtype: str) -> None:
    known = ("float32", "float64", "int64")
    if dtype not in known:
        raise RequestError(f"no element type {dtype}; choose one of {', '.join(known)}")


def reason_to_skip(task: Task) -> str | None:
    """Return why an operation is not measured, or None if it is."""
    if operation(task.operation).sizes is None:
        return "it does not say which sizes to measure"
    try:
        best(task.operation, task.dtype, task.threads)
    except KeyError:
        return f"no kernel for {task.dtype} is tagged as the one to call"
    return None


def chosen(task: Task) -> Kernel:
    """Return the kernel that is measured."""
    return best(task.operation, task.dtype, task.threads)


def cache_bytes(facts: Mapping[str, Any]) -> dict[int, int]:
    """Return the size of each data cache by its level, as one core sees it."""
    stated = {
        cache["level"]: cache["size_bytes"]
        for cache in facts["caches"] or []
        if cache["type"] != "instruction" and cache["size_bytes"] and cache["level"]
    }
    return dict(sorted((stated or UNKNOWN).items()))


def working_sets(facts: Mapping[str, Any]) -> list[int]:
    """Return the sizes to measure at, in bytes, smallest first.

    Half of each cache; of the last one no more than three times the one before it, for a
    virtual machine has only its share of what is stated; and twice the last for memory.
    """
    sizes = list(cache_bytes(facts).values())
    halves = [size // 2 for size in sizes]
    if len(sizes) > 1:
        halves[-1] = min(halves[-1], 3 * sizes[-2])
    return [*halves, min(2 * sizes[-1], (facts["memory_bytes"] or 2**32) // 16)]


def place_of(working_set_bytes: int, facts: Mapping[str, Any]) -> str:
    """Return which memory holds so many bytes: "L1", "L2", "L3" or "memory"."""
    for level, size in cache_bytes(facts).items():
        if working_set_bytes <= size:
            return f"L{level}"
    return "memory"


def shapes(task: Task, profile: str, facts: Mapping[str, Any]) -> list[Shape]:
    """Return the cases of an operation: a size for each place in memory, then awkward ones.

    An operation with much arithmetic per byte stops at `MOST_FLOPS`, wherever that is.
    """
    op, most = operation(task.operation), most_flops(task.operation, profile)
    found: list[Shape] = []

    def add(parameters: Mapping[str, Any], awkward: bool) -> None:
        shape = Shape({**parameters, "dtype": task.dtype}, awkward)
        if shape.parameters not in [other.parameters for other in found]:
            found.append(shape)

    for size in working_sets(facts):
        add(affordable(op, size, most), awkward=False)
    for parameters in op.awkward[: MOST_AWKWARD.get(profile)]:
        if op.flops(**parameters) <= most:
            add(parameters, awkward=True)
    return found


def most_flops(name: str, profile: str) -> float:
    """Return the most FLOPs of a case of an operation."""
    return MOST_FLOPS_OF.get((name, profile), MOST_FLOPS[profile])


def affordable(op, size: int, most: float) -> Mapping[str, Any]:
    """Return the parameters for a working set, smaller where the FLOPs are too many."""
    parameters = op.sizes(size)
    while op.flops(**parameters) > most and size > 4096:
        size = int(size / 1.1)
        parameters = op.sizes(size)
    return parameters


def plan(
    task: Task,
    profile: str,
    cards: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan of one experiment.

    Parameters
    ----------
    task : Task
    profile : str
    cards : sequence of mapping
        The libraries that compete; see `accel.bench.peers.card.of`.
    facts : mapping, optional
        Answer of `machine.describe`; that of this machine by default.
    """
    facts = facts or machine.describe()
    settings = PROFILES[profile]
    rivals = {
        card["name"]: rival(card, task.operation)
        for card in cards
        if task.operation in card["operations"]
    }
    return Plan(
        experiment=task.experiment,
        question=f"How fast is {task.operation}, beside what one would call otherwise?",
        script="accel bench",
        profile=profile,
        protocol=replace(settings.protocol, threads=task.threads),
        cases=tuple(case_of(task, shape, rivals) for shape in shapes(task, profile, facts)),
        budget_s=BUDGET_S * settings.budget_factor,
        machine=facts,
    )


def case_of(task: Task, shape: Shape, rivals: Mapping[str, Mapping]) -> Case:
    """Return one case: our kernel as the baseline, and the rivals beside it."""
    kernel = chosen(task)
    described = case(task.operation, [kernel.name], **shape.parameters)
    ours = {**described.pop("kernels")[kernel.name], "story": f"{kernel.name}: {kernel.story}"}
    mutates = tuple(described.pop("mutates"))
    return Case(kernels={OURS: ours, **rivals}, baseline=OURS, mutates=mutates, **described)


def rival(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a library as a competitor; its version in the story makes a record stale."""
    story = f"{card['name']} {card['version']}"
    return {**card["operations"][name], "instrument": card["name"], "story": story}


