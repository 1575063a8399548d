"""A vector register as a value: explicit SIMD inside Numba functions.

Numba has no vectors. Its compiler finds some by itself, and gives up on exactly the
loops this book is about: ragged bounds, ``exp``, horizontal steps, a block of
accumulators that must stay in registers. Here a register is a value with operators,
and a kernel reads like the arithmetic it does::

    import numpy as np
    from accel.simd import exp, jit, load, load_first, select, store, store_first, vector

    V = vector("float32")                   # as many lanes as this machine's registers

    @jit
    def elu(x, out):
        whole = x.size - x.size % V.lanes
        for i in range(0, whole, V.lanes):
            store(out, i, bent(load(V, x, i)))
        rest = x.size - whole
        store_first(out, whole, bent(load_first(V, x, whole, rest)), rest)

    @jit
    def bent(v):
        return select(v > 0, v, exp(v) - 1)  # both are computed, one is taken

    x = np.linspace(-2, 2, 1001, dtype="float32")
    elu(x, np.empty_like(x))

Widths
------
Width is part of the *type*. `vector` and `Tile` return small frozen tokens, and a token
passed as an argument, or used as a global or closure constant, selects the width while
compiling: ``V.lanes`` is a constant there. One jitted function so serves every width,
and each width has its own entry in the on-disk cache. ``vector(dtype)`` fills the
machine's registers (64 bytes with AVX-512, 32 with AVX, else 16), ``vector(dtype,
lanes)`` any power of two from 2 to 64 lanes, on any host: LLVM splits registers that the
machine does not have. Element types are float32 and float64, and integers of 8 to 64
bits, signed and unsigned. `alike` gives the token with as many lanes of another type.

Values
------
A *register* (``V``: float32, float64, or integers), a *mask* (a yes or no per lane), and
a *tile* (rows of registers, to sum in). All are values: what looks like a change makes a
new one. They live in compiled code only, and can be returned and passed between jitted
functions, alone and in tuples. Scalars beside a register are cast to its element type
and broadcast; a whole number goes with every register, a real one with real ones. No
operation on registers raises; integers wrap around.

Functions
---------
**Operators**: ``+ - * /`` and unary ``-``; ``& | ^ ~ << >>`` of integers; ``< <= > >= ==
!=``, which make masks; ``& | ^ ~`` of masks. ``/`` is for real numbers only.

**Making registers**: `zeros`, `broadcast`, `lane_index`.

**Memory**, at element ``i`` of a contiguous array or a `pointer`:

=============  =========================================================================
whole          `load`, `store`; `load_aligned`, `store_aligned`
first lanes    `load_first`, `store_first`: the end of a loop
chosen lanes   `load_masked`, `store_masked`
scattered      `gather`, `scatter`
past caches    `store_streaming`, then `fence`; `prefetch`
alignment      `elements_to_alignment`
=============  =========================================================================

**Arithmetic**: `fma`, `minimum`, `maximum`, `absolute`, `sqrt`, `copysign`; `floor`,
`truncate`, `round_to_even`.

**Elementary functions**, with their errors: `exp`, `exp2`, `log`, `tanh`, `erf`, `bell`.

**Comparing**: `less`, `less_equal`, `greater`, `greater_equal`, `equal`, `not_equal`,
`isnan`, `first_lanes`, which make masks; `select`, which uses them; `both`, `either`,
`invert`; `any_lane`, `all_lanes`, `count_lanes`, which end in scalars to branch on.

**Between types**: `convert`, the number; `bitcast`, the bits.

**Across lanes**: `horizontal_sum`, `horizontal_max`, `horizontal_min`; `scan_sum`;
`reverse`, `rotate`; `interleave`, `deinterleave`; `halves`, `join`; `lane`, `with_lane`.

**Tiles**:

=============  =========================================================================
summing        `tile_zeros`, `tile_outer_fma`
memory         `tile_load`, `tile_store`, `tile_accumulate`, and the same at the ragged
               edge of a matrix: `tile_load_first`, `tile_store_first`,
               `tile_accumulate_first`
epilogues      ``+ - * /``, `tile_add_row`, `tile_add_column`, `tile_maximum`,
               `tile_minimum`, and with any function of a register: `tile_map`
registers      `tile_get`, `tile_set`, `tile_transpose`
=============  =========================================================================

**Compiling**: `jit`, `cache_problem`; `apart`, for what calls parallel kernels.

How it works
------------
A Numba type whose data model is an LLVM vector, and for each operation one `intrinsic`
that emits an LLVM instruction or two. A register tile is an LLVM *array of vectors* in
SSA form: every update makes a new value, and LLVM's scalar replacement gives each
accumulator a register of its own. Code generators are Python functions, so the loops
over a tile run while the kernel compiles, and the kernel comes out unrolled. The usual
alternative, a template of source text with one local name per accumulator, has to be
formatted, written to a file, imported and compiled for every tile; here there is no
text, a traceback points at real lines, and the cache works as for any function.

Three limits. Loads and stores check no bounds, like the instructions they stand for:
kernels check shapes before they start. Misuse is an error while compiling, in words, as
far as types can tell. And a token class must be importable: Numba caches functions by
the types of their arguments, and types defined in ``__main__`` are new in every process,
so nothing compiled for them is ever found again.

Source
------
LLVM Language Reference: "Vector Type", "Vector Operations", and the intrinsics named
at each function. Numba manual: "Low-level extension API".
"""

