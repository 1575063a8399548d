"""Matrix product on all cores: a rectangle of `out` for each."""

from __future__ import annotations

import numpy as np

from accel.kernels.matmul import layers  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.blocks import host_tile
from accel.kernels.matmul.drivers import no_bias, shared, shares, threads_for
from accel.kernels.matmul.operation import NUMBERS, check, check_shapes, check_writable, require
from accel.kernels.matmul.registers import NOTHING
from accel.kernels.matmul.tiled import done_in_tiles
from accel.kernels.registry import register


@register(
    "matmul",
    instrument="compiled",
    story="a rectangle of out for each core: removes the idle ones",
    dtypes=NUMBERS,
    tags=("layers", "threads"),
)
def tiled_threads(a, b, out):
    """Multiply one rectangle of `out` on each core, with the register tile of `tiled`.

    Removes idle cores: rectangles of `out` depend on nothing of each other. What it leaves:
    threads that must be woken and waited for, which small matrices do not repay and are
    spared, and one last cache and one memory for all of them.

    As many threads take part as Numba has: ``NUMBA_NUM_THREADS``, or
    ``numba.set_num_threads``. Where Numba runs its own workqueue, which is the case if
    it finds neither OpenMP nor TBB, call this from one thread at a time.

    Parameters
    ----------
    a, b, out : ndarray of float32, float64 or int64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, arrays are not aligned to their elements, or
        `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs. Each thread packs what it needs of the operands for itself; buffers of
    at most 5.4 MiB each.
    """
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        check_shapes("tiled_threads", a, b, out)
    m, n = a.shape[:1], b.shape[1:]
    threads = threads_for(2 * a.size * (n[0] if n else 1), thin=m == (1,) or n == (1,))
    if threads == 1 and done_in_tiles("tiled_threads", a, b, out):
        return
    check("tiled_threads", a, b, out)
    require("tiled_threads", a.dtype, NUMBERS)
    check_writable("tiled_threads", out)
    tile = host_tile(a.dtype)
    cuts = shares(1, *out.shape, tile, threads)
    if not shared(tile)(a[None], b[None], no_bias(a.dtype), out[None], NOTHING, cuts):
        odd = [name for name, x in (("a", a), ("b", b), ("out", out)) if not x.flags.aligned]
        raise ValueError(
            f"matmul.tiled_threads: expected arrays aligned to their elements, got "
            f"{' and '.join(odd)} that is not; pass a copy"
        )
