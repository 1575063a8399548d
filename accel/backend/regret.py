"""What choosing costs: the time of the backend that was chosen over that of the fastest.

Whoever chooses before a call can be wrong. Regret says by how much: 1 where the fastest was
chosen, 1.2 where another one would have taken a sixth less time. It is measured at sizes that
no calibration has seen, and at shapes that suit nobody::

    rows = regret("matmul", "float32", unseen("matmul", "float32"))
    summary(rows).geometric_mean

All backends of a call are timed in turns in one process, as a calibration does, so the least
of several times that differ only by chance counts as the best: regret is rather too large
than too small. What else a machine does only adds to a time. So where regret is large, all
backends are timed again, and of each the least time counts: a choice that was bad stays so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accel.backend import calibrate, dispatch, known, race
from accel.backend.base import Call
from accel.kernels import registry

#: Who could have been called without choosing.
FIXED = ("numba", "numba-threads", "numpy")

#: Calls shorter than this are left out of the worst case, in ns: a plain Python call before
#: and after them differs by as much.
SHORT_NS = 10_000

#: Regret above which a call is timed again, and how often.
DOUBTFUL, AGAIN = 1.2, 2

#: Working sets in bytes between which sizes are taken, and how many there are.
LEAST_BYTES, MOST_BYTES, SIZES = 700, 3 * 2**24, 44

#: FLOPs above which a size is left out: seconds of one core.
MOST_FLOPS = 6e9


@dataclass(frozen=True)
class Row:
    """A call: what each backend took, and who was chosen.

    Parameters
    ----------
    operation, dtype : str
    parameters : mapping
        Of `Operation.inputs`, without the element type.
    work : float
        Amount of work by `Operation.work`.
    ns : mapping
        Backend to the time of a call, in ns; see `accel.backend.race`.
    chosen : str
        The backend that ``accel.use("auto")`` takes.
    """

    operation: str
    dtype: str
    parameters: Mapping[str, Any]
    work: float
    ns: Mapping[str, float]
    chosen: str

    @property
    def best(self) -> str:
        """The fastest backend."""
        return min(self.ns, key=self.ns.__getitem__)

    @property
    def regret(self) -> float:
        """Time of the chosen backend over that of the fastest, at least 1."""
        return self.ns[self.chosen] / self.ns[self.best]

    @property
    def beside_numpy(self) -> float:
        """Time of the chosen backend over NumPy's; NaN where NumPy does not compute this."""
        return self.ns[self.chosen] / self.ns.get("numpy", math.nan)


@dataclass(frozen=True)
class Summary:
    """What several rows say together.

    Parameters
    ----------
    geometric_mean : float
        Of the regret of all calls.
    worst : float
        Largest regret of calls that take at least `SHORT_NS`; 1 if there are none.
    beside_numpy : float
        Largest time over NumPy's, of all calls; NaN if NumPy computes none.
    """

    geometric_mean: float
    worst: float
    beside_numpy: float


def regret(
    operation: str,
    dtype: str,
    sizes: Sequence[Mapping[str, Any]] | None = None,
    *,
    backends: Sequence[str] = FIXED,
    timed: Callable[..., race.Result] = race.run,
    told: Callable[[int], None] = lambda done: None,
) -> list[Row]:
    """Time calls of an operation by each backend, and say who would have been chosen.

    Parameters
    ----------
    operation, dtype : str
    sizes : sequence of mapping, optional
        Parameters of `Operation.inputs`, without the element type; `unseen` by default.
    backends : sequence of str
        Those that are compared. One that is not available, or would not take a call, is left
        out there.
    timed : callable, optional
        As `accel.backend.race.run`, which it is by default.
    told : callable, optional
        ``told(done)`` after each size.

    Returns
    -------
    list of Row
        In the order of `sizes`. A call for which the choice fell on a backend that is not
        among those compared is left out, and so is one without work.

    Raises
    ------
    KeyError
        If there is no such operation.
    ValueError
        If there are no sizes, or the operation says none.
    """
    op = registry.operation(operation)
    sizes = unseen(operation, dtype) if sizes is None else sizes
    if not sizes:
        raise ValueError(f"regret of {operation} needs sizes, got none")
    rows = []
    for done, parameters in enumerate(sizes, 1):
        call = Call(operation, dtype, op.inputs(**{**parameters, "dtype": dtype}))
        chosen = dispatch.choose(dispatch.Policy("auto"), call).backend
        runners = race.runners([known.backend(each) for each in backends], call)
        work = float(op.work(*call.arguments))
        if work > 0 and chosen in runners:
            ns = _timed_until_plain(runners, call, chosen, timed)
            if chosen in ns:
                rows.append(Row(operation, dtype, dict(parameters), work, ns, chosen))
        told(done)
    return rows


def _timed_until_plain(
    runners: Mapping[str, Callable[..., None]], call: Call, chosen: str, timed: Callable
) -> dict[str, float]:
    """Return the time of each backend, the least of several if the first ones look bad."""
    least = dict(timed(runners, call.arguments).ns)
    for _ in range(AGAIN):
        if chosen not in least or least[chosen] <= DOUBTFUL * min(least.values()):
            break
        for name, ns in timed(runners, call.arguments).ns.items():
            least[name] = min(ns, least.get(name, ns))
    return least


def unseen(operation: str, dtype: str = "float32") -> list[dict[str, Any]]:
    """Return sizes of an operation that no calibration measures, about forty.

    Working sets between those of a calibration, then the awkward shapes of the operation and
    its edges: thin, flat, ragged.

    Raises
    ------
    ValueError
        If the operation does not say its sizes.
    """
    op = registry.operation(operation)
    if op.sizes is None:
        raise ValueError(f"{operation} does not say which sizes it has: give them")
    ratio = (MOST_BYTES / LEAST_BYTES) ** (1 / (SIZES - 1))
    regular = [op.sizes(int(LEAST_BYTES * ratio**step)) for step in range(SIZES)]
    seen = [op.sizes(size) for size in calibrate.WORKING_SETS]
    found: list[dict[str, Any]] = []
    for parameters in [*regular, *op.awkward, *op.edges]:
        plain = {key: value for key, value in parameters.items() if key != "dtype"}
        if plain in (*seen, *found) or op.compulsory_bytes(**plain, dtype=dtype) == 0:
            continue
        if op.flops(**plain) <= MOST_FLOPS:
            found.append(plain)
    return found


def summary(rows: Iterable[Row]) -> Summary:
    """Return what rows say together.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("a summary of regret needs rows, got none")
    long = [row.regret for row in rows if row.ns[row.best] >= SHORT_NS]
    beside = [row.beside_numpy for row in rows if not math.isnan(row.beside_numpy)]
    return Summary(
        geometric_mean=math.exp(math.fsum(math.log(row.regret) for row in rows) / len(rows)),
        worst=max(long, default=1.0),
        beside_numpy=max(beside, default=math.nan),
    )
