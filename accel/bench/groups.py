"""Operations in the groups that the goals speak of, by the family that defines them."""

from __future__ import annotations

from accel.kernels.registry import FAMILIES

#: Name of a family's module -> the group it belongs to; others are their own.
_GROUPS = {
    "activation": "elementwise",
    "chunks": "elementwise",
    "matmul_layers": "matmul",
    "products": "matmul",
    "matmul_linear": "matmul",
    "matmul_nt": "matmul",
    "matmul_batched": "matmul",
    "augment": "augmentation",
    "augment_image": "augmentation",
}


def group_of(operation: str) -> str:
    """Return the group of an operation: ``elementwise`` for ``relu``.

    Raises
    ------
    KeyError
        If there is no such operation.
    """
    family = FAMILIES[operation].removeprefix("accel.kernels.").split(".")[0]
    return _GROUPS.get(family, family)
