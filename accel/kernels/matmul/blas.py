"""Matrix product by the library: one call of BLAS, and one for each block."""

from __future__ import annotations

import numpy as np

from accel.kernels.matmul import tiled  # noqa: F401  (the steps below this one)
from accel.kernels.matmul.numpy_calls import blocks_of_calls
from accel.kernels.matmul.operation import FLOATS, block_size, check
from accel.kernels.registry import register


@register(
    "matmul",
    instrument="NumPy",
    story="one call of NumPy's BLAS: what others have tuned for years",
    dtypes=FLOATS,
    tags=("ladder", "numpy"),
)
def blas(a, b, out):
    """Multiply by one call of the BLAS that NumPy brings.

    The standard to be measured against: blocks, packing and register tiles as in
    `tiled`, in assembly, chosen for the processor it finds. Called as directly as
    Python can.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.

    Raises
    ------
    ValueError
        By NumPy, if shapes do not fit.

    Cost
    ----
    ``2 m n k`` FLOPs.
    """
    np.matmul(a, b, out=out)


@register(
    "matmul",
    instrument="NumPy",
    story="blocks over BLAS calls: takes away the library's freedom, and adds temporaries",
    dtypes=FLOATS,
    tags=("ladder",),
)
def blas_blocked(a, b, out, block=128):
    """Multiply in blocks, one BLAS call for each.

    Removes nothing: the library blocks already, and better. It adds calls, temporary
    blocks and their additions, and packs every block again.

    Parameters
    ----------
    a, b, out : ndarray of float32 or float64, of shapes (m, k), (k, n) and (m, n)
        `out` is overwritten.
    block : int
        Rows and columns of a block.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an operand.

    Cost
    ----
    ``2 m n k`` FLOPs, and a temporary of ``block**2`` elements for each of
    ``m n k / block**3`` calls.
    """
    check("blas_blocked", a, b, out)
    blocks_of_calls(a, b, out, block_size("blas_blocked", block, *a.shape, *b.shape))
