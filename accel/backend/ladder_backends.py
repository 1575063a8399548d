"""Backends that take one step of each ladder: the interpreter's, NumPy's, the compiled ones.

None of them knows a single operation. The registry of `accel.kernels` says which steps there
are, who executes their inner loops, and which to call.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backend.base import BackendError, Call, ComputeBackend
from accel.kernels import registry
from accel.simd.workers import left_behind


class LadderBackend(ComputeBackend):
    """A backend that finds its kernel on the ladder of each operation."""

    def available(self) -> str | None:
        """Return None: what it needs is what this library needs."""
        return None

    def supports(self, call: Call) -> str | None:
        """Return None if there is such a step for these elements, else that there is none."""
        if self._step(call.operation, call.dtype) is None:
            return f"{call.operation} has no step in {self.name} for {call.dtype}"
        return None

    def run(self, call: Call) -> None:
        """Call the step; one that wants lists gets lists, and the answer is copied back.

        Where a step takes more or fewer arguments than the operation has, what it writes is
        found by counting from the last one, the result.
        """
        step = self._step(call.operation, call.dtype)
        if step.adapt is None:
            step.function(*call.arguments)
            return
        own = step.adapt(*call.arguments)
        step.function(*own)
        for place in call.written_at:
            mine, given = own[place - len(call.arguments)], call.arguments[place]
            if mine is not given:
                given[...] = np.asarray(mine).reshape(given.shape)

    def kernel(self, operation: str, dtype: str) -> Callable | None:
        """Return what `run` calls, or None if that is more than a call."""
        step = self._step(operation, dtype)
        return None if step is None or step.adapt else step.function

    def _step(self, operation: str, dtype: str) -> registry.Kernel | None:
        raise NotImplementedError


class PythonBackend(LadderBackend):
    """Loops over lists, as the interpreter runs them: where every ladder begins."""

    name = "python"
    competes = False

    def _step(self, operation: str, dtype: str) -> registry.Kernel | None:
        return _bottom(operation, dtype)


class NumpyBackend(LadderBackend):
    """NumPy as well as it can be called: with ``out=``, in place, through BLAS.

    It warns of no overflow or division, as the compiled kernels do not: answers are the same
    whoever computes, and so is what is said of them.
    """

    name = "numpy"

    def run(self, call: Call) -> None:
        """Call the step, in silence."""
        _silent.copy().run(super().run, call)

    def kernel(self, operation: str, dtype: str) -> Callable | None:
        """Return the step, in silence."""
        function = super().kernel(operation, dtype)
        if function is None:
            return None
        copy = _silent.copy
        return lambda *arguments: copy().run(function, *arguments)

    def _step(self, operation: str, dtype: str) -> registry.Kernel | None:
        return _numpys_best(operation, dtype)


def _silenced() -> contextvars.Context:
    """Return a context in which NumPy ignores floating-point errors.

    NumPy keeps what it does about them in a context variable. A call in a copy of a context in
    which that was set once costs less than half of ``np.errstate`` around it, which sets it
    and sets it back. A copy, as only one call at a time can run in a context.
    """
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


_silent = _silenced()


class NumbaBackend(LadderBackend):
    """The compiled kernels of this library on one core."""

    name = "numba"

    def _step(self, operation: str, dtype: str) -> registry.Kernel | None:
        return _compiled(operation, dtype, "best")


class NumbaThreadsBackend(LadderBackend):
    """The compiled kernels of this library on all cores, where they pay.

    Several threads may call it at once. Where Numba's threading layer does not allow that,
    one of them gets all cores, and the others meanwhile one each.
    """

    name = "numba-threads"

    def available(self) -> str | None:
        """Return None, or that this process has lost its threads."""
        return left_behind()

    def run(self, call: Call) -> None:
        """Call the step."""
        self.kernel(call.operation, call.dtype)(*call.arguments)

    def kernel(self, operation: str, dtype: str) -> Callable | None:
        """Return the step, or what calls it from one thread at a time."""
        function = super().kernel(operation, dtype)
        alone = _compiled(operation, dtype, "best")
        if function is None or alone is not None and function is alone.function:
            return function
        return _guarded(function, alone)

    def _step(self, operation: str, dtype: str) -> registry.Kernel | None:
        return _compiled(operation, dtype, "threads") or _compiled(operation, dtype, "best")


@functools.cache
def _guarded(threaded: Callable, alone: registry.Kernel | None) -> Callable[..., None]:
    if threads_may_meet():
        return threaded
    return _one_at_a_time(threaded, alone.function if alone else None)


def threads_may_meet() -> bool:
    """Tell whether two threads may call kernels for all cores at once.

    Numba's own layer, "workqueue", ends the process then. Which one there is is known once
    its threads have begun, so they begin here.

    Raises
    ------
    BackendError
        If Numba has no threading layer here.
    """
    import numba

    try:
        numba.get_num_threads()
    except ValueError as error:
        raise BackendError(
            f"numba-threads: Numba cannot begin its threads ({error}); unset "
            "NUMBA_THREADING_LAYER, or pip install tbb"
        ) from error
    return numba.threading_layer() != "workqueue"


_all_cores = threading.Lock()


def _one_at_a_time(threaded: Callable, alone: Callable | None) -> Callable[..., None]:
    """Return a function that calls `threaded`, or while another thread does, `alone`."""

    def run(*arguments: Any) -> None:
        if not _all_cores.acquire(blocking=alone is None):
            alone(*arguments)
            return
        try:
            threaded(*arguments)
        finally:
            _all_cores.release()

    return run


@functools.cache
def _bottom(operation: str, dtype: str) -> registry.Kernel | None:
    steps = registry.ladder(operation, dtype=dtype, tag="ladder")
    return next((step for step in steps if step.instrument == "interpreter"), None)


@functools.cache
def _numpys_best(operation: str, dtype: str) -> registry.Kernel | None:
    tagged = registry.ladder(operation, dtype=dtype, tag="numpy")
    steps = tagged or registry.ladder(operation, dtype=dtype, tag="ladder")
    numpys = [step for step in steps if step.instrument == "NumPy" and not step.adapt]
    return numpys[-1] if numpys else None


@functools.cache
def _compiled(operation: str, dtype: str, tag: str) -> registry.Kernel | None:
    steps = registry.ladder(operation, dtype=dtype, tag=tag)
    return steps[-1] if steps else None