from accel.simd.aligned import (
    elements_to_alignment,
    fence,
    load_aligned,
    store_aligned,
    store_streaming,
)
from accel.simd.arithmetic import (
    absolute,
    broadcast,
    copysign,
    floor,
    fma,
    maximum,
    minimum,
    round_to_even,
    sqrt,
    truncate,
    zeros,
)
from accel.simd.comparing import (
    all_lanes,
    any_lane,
    both,
    count_lanes,
    either,
    equal,
    first_lanes,
    greater,
    greater_equal,
    invert,
    isnan,
    less,
    less_equal,
    not_equal,
    select,
)
from accel.simd.compiling import jit
from accel.simd.elementary import bell, erf, exp, exp2, log, tanh
from accel.simd.integers import bitcast, convert
from accel.simd.keeping import cache_problem
from accel.simd.lanes import (
    deinterleave,
    halves,
    horizontal_max,
    horizontal_min,
    horizontal_sum,
    interleave,
    join,
    lane,
    lane_index,
    reverse,
    rotate,
    scan_sum,
    with_lane,
)
from accel.simd.masked import gather, load_masked, scatter, store_masked
from accel.simd.memory import load, load_first, pointer, prefetch, store, store_first
from accel.simd.tiles import (
    tile_accumulate,
    tile_load,
    tile_outer_fma,
    tile_store,
    tile_zeros,
)
from accel.simd.tiles_lanewise import (
    tile_add_column,
    tile_add_row,
    tile_get,
    tile_map,
    tile_maximum,
    tile_minimum,
    tile_set,
)
from accel.simd.tiles_ragged import (
    tile_accumulate_first,
    tile_load_first,
    tile_store_first,
)
from accel.simd.transposing import tile_transpose
from accel.simd.types import Tile, Vector, alike, vector
from accel.simd.workers import apart

__all__ = [
    "Tile",
    "Vector",
    "absolute",
    "alike",
    "all_lanes",
    "any_lane",
    "apart",
    "bell",
    "bitcast",
    "both",
    "broadcast",
    "cache_problem",
    "convert",
    "copysign",
    "count_lanes",
    "deinterleave",
    "either",
    "elements_to_alignment",
    "equal",
    "erf",
    "exp",
    "exp2",
    "fence",
    "first_lanes",
    "floor",
    "fma",
    "gather",
    "greater",
    "greater_equal",
    "halves",
    "horizontal_max",
    "horizontal_min",
    "horizontal_sum",
    "interleave",
    "invert",
    "isnan",
    "jit",
    "join",
    "lane",
    "lane_index",
    "less",
    "less_equal",
    "load",
    "load_aligned",
    "load_first",
    "load_masked",
    "log",
    "maximum",
    "minimum",
    "not_equal",
    "pointer",
    "prefetch",
    "reverse",
    "rotate",
    "round_to_even",
    "scan_sum",
    "scatter",
    "select",
    "sqrt",
    "store",
    "store_aligned",
    "store_first",
    "store_masked",
    "store_streaming",
    "tanh",
    "tile_accumulate",
    "tile_accumulate_first",
    "tile_add_column",
    "tile_add_row",
    "tile_get",
    "tile_load",
    "tile_load_first",
    "tile_map",
    "tile_maximum",
    "tile_minimum",
    "tile_outer_fma",
    "tile_set",
    "tile_store",
    "tile_store_first",
    "tile_transpose",
    "tile_zeros",
    "truncate",
    "vector",
    "with_lane",
    "zeros",
]
