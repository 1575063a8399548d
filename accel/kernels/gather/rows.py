"""Registers for rows of any length."""

from __future__ import annotations

from numba.core.errors import TypingError
from numba.extending import overload

from accel.simd import vector


def register_of(x, lanes):
    """Return the token of a register of so many elements of `x`, in compiled code too.

    At most as many as the machine's registers hold: then the widest.
    """
    widest = vector(x.dtype)
    return widest if lanes > widest.lanes else vector(x.dtype, lanes)


@overload(register_of, prefer_literal=True)
def _register_of(x, lanes):
    if not hasattr(lanes, "literal_value"):
        raise TypingError(f"register_of: expected a number as a constant, got {lanes}")
    widest = vector(str(x.dtype))
    token = (
        widest if lanes.literal_value > widest.lanes else vector(str(x.dtype), lanes.literal_value)
    )
    return lambda x, lanes: token
