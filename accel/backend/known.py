"""All backends by name: those of this library, and those that other packages bring."""

from __future__ import annotations

import functools
import threading
import warnings
from importlib.metadata import EntryPoint, entry_points

from accel.backend.base import BackendError, ComputeBackend
from accel.backend.cuda_backend import CudaBackend
from accel.backend.dask import DaskBackend
from accel.backend.ladder_backends import (
    NumbaBackend,
    NumbaThreadsBackend,
    NumpyBackend,
    PythonBackend,
)

#: Entry-point group by which packages offer a backend.
GROUP = "accel.backends"

_OURS: dict[str, type[ComputeBackend]] = {
    each.name: each
    for each in (
        PythonBackend,
        NumpyBackend,
        NumbaBackend,
        NumbaThreadsBackend,
        CudaBackend,
        DaskBackend,
    )
}

#: What importing and making a backend of another package may raise.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class BackendWarning(UserWarning):
    """A backend of another package cannot be used; the message says why."""


def names() -> list[str]:
    """Return the names of all backends, whether they are available here or not."""
    return list(_known())


def backend(name: str) -> ComputeBackend:
    """Return a backend; there is one object of each.

    Raises
    ------
    BackendError
        If there is none of this name; the message lists those there are.
    """
    try:
        return _known()[name]
    except (KeyError, TypeError):  # TypeError: the name is no string, and cannot be looked up
        raise BackendError(
            f"no backend {name!r}; there are auto, {', '.join(names())}{_nearest(name)}"
        ) from None


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(name).lower(), ["auto", *names()], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


_making = threading.RLock()  # a backend may ask for another while it is made


def _known() -> dict[str, ComputeBackend]:
    with _making:  # two threads that ask at once get the same objects
        return _all()


@functools.cache
def _all() -> dict[str, ComputeBackend]:
    found: dict[str, ComputeBackend] = {name: kind() for name, kind in _OURS.items()}
    for entry in entry_points(group=GROUP):
        if entry.name in found or entry.name == "auto":
            _leave_out(entry, "has a name that is taken already")
            continue
        try:
            made = entry.load()()
        except _BROKEN as error:
            _leave_out(entry, f"cannot be loaded ({type(error).__name__}: {error})")
            continue
        if not isinstance(made, ComputeBackend):
            _leave_out(entry, f"is no ComputeBackend but {type(made).__name__}")
        elif getattr(made, "name", None) != entry.name:
            _leave_out(entry, f"calls itself {getattr(made, 'name', None)!r}")
        else:
            found[entry.name] = made
    return found


def _leave_out(entry: EntryPoint, reason: str) -> None:
    warnings.warn(
        f"the backend {entry.name!r} ({entry.value}) {reason}; it is left out",
        BackendWarning,
        stacklevel=5,
    )
