"""The top of the attention ladder: blocks of queries by keys around tiles of registers.

::

    for each head, and for each strip of queries                       (dealt to threads)
      pack the strip: transposed and scaled                            (nearest cache)
      for each block of keys                   (causal: up to the strip's last query)
        for each group of keys: outer products, keys by queries, into a tile of registers
        the largest score of each query; weights = exp(score - largest)
        sums of the strip *= exp(largest before - largest now)
        for each group of queries: outer products, weights by values, added to the sums
      divide by the sums of weights

`strips` does what is indented below the strip. Work space is one block: it depends on d, not on the number of queries or keys.

Source
------
Dao and others (2022), algorithm 1, with queries in the outer loop. Goto and van de Geijn,
"Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34 (2008), for the tiles.
"""

from __future__ import annotations

import math

import numba

from accel.kernels.attention import online  # noqa: F401  (the steps below this one)
from accel.kernels.attention.operation import check
from accel.kernels.attention.strips import finish, pack, room_for, strip, tile_for
from accel.kernels.registry import register
from accel.simd import jit, pointer

#: Below so many multiply-adds threads cost more than they gain.
WORTH_THREADS = 1 << 21


@jit
def attend(q, k, v, out, scale, causal, first, step):
    """Compute every `step`-th strip of queries, from strip `first` on.

    Parameters
    ----------
    q, k, v, out : ndarray, shapes (heads, n, d), (heads, keys, d), (heads, keys, width),
        (heads, n, width), contiguous, float32 or float64
        The strips of `out` are overwritten.
    scale : float
        What scores are multiplied by.
    causal : bool
        Whether query i sees only keys 0 to i.
    first, step : int
        All strips for ``0, 1``; strips are counted through all heads.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no key.
    """
    check(q, k, v, out)
    T = tile_for(q)
    heads, queries, depth = q.shape
    strips = -(-queries // T.columns)
    if heads * strips <= first:
        return
    room = room_for(T, q.dtype, q.shape[2], v.shape[1], v.shape[2])
    # Of pointers there is one kind, whether arrays are read-only or not: one compilation.
    line_q, line_k, line_v, line_out = pointer(q), pointer(k), pointer(v), pointer(out)
    for unit in range(first, heads * strips, step):
        head, top = unit // strips, unit % strips * T.columns
        rows = min(T.columns, queries - top)
        seen = min(v.shape[1], top + rows) if causal else v.shape[1]
        pack(T, line_q, (head * queries + top) * depth, rows, depth, scale, room.queries)
        strip(
            T, line_k, head * k.shape[1] * depth, depth, line_v, head * v.size // heads,
            v.shape[2], seen, top if causal else seen, rows, room,
        )  # fmt: skip
        to = (head * queries + top) * v.shape[2]
        finish(T.vector, rows, v.shape[2], room, line_out, to)


@register(
    "attention",
    name="tiled",
    instrument="compiled",
    story="tiles of registers, a block at a time: removes loads and scalar exponentials",
    tags=("ladder", "best"),
)
def attention_tiled(q, k, v, out):
    """Compute attention in blocks of queries by keys, with tiles of registers.

    Removes most loads and all scalar steps: each register of queries or values that is
    loaded meets several keys or weights, sums stay in registers, and the exponential takes
    a whole register. The online softmax works on a block of keys at a time.

    Parameters
    ----------
    q, k, v, out : ndarray, shapes (heads, n, d), (heads, keys, d), (heads, keys, width),
        (heads, n, width), float32 or float64, contiguous
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no key.

    Cost
    ----
    ``2 n keys (d + width)`` FLOPs and ``n keys`` exponentials per head; work space of one
    block.

    Source
    ------
    Dao and others (2022), algorithm 1.
    """
    attend(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), False, 0, 1)


@register(
    "attention_causal",
    name="tiled",
    instrument="compiled",
    story="tiles of registers, a block at a time: blocks above the diagonal are left out",
    tags=("ladder", "best"),
)
def attention_causal_tiled(q, k, v, out):
    """Compute causal attention as `attention_tiled`, skipping blocks that nobody sees.

    Only blocks that the diagonal cuts compute scores that are then hidden.
    """
    attend(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), True, 0, 1)


@jit(parallel=True)
def attend_in_parallel(q, k, v, out, scale, causal, threads):
    """Compute attention with strips of queries dealt to threads in turn; as `attend`."""
    for thread in numba.prange(threads):
        attend(q, k, v, out, scale, causal, thread, threads)


def attend_with_threads(q, k, v, out, scale, causal):
    """Compute attention on as many threads as Numba has, or on one where that is little."""
    threads = numba.get_num_threads()
    work = q.shape[0] * q.shape[1] * v.shape[1] * (q.shape[2] + v.shape[2])
    if threads == 1 or work < WORTH_THREADS:
        attend(q, k, v, out, scale, causal, 0, 1)
    else:
        check(q, k, v, out)  # an error inside a parallel loop ends the process badly
        attend_in_parallel(q, k, v, out, scale, causal, threads)


@register(
    "attention",
    name="threads",
    instrument="compiled",
    story="all cores: strips of queries are dealt to them in turn",
    tags=("threads",),
)
def attention_threads(q, k, v, out):
    """Compute attention on all cores; parameters, errors and cost as `attention_tiled`.

    Removes nothing but waiting: strips of queries, through all heads, are dealt to threads
    in turn, each with its own work space. Small problems stay on one core.
    """
    attend_with_threads(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), False)


@register(
    "attention_causal",
    name="threads",
    instrument="compiled",
    story="all cores: strips of queries are dealt to them in turn, long ones with short",
    tags=("threads",),
)
def attention_causal_threads(q, k, v, out):
    """Compute causal attention on all cores, as `attention_threads`."""
    attend_with_threads(q, k, v, out, 1 / math.sqrt(max(1, q.shape[2])), True)
