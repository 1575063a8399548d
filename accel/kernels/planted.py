"""Kernels with a planted effect, to test a measurement with.

A thermometer is checked in melting ice. A measurement of speed is checked with
two functions that are equal by construction on a machine that slows down, and
with one that is slower by a known share.
"""

from __future__ import annotations

from time import perf_counter

from accel.kernels.activation import saxpy_numpy
from accel.kernels.registry import register

#: How much slower the machine becomes in each second, as a share of its first speed.
DRIFT_PER_SECOND = 2.0

#: How much longer `saxpy_slower` takes than what it imitates, as a share.
PLANTED_SHARE = 0.05

_began: float | None = None


def _stretched(share: float, alpha, x, y, out) -> None:
    """Compute saxpy, then keep the core busy for `share` of the time that took."""
    start = perf_counter()
    saxpy_numpy(alpha, x, y, out)
    now = perf_counter()
    end = now + share * (now - start)
    while now < end:
        now = perf_counter()


def saxpy_on_slowing_machine(alpha, x, y, out):
    """Compute ``out = alpha x + y`` on a machine that becomes slower all the time.

    Whoever calls it later gets a slower machine: the share of time that is lost
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
    now = perf_counter()
    if _began is None:
        _began = now
    _stretched(DRIFT_PER_SECOND * (now - _began), alpha, x, y, out)


@register(
    "saxpy",
    name="planted",
    instrument="NumPy",
    story="the same, and one twentieth of its time spent waiting",
    tags=("planted",),
)
def saxpy_slower(alpha, x, y, out):
    """Compute ``out = alpha x + y``, and take longer by the share `PLANTED_SHARE`.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs, and waiting.
    """
    _stretched(PLANTED_SHARE, alpha, x, y, out)


@register(
    "saxpy",
    name="imitated",
    instrument="NumPy",
    story="the same, and no time spent waiting",
    tags=("planted",),
)
def saxpy_imitated(alpha, x, y, out):
    """Compute ``out = alpha x + y`` as `saxpy_slower` does, clock and all, but wait for nothing.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``2 n`` FLOPs.
    """
    _stretched(0.0, alpha, x, y, out)


#: Two names for one function: any difference between them is the measurement's own.
for _name in ("first", "second"):
    register(
        "saxpy",
        name=_name,
        instrument="NumPy",
        story="the same function under another name, on a machine that slows down",
        tags=("planted",),
    )(saxpy_on_slowing_machine)
