"""All cores at work on a batch of matrices: which part is whose.

Matrices of one operation have the same distance between their rows; where each begins, and
how many rows and columns it has, is a table of integers. It is cut into bands of about the
same size, which cores take one after another.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from accel.kernels.layout.registers import by_registers
from accel.simd import jit

#: Bytes read and written below which one core is done before the others have started.
ALONE_BYTES = 1 << 22

#: Bytes of a band.
BAND_BYTES = 1 << 17

#: Rows or columns of a band are a multiple of this, so that cores share few lines.
GRAIN = 64

#: Rows and columns from which on a matrix is cut into a few bands of whole rows of `out`,
#: however large: such are cut again for the caches by what transposes them. Bands of rows of
#: `x` would be written a few lines at a time, far apart, and those may be in each other's way.
WIDE = 256

#: Bands for each core of a wide matrix: one that is late leaves the others something to take.
BANDS_EACH = 2


def bands(at, to, rows, columns, step: int, out_step: int, itemsize: int) -> np.ndarray:
    """Return a row ``(at, to, rows, columns)`` for each band of each matrix.

    Parameters
    ----------
    at, to : array-like of int, shape (matrices,)
        Where each matrix begins, and where its transpose goes.
    rows, columns : array-like of int, broadcastable to (matrices,)
        Of each matrix.
    step, out_step : int
        How far rows are apart, in elements.
    itemsize : int
        Bytes of an element.
    """
    table = np.stack(np.broadcast_arrays(at, to, rows, columns), axis=-1).astype(np.int64)
    most_rows, most_columns = int(table[:, 2].max(initial=0)), int(table[:, 3].max(initial=0))
    longest, other = max(most_rows, most_columns), min(most_rows, most_columns)
    wide = other >= WIDE
    by_rows = most_rows >= most_columns and not wide
    if wide:
        longest = most_columns
        length = -(-most_columns // (BANDS_EACH * get_num_threads()))
    else:
        length = BAND_BYTES // (2 * itemsize * max(1, other))
    length = max(1, -(-length // GRAIN)) * GRAIN
    starts = np.arange(0, longest, length)[None, :]
    cut = np.repeat(table[:, None, :], starts.shape[1], axis=1)
    cut[..., 0] += starts * (step if by_rows else 1)
    cut[..., 1] += starts * (1 if by_rows else out_step)
    which = 2 if by_rows else 3
    cut[..., which] = np.clip(cut[..., which] - starts, 0, length)
    return cut.reshape(-1, 4)


@jit(parallel=True)
def everywhere(x, step, out, out_step, table, fill, streaming):
    """Transpose each band of a table as `by_registers`.

    With ``fill`` above zero, rows of `out` are so long, and zero beyond those of a band.
    """
    for k in prange(table.shape[0]):
        at, to, rows, columns = table[k, 0], table[k, 1], table[k, 2], table[k, 3]
        filled = max(rows, fill)
        if columns > 0 and filled > 0:
            by_registers(x, at, step, out, to, out_step, rows, columns, filled, streaming)
