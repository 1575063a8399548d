"""Floating-point errors: noticed in parts and by kernels, told once as NumPy tells them."""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
import warnings
from collections.abc import Iterator

import numpy as np

#: In the order of NumPy's bits.
_MESSAGES = {
    "divide by zero": "divide",
    "overflow": "over",
    "underflow": "under",
    "invalid value": "invalid",
}


def reported(*kinds: str) -> bool:
    """Tell whether errors of some kinds are to be reported at all.

    Parameters
    ----------
    *kinds : {"divide", "over", "under", "invalid"}
    """
    states = np.geterr()
    return any(states[kind] != "ignore" for kind in kinds)


def demanded() -> bool:
    """Tell whether the user asked for more than NumPy's warnings: an exception, or a call.

    Kernels notice no floating-point errors. Where somebody relies on being told, NumPy must
    compute.
    """
    states = np.geterr()
    return states["under"] != "ignore" or not {*states.values()} <= {"warn", "ignore"}


@contextlib.contextmanager
def told_once(name: str) -> Iterator[None]:
    """Tell of each kind of error once, at the end, however many parts met it.

    Parameters
    ----------
    name : str
        Of the ufunc, for the message.

    Raises
    ------
    FloatingPointError
        If ``np.errstate`` asks for it.
    """
    states = np.geterr()
    met: dict[str, int] = {}  # message -> bits of all errors of the part that met it last
    silent = {kind: "ignore" if state == "ignore" else "call" for kind, state in states.items()}
    with np.errstate(**silent, call=met.__setitem__):
        yield
    tell(name, functools.reduce(operator.or_, met.values(), 0))


def tell(name: str, met: int) -> None:
    """Tell of errors that parts of a call met, as NumPy tells of its own.

    Parameters
    ----------
    name : str
        Of the ufunc, for the message.
    met : int
        NumPy's bits of them.

    Raises
    ------
    FloatingPointError
        If ``np.errstate`` asks for it.
    """
    if not met:
        return
    states, call = np.geterr(), np.geterrcall()
    for place, (message, kind) in enumerate(_MESSAGES.items()):
        if met & 1 << place:
            _tell(states[kind], call, f"{message} encountered in {name}", message, met)


def _tell(state: str, call, text: str, message: str, flags: int) -> None:
    if state == "warn":
        warnings.warn(text, RuntimeWarning, stacklevel=_outside())
    elif state == "raise":
        raise FloatingPointError(text)
    elif state == "call":
        if call is None:
            raise NameError(f"python callback specified for {text} but no function found.")
        call(message, flags)
    elif state == "print":
        sys.stdout.write(f"Warning: {text}\n")
    elif state == "log":
        call.write(f"Warning: {text}\n")


def _outside() -> int:
    """Return the ``stacklevel``, for a warning in `_tell`, of the first caller from elsewhere."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("accel.arrays", "contextlib", "numpy._core")
    ):
        level, frame = level + 1, frame.f_back
    return level
