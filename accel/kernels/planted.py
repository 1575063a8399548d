"""Kernels with a planted effect, to test a measurement with.

A thermometer is checked in melting ice. A measurement of speed is checked with
two functions that are equal by construction on a machine that slows down, and
with one that is slower by a known amount.
"""

from __future__ import annotations

from time import perf_counter

from accel.kernels.activation import saxpy_numpy
from accel.kernels.registry import register

#: How much slower the machine becomes in each second, as a share of its first speed.
DRIFT_PER_SECOND = 0.5

#: Share of the elements that `saxpy_slower` computes twice.
PLANTED_SHARE = 0.05

_began: float | None = None


def saxpy_on_slowing_machine(alpha, x, y, out):
    """Compute ``out = alpha x + y`` on a machine whose clock falls steadily.

    Whoever calls it later gets a slower machine: after the work has been done,
    the core stays busy for a share of the time the work took, and the share
    grows by `DRIFT_PER_SECOND` for every second since the first call in this
    process. Heat does that to a laptop, and a neighbour to a cloud machine, only
    without telling.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, and waiting.
    """
    global _began
    start = perf_counter()
    if _began is None:
        _began = start
    saxpy_numpy(alpha, x, y, out)
    worked = perf_counter() - start
    end = start + worked * (1 + DRIFT_PER_SECOND * (start - _began))
    while perf_counter() < end:
        continue


@register(
    "saxpy",
    name="planted",
    instrument="NumPy",
    story="computes one element in twenty twice: slower by a known amount",
    tags=("planted",),
)
def saxpy_slower(alpha, x, y, out):
    """Compute ``out = alpha x + y``, one element in twenty of it twice.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``2 n (1 + PLANTED_SHARE)`` FLOPs.
    """
    saxpy_numpy(alpha, x, y, out)
    again = round(PLANTED_SHARE * len(x))
    saxpy_numpy(alpha, x[:again], y[:again], out[:again])


#: Two names for one function: any difference between them is the measurement's own.
TWINS = ("first", "second")
for _name in TWINS:
    register(
        "saxpy",
        name=_name,
        instrument="NumPy",
        story="the same function under another name, on a machine that slows down",
        tags=("planted",),
    )(saxpy_on_slowing_machine)
