"""Matrix product in tiles of vector registers: the top of the ladder on one core."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from accel.kernels.matmul import loops  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.blocks import host_tile, product
from accel.kernels.matmul.operation import NUMBERS, check, check_shapes, check_writable, require
from accel.kernels.registry import register
from accel.simd import Tile


@register(
    "matmul",
    instrument="compiled",
    story="sums kept in a tile of vector registers: removes loads and stores of out",
    dtypes=NUMBERS,
    tags=("ladder", "best"),
)
def tiled(a, b, out, tile: Tile | None = None):
    """Multiply in tiles of `out` that stay in vector registers.

    Removes the loads and stores of `out`: a tile of it is held in registers through
    hundreds of products, so that the inner loop is multiply-adds and little else. How
    blocks and packing feed it is the story of `accel.kernels.matmul.blocks`.

    Parameters
    ----------
    a, b, out : ndarray of float32, float64 or int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten. Integers wrap around, as in NumPy.
    tile : Tile, optional
        Register tile; by default the one for this machine, `host_tile`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or
        `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, with columns rounded up to half a register; each operand copied at
    most once per block of the other; buffers of at most 5.4 MiB.

    Source
    ------
    Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM
    TOMS 34 (2008).
    """
    if not done_in_tiles("tiled", a, b, out, tile):
        check("tiled", a, b, out)
        check_writable("tiled", out)
        states = ", ".join(
            f"{name} {type(x).__name__} {'aligned' if x.flags.aligned else 'not aligned'}"
            for name, x in (("a", a), ("b", b), ("out", out))
        )
        raise ValueError(
            f"matmul.tiled: expected plain arrays, aligned to their elements, got {states}; "
            "pass copies"
        )


#: Element type -> product in this machine's tile, once compiled: the shortest way there is.
_ready: dict[np.dtype, Callable] = {}


def done_in_tiles(kernel: str, a, b, out, tile: Tile | None = None) -> bool:
    """Multiply in register tiles. False, and nothing is done, if arguments do not fit.

    Compiled code refuses what it must not see, sooner than Python could ask, which is felt on
    small matrices. The caller finds out why.
    """
    if not isinstance(a, np.ndarray):
        check_shapes(kernel, a, b, out)
    multiply = _ready.get(a.dtype) if tile is None else None
    if multiply is None:
        multiply = _tiled(kernel, a.dtype, tile)
    try:
        return multiply(a, b, out)
    except TypeError:  # Numba: no code for arrays of these types
        return False


@functools.cache
def _tiled(kernel: str, dtype: np.dtype, tile: Tile | None) -> Callable:
    require(kernel, dtype, NUMBERS)
    if tile is None:
        return _ready.setdefault(dtype, product(host_tile(dtype)))
    if not isinstance(tile, Tile):
        raise ValueError(f"matmul.tiled: expected a Tile, got {tile!r}")
    if dtype != tile.vector.dtype:
        raise ValueError(f"matmul.tiled: expected {tile.vector.dtype} like the tile, got {dtype}")
    return product(tile)
