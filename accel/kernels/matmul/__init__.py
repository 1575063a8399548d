"""Matrix product: from nested lists to a register tile, one removal at a time.

``out = a @ b``. All kernels compute the same ``2 m n k`` FLOPs; they differ in who runs the
loops, in which order, and where operands lie meanwhile. Each step changes one thing, and says
which. A few change a thing that does *not* help, for showing that: blocks in the interpreter,
elements of arrays, blocks over BLAS calls. From the bottom of the ladder to its top:

* `interpreter`, `numpy_calls`, `loops`, `tiled`, `blas`, `threads`: the ladder. `layers` has
  steps between those, for telling apart what they remove at once.
* `operation`: what is computed, and what is refused.
* `blocks`, `packing`, `registers`, `edges`, `vectors`, `drivers`: what `tiled` and its kin do,
  from the blocks that fit a cache down to the tile in registers. `tiny`: what they do where a
  matrix fits a few registers.
* `nt`, `batched`, `linear`, `matvec`: kin that run on the same blocks. `panels` takes the
  tile apart. `strassen` and `chain` are the algorithms that do less.
"""

from accel.kernels.matmul.blas import blas, blas_blocked
from accel.kernels.matmul.interpreter import array_scalars, as_lists, lists, lists_blocked
from accel.kernels.matmul.layers import ijk_transposed, ikj_scalar, lists_sum
from accel.kernels.matmul.loops import blocked, compiled, ijk, ikj, packed
from accel.kernels.matmul.numpy_calls import (
    numpy_int64,
    numpy_int64_blocked,
    numpy_int64_packed,
    row_times_matrix,
)
from accel.kernels.matmul.operation import (
    AWKWARD,
    EDGES,
    FLOATS,
    NUMBERS,
    compulsory_bytes,
    flops,
    inputs,
    oracle,
    sizes,
)
from accel.kernels.matmul.threads import tiled_threads
from accel.kernels.matmul.tiled import tiled

__all__ = [
    "AWKWARD",
    "EDGES",
    "FLOATS",
    "NUMBERS",
    "array_scalars",
    "as_lists",
    "blas",
    "blas_blocked",
    "blocked",
    "compiled",
    "compulsory_bytes",
    "flops",
    "ijk",
    "ijk_transposed",
    "ikj",
    "ikj_scalar",
    "inputs",
    "lists",
    "lists_blocked",
    "lists_sum",
    "numpy_int64",
    "numpy_int64_blocked",
    "numpy_int64_packed",
    "oracle",
    "packed",
    "row_times_matrix",
    "sizes",
    "tiled",
    "tiled_threads",
]
