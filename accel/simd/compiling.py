"""Compile once, and remember: the `jit` that every compiled kernel uses."""

from __future__ import annotations

import functools

from accel.simd.keeping import kept
from accel.simd.workers import apart, spin_briefly


def jit(function=None, /, *, signatures=(), **options):
    """Compile a function with Numba, and keep the machine code on disk where possible.

    As ``numba.njit(cache=True)``, with three differences. It turns nobody away: where
    there is no folder to keep code in (a read-only installation without a home, a full
    disk) Numba raises, at import; here each process compiles anew and `cache_problem`
    says why. And it notices more: Numba discards cached code when the *function's* file
    changes, although code from other files is part of it; here a change of `accel.simd`
    counts, and of any file of the package that the function's file is in, such as
    ``accel.kernels`` for all kernels. And the threads of a parallel kernel wait as long, and
    where, it does them good: see `accel.simd.workers`.

    Parameters
    ----------
    function : callable
        What to compile. Left out where there are options: ``@jit(fastmath=...)``.
    signatures : sequence of tuple of numba types, optional
        Compile for these argument types at once and for no others ever. Arguments of
        other types are converted where that is safe, so that a signature of arrays "in
        any layout" serves all layouts with one compilation. By default compile for
        each new combination of argument types, when it is first called.
    **options
        For `numba.njit`.

    Returns
    -------
    dispatcher : callable
    """
    if function is None:
        return functools.partial(jit, signatures=signatures, **options)
    if not options.get("parallel"):
        return kept(function, signatures, **options)
    spin_briefly()
    return apart(kept(function, signatures, **options))
