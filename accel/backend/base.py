"""What a backend is: someone who runs calls, and says beforehand which.

A *call* is an operation of `accel.kernels` with its arguments, the result's memory among
them. A backend answers three questions: is it there (`available`), would it take this call
(`supports`), and then it computes (`run`). It never converts, checks or allocates: that is
the front door's business, so that every backend gets the same call and gives the same answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from accel.kernels import registry


class BackendError(RuntimeError):
    """A backend cannot do what was asked of it; the message says why, and what can be done."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation and its arguments, ready to run.

    Parameters
    ----------
    operation : str
        Name in the registry of `accel.kernels`, such as ``"matmul"``.
    dtype : str
        Element type that the kernel is chosen by.
    arguments : tuple
        Those of the operation's kernels, in their order. The last one is written; those that
        `Operation.mutates` names are updated in place.
    """

    operation: str
    dtype: str
    arguments: tuple[Any, ...]

    @property
    def written_at(self) -> list[int]:
        """Positions of the arguments that running the call changes."""
        return sorted({*registry.operation(self.operation).mutates, len(self.arguments) - 1})

    @property
    def written(self) -> list[np.ndarray]:
        """The arguments that running the call changes."""
        return [self.arguments[place] for place in self.written_at]


class ComputeBackend(ABC):
    """Someone who runs calls.

    A subclass has a `name`, by which users choose it, and three methods. It is made once, by
    calling the class without arguments, and that must be cheap: what is heavy is imported
    when it is first asked for. Its methods may be called from several threads at once.
    Backends of other packages are found by the entry-point group ``accel.backends``, and can
    be held to `accel.backend.contract`.

    Attributes
    ----------
    name : str
    competes : bool
        Whether ``accel.use("auto")`` may choose it. True only where a call costs no more than
        the computation: neither a cluster nor an interpreter.
    """

    name: str
    competes: bool = True

    @abstractmethod
    def available(self) -> str | None:
        """Return None if this machine can run it, else the reason and how to change that."""

    @abstractmethod
    def supports(self, call: Call) -> str | None:
        """Return None if it would run this call, else the reason, as after "because".

        The answer may depend on the operation, the element type, and those arguments that
        `Operation.signature` names: shapes of arrays, and numbers. It is remembered for
        calls that share them.
        """

    @abstractmethod
    def run(self, call: Call) -> None:
        """Compute the call, and return when the result is written.

        Called only for what `supports` accepts. Arrays may have any strides where the
        operation's kernels take them so.

        Raises
        ------
        ValueError, IndexError, TypeError
            If the arguments do not fit each other; what an operation updates in place is then
            as it was. The front door lets no such call through: a backend that gets one all
            the same need not notice, but writes nothing beside `Call.written`.
        BackendError
            If the device or the scheduler failed. Unless the operation updates its arguments
            in place, another backend then runs the call, and this one is not asked again.
        """

    def kernel(self, operation: str, dtype: str) -> Callable[..., None] | None:
        """Return a function of the arguments alone that does what `run` does, if there is one.

        It is a shorter way for a backend whose `run` has nothing to decide.
        """
        return None

    def configure(self, **options: Any) -> None:
        """Take the options of ``accel.use(name, **options)``.

        Raises
        ------
        BackendError
            If there is no such option, or it cannot be followed.
        """
        raise BackendError(f"backend {self.name!r} takes no options, got {', '.join(options)}")


def function_of(member: ComputeBackend, call: Call) -> Callable[..., None]:
    """Return a function of the arguments alone that runs such calls by a backend."""
    operation, dtype = call.operation, call.dtype
    return member.kernel(operation, dtype) or (
        lambda *arguments: member.run(Call(operation, dtype, arguments))
    )
