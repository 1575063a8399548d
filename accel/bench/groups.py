"""Operations in the groups that the goals speak of, by the family that defines them."""

from __future__ import annotations

from accel.kernels.registry import FAMILIES


def group_of(operation: str) -> str:
    """Return the group of an operation: ``elementwise`` for ``relu``.

    Raises
    ------
    KeyError
        If there is no such operation.
    """
    family = FAMILIES[operation].removeprefix("accel.kernels.").split(".")[0]
    return "elementwise" if family == "activation" else family
