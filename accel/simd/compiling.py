"""Compile once, and remember: the `jit` that every compiled kernel uses."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import pickle
import sys
from pathlib import Path

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

#: Turns that a thread of a parallel kernel spins before it sleeps: some ten microseconds.
SPINS = 1000


def jit(function=None, /, *, signatures=(), **options):
    """Compile a function with Numba, and keep the machine code on disk where possible.

    As ``numba.njit(cache=True)``, with two differences. It turns nobody away: where
    there is no folder to keep code in (a read-only installation without a home, a full
    disk) Numba raises, at import; here each process compiles anew and `cache_problem`
    says why. And it notices more: Numba discards cached code when the *function's* file
    changes, although code from other files is part of it; here a change of `accel.simd`
    counts, and of any file of the package that the function's file is in, such as
    ``accel.kernels`` for all kernels.

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
    if options.get("parallel"):
        spin_briefly()
    dispatcher = numba.njit(**options)(function)
    try:
        dispatcher._cache = _Cache(function)  # all that njit(cache=True) does, with our class
    except RuntimeError as error:  # "no locator available"
        _problems.append(str(error))
    for arguments in signatures:
        dispatcher.compile(arguments)
    dispatcher.disable_compile(bool(signatures))
    return dispatcher


@functools.cache
def spin_briefly() -> None:
    """Have the threads of parallel kernels spin for microseconds after a call, not milliseconds.

    Numba's usual threads are those of GNU's OpenMP. Who waits there spins first, by default for
    some milliseconds: whoever called waits so for threads that have yet to wake. Where the
    system wakes them on the very core that spins, as a virtual machine of two cores did
    here, they get it only when the spinning ends: each call after a pause then took 7.5 ms, and
    with fewer turns 0.4 ms. Calls that follow each other closely were as fast as before.

    The library reads the number of turns when it is loaded. So it is loaded here, with a number
    that no other one sees. A user's own setting is left alone.

    Source
    ------
    GNU libgomp manual, sections "GOMP_SPINCOUNT" and "OMP_WAIT_POLICY".
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        return
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return  # Numba has other threads here, or none
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def cache_problem() -> str | None:
    """Return why compiled code is not kept on disk, or None if it is."""
    return _problems[-1] if _problems else None


_problems: list[str] = []

# What reading or writing a cache file may raise: no access, no space, a damaged file.
_FAILURES = (
    OSError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    pickle.UnpicklingError,
)


@functools.cache
def _digest(package: str) -> str:
    """Return a digest of the files that code of a package may be compiled from."""
    folders = {Path(__file__).parent, *map(Path, getattr(sys.modules.get(package), "__path__", ()))}
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


class _CacheFiles(CompileResultCacheImpl):
    """Cache files whose names carry a digest of the sources.

    In the name, not inside: an index is unpickled as a whole, and one written by
    another version of this package may hold types that no longer exist.
    """

    def __init__(self, function):
        # The second level, so that families of kernels, which share code, go together.
        self._digest = _digest(".".join(function.__module__.split(".")[:2]))
        super().__init__(function)

    def get_filename_base(self, fullname, abiflags):
        return f"{super().get_filename_base(fullname, abiflags)}-{self._digest}"


class _Cache(FunctionCache):
    """Numba's cache, with these files, whose failures cost only time."""

    _impl_class = _CacheFiles

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except _FAILURES as error:
            _problems.append(f"{self.cache_path}: {type(error).__name__}: {error}")
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except _FAILURES as error:
            _problems.append(f"{self.cache_path}: {type(error).__name__}: {error}")
