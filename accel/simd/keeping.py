"""Compiled code that is kept on disk: Numba's cache, which here turns nobody away.

`accel.simd.compiling.jit` says in which ways it differs.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache


def kept(function: Callable, signatures=(), **options) -> Callable:
    """Compile a function as ``numba.njit(**options)`` does, and keep the machine code.

    With `signatures`, for these argument types at once, and for no others ever.
    """
    dispatcher = numba.njit(**options)(function)
    try:
        dispatcher._cache = _Cache(function)  # all that njit(cache=True) does, with our class
    except RuntimeError as error:  # "no locator available"
        _problems.append(str(error))
    for arguments in signatures:
        dispatcher.compile(arguments)
    dispatcher.disable_compile(bool(signatures))
    return dispatcher


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
