"""How large a tile of registers should be, and why its operands are copied together.

The innermost step of a fast matrix product adds outer products to a tile of
accumulators. Here is that step alone, on operands that fit the first cache, for tiles of
many shapes (`tile_1x1` to `tile_12x4`: rows x registers per row). Every shape computes
the same product, so the rates say how much each asks of the machine. Two steps before
them keep their sums in memory. Two after them, for operands that do not fit, copy each
strip of `b` together before the tiles meet it.

Sizes are whole numbers of tiles: `m` a multiple of 24 rows, `n` of 64 columns. What ragged edges
take is the subject of `accel.kernels.matmul.blocks`, which this takes apart.

Source
------
Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34
(2008), sections 4 to 6. Low, Igual, Smith and Quintana-Orti, "Analytical Modeling Is
Enough for High-Performance BLIS", ACM TOMS 43 (2016), section 4, for the size of a tile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from accel.kernels import matmul
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import (
    Tile,
    jit,
    load,
    prefetch,
    store,
    tile_outer_fma,
    tile_store,
    tile_zeros,
    vector,
)

#: Rows, and registers per row, of the tiles that are tried: 1 to 48 accumulators.
SHAPES = (
    (1, 1), (2, 1), (2, 2), (4, 2), (3, 4), (6, 2), (8, 2), (12, 2), (6, 4), (24, 1), (8, 4), (12, 4),
)  # fmt: skip

#: Rows of `a` and columns of `b`, which all tiles divide: enough work to make a call's own
#: cost small, with a strip of `b` that stays in the first cache.
ROWS, COLUMNS = 192, 64


def panels_inputs(k: int, m: int = ROWS, n: int = COLUMNS, dtype: str = "float32") -> tuple:
    """Return seeded `a` (m, k), `b` (k, n), and a blank `out` (m, n)."""
    return normal((m, k), dtype, 91), normal((k, n), dtype, 92), blank((m, n), dtype)


def panels_flops(k: int, m: int = ROWS, n: int = COLUMNS, **_) -> int:
    """A multiplication and an addition for each term of each element."""
    return 2 * m * n * k


def panels_bytes(k: int, m: int = ROWS, n: int = COLUMNS, dtype: str = "float32") -> int:
    """Read `a` and `b`, write `out`."""
    return (m * k + k * n + m * n) * np.dtype(dtype).itemsize


register_operation(
    Operation(
        "panels",
        panels_inputs,
        matmul.oracle,
        panels_flops,
        panels_bytes,
        tuple({"k": k} for k in (0, 1, 2, 63, 64, 65)) + ({"k": 5, "m": 24, "n": 128},),
    )
)


@jit
def _check(a, b, out, rows, columns):
    if a.shape[1] != b.shape[0] or out.shape != (a.shape[0], b.shape[1]):
        raise ValueError("panels: expected a (m, k), b (k, n) and out (m, n)")
    if out.shape[0] % rows or out.shape[1] % columns:
        raise ValueError("panels: m and n must be whole numbers of tiles")


@register(
    "panels",
    name="memory",
    instrument="compiled",
    story="sums in memory: loads and stores an element of out for each multiply-add",
    tags=("ladder",),
)
@jit
def panels_memory(a, b, out):
    """Multiply with the sums in `out`.

    The starting point: a row of `b` times one number of `a` is added to a row of `out`.
    The compiler uses vector registers, and for each multiply-add loads a register of
    `b` and one of `out`, and stores one.

    Parameters
    ----------
    a : ndarray, shape (m, k), contiguous
    b : ndarray, shape (k, n), contiguous
    out : ndarray, shape (m, n), contiguous
        Overwritten. All of one element type, float32 or float64.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Cost
    ----
    ``2 m n k`` FLOPs; ``m n k`` loads and stores of elements of `out`.
    """
    _check(a, b, out, 1, 1)
    out[:] = 0
    for i in range(a.shape[0]):
        for p in range(a.shape[1]):
            factor = a[i, p]
            for j in range(b.shape[1]):
                out[i, j] += factor * b[p, j]


@register(
    "panels",
    name="array",
    instrument="compiled",
    story="a tile of sums as a small array: it stays in memory, if in the nearest",
    tags=("ladder",),
)
@jit
def panels_array(a, b, out):
    """Multiply by tiles whose sums are a small array.

    Removes the walk along whole rows of `out`, and would remove its loads and stores, if
    a compiler kept an array that is indexed by loops in registers. It keeps it in memory.

    Parameters, errors and FLOPs as for `panels_memory`; sizes must be whole numbers of
    tiles of 8 x 32.
    """
    _check(a, b, out, 8, 32)
    sums = np.empty((8, 32), a.dtype)
    for i in range(0, a.shape[0], 8):
        for j in range(0, b.shape[1], 32):
            sums[:] = 0
            for p in range(a.shape[1]):
                for r in range(8):
                    factor = a[i + r, p]
                    for c in range(32):
                        sums[r, c] += factor * b[p, j + c]
            for r in range(8):
                for c in range(32):
                    out[i + r, j + c] = sums[r, c]


@functools.cache
def tile_product(rows: int, vectors: int, dtype: str) -> Callable:
    """Return ``f(a, b, out)`` that multiplies by register tiles of one shape.

    The operands are read where they are: a number of `a` for each row of the tile, a
    register of `b` for each of its columns, at each step of depth.

    Parameters
    ----------
    rows, vectors : int
        Rows, and registers per row.
    dtype : str
        Element type, float32 or float64.
    """
    T = Tile(vector(dtype), rows, vectors)

    @jit
    def multiply(a, b, out):
        _check(a, b, out, T.rows, T.columns)
        k, n = b.shape
        for j in range(0, n, T.columns):
            for i in range(0, out.shape[0], T.rows):
                tile = tile_zeros(T)
                for p in range(k):
                    tile = tile_outer_fma(tile, a, i * k + p, k, b, p * n + j)
                tile_store(tile, out, i * n + j, n)

    return multiply


@functools.cache
def packed_product(rows: int, vectors: int, dtype: str, ahead: bool) -> Callable:
    """Return ``f(a, b, out)`` as `tile_product`, which first copies each strip of `b` together.

    A strip is as wide as a tile, and `k` rows long: in `b` each of its rows lies on
    another page, in the copy they follow each other. The copy is made once for all
    tiles down the strip.

    Parameters
    ----------
    rows, vectors, dtype
        As for `tile_product`.
    ahead : bool
        Whether to ask for the rows of `out` that a tile will write when it begins.
    """
    T = Tile(vector(dtype), rows, vectors)
    lanes = T.vector.lanes

    @jit
    def multiply(a, b, out):
        _check(a, b, out, T.rows, T.columns)
        k, n = b.shape
        strip = np.empty(k * T.columns, b.dtype)
        for j in range(0, n, T.columns):
            for p in range(k):
                for c in range(0, T.columns, lanes):
                    store(strip, p * T.columns + c, load(T.vector, b, p * n + j + c))
            for i in range(0, out.shape[0], T.rows):
                if ahead:
                    for r in range(T.rows):
                        for c in range(0, T.columns, lanes):
                            prefetch(out, (i + r) * n + j + c)
                tile = tile_zeros(T)
                for p in range(k):
                    tile = tile_outer_fma(tile, a, i * k + p, k, strip, p * T.columns)
                tile_store(tile, out, i * n + j, n)

    return multiply


def _step(name: str, story: str, product: Callable, tag: str) -> Callable:
    """Register a product under a name that a worker can import."""
    products = {np.dtype(dtype): product(dtype) for dtype in ("float32", "float64")}

    def step(a, b, out):
        products[a.dtype](a, b, out)

    step.__name__ = step.__qualname__ = name
    step.__doc__ = f"Multiply by register tiles: {story}; see `tile_product`, `packed_product`."
    return register("panels", instrument="compiled", story=story, tags=(tag,))(step)


for _rows, _vectors in SHAPES:
    _name = f"tile_{_rows}x{_vectors}"
    globals()[_name] = _step(
        _name,
        f"{_rows} x {_vectors} accumulators in registers",
        functools.partial(tile_product, _rows, _vectors),
        "sweep",
    )

packed_8x2 = _step(
    "packed_8x2",
    "each strip of b copied together first: removes a new page for each row",
    functools.partial(packed_product, 8, 2, ahead=False),
    "packing",
)
prefetched_8x2 = _step(
    "prefetched_8x2",
    "asks for the rows of out when a tile begins: removes the wait at its end",
    functools.partial(packed_product, 8, 2, ahead=True),
    "packing",
)
