"""Kernels with a planted effect, to test a measurement with.

A thermometer is checked in melting ice. A measurement of speed is checked with
two functions that are equal by construction on a machine that slows down, and
with one that is slower by a known share.
"""

from __future__ import annotations

from itertools import repeat
from time import perf_counter

from accel.kernels.activation import saxpy_numpy, saxpy_numpy_out
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


#: How often `saxpy_whole` does its work: with 20,000 numbers, about 1 ms of it.
WHOLE = 300


def _over_and_over(times: int, alpha, x, y, out) -> None:
    for _ in repeat(None, times):
        saxpy_numpy_out(alpha, x, y, out)


@register(
    "saxpy",
    name="whole",
    instrument="NumPy",
    story="the same many times over",
    tags=("planted",),
)
def saxpy_whole(alpha, x, y, out):
    """Compute ``out = alpha x + y`` `WHOLE` times over.

    No clock is involved in the slow-down of those below: they do more of the same
    work, so any instrument must find them slower by the same share.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``600 n`` FLOPs, of which the operation is credited with ``2 n``.
    """
    _over_and_over(WHOLE, alpha, x, y, out)


@register(
    "saxpy",
    name="two_percent_more",
    instrument="NumPy",
    story="the same many times over, and 2 % more times",
    tags=("planted",),
)
def saxpy_two_percent_more(alpha, x, y, out):
    """Compute ``out = alpha x + y`` 2 % more often than `saxpy_whole`.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``612 n`` FLOPs, of which the operation is credited with ``2 n``.
    """
    _over_and_over(WHOLE * 102 // 100, alpha, x, y, out)


@register(
    "saxpy",
    name="three_percent_more",
    instrument="NumPy",
    story="the same many times over, and 3 % more times",
    tags=("planted",),
)
def saxpy_three_percent_more(alpha, x, y, out):
    """Compute ``out = alpha x + y`` 3 % more often than `saxpy_whole`.

    Parameters
    ----------
    alpha : float
    x, y, out : ndarray, shape (n,)
        `out` is overwritten.

    Cost
    ----
    ``618 n`` FLOPs, of which the operation is credited with ``2 n``.
    """
    _over_and_over(WHOLE * 103 // 100, alpha, x, y, out)


#: Two names for one function: any difference between them is the measurement's own.
for _name in ("first", "second"):
    register(
        "saxpy",
        name=_name,
        instrument="NumPy",
        story="the same function under another name, on a machine that slows down",
        tags=("planted",),
    )(saxpy_on_slowing_machine)
