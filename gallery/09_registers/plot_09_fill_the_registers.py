"""
9 · Fill the registers
======================

**Need.** What still separates the blocked loop of page 8 from the last steps of
the ladder is no longer in the caches but in the registers. A loop that adds to an
element of the result loads it, adds, and stores it again, for every product. A core
can begin one or two vector multiply-adds in a cycle, but not the loads and stores
that this takes. So the sums must not live in memory while they grow.

They can live in vector registers: a small rectangle of the result, some rows high
and some registers wide, is summed over the whole depth and stored once. That is a
*register tile*. This page takes the innermost step of a matrix product, the tile
alone, gives it operands that fit the nearest cache, and asks one question: which
rectangle?

**Predict.** Three things about a rectangle can be counted before anything runs.
Each sum waits for its own last addition, so there must be as many sums as
multiply-adds fit between the beginning of one and its end: its *latency*, in cycles,
times how many can begin in a cycle. At each step of depth the tile loads one
register for each of its columns of registers, and one number for each row. And it
needs registers for its sums, for that row of registers and for that number.
"""

from accel import figures, kernels
from accel.findings import loops, registers
from accel.timing import Case, machine, measure
from accel.timing import profile, report, roofs

LATENCY, UNITS = 4, 2  # cycles from begin to end, and begun in a cycle
under_way = LATENCY * UNITS  # guesses, to be judged below

here = machine.describe()
there_are = registers.vector_registers(here)
shapes = [step.name for step in kernels.ladder("panels", tag="sweep")]
registers.shapes_table(shapes, under_way, there_are)

# %%
# Two columns set limits. Too few sums, and multiply-adds wait for each other. Too many
# registers, and some sums are stored and loaded again at every step, which is where
# we came from. Between the two, a square is better than a strip, since it uses more
# often what it loads. Choose one from the table before you read on.
#
# One rectangle after another
# ---------------------------
#
# All rectangles compute the same product, so their rates can be compared. A tile is
# a value of ``accel.simd``: ``tile_outer_fma(tile, a, …, b, …)`` returns a new tile,
# to which one column of ``a`` times one row of ``b`` has been added. The compiler
# sees single assignments, unrolls them while it compiles, and gives each sum a
# register of its own. It would not do so for an array: ``array`` is a tile of the
# same size, written as a small array and four loops, and ``memory`` is the loop of
# page 8, which adds to rows of the result.

DRAFT = profile().name == "quick"
described = kernels.case("panels", ["memory", "array", *shapes], k=64)
rectangles = measure(
    "registers.tiles",
    "Which tile of registers comes nearest to the peak?",
    [Case(**described, baseline="tile_8x2")],
    budget_s=8,
)
ceilings = roofs.here()
peak = ceilings.peak_gflops("float32")
figures.tiles(
    rectangles,
    peak=peak,
    registers=there_are,
    alt="Arithmetic rate of register tiles against their number of sums. The "
    "dashed line is what waiting for single sums allows, the band the measured "
    "peak. Hollow: needs more registers than there are.",
)

# %%
# **Verdict.** What a single sum allows, which rectangles are best, and what happens
# to those that are too large:

tiles = rectangles.cases[0]
report.paragraph(
    registers.under_way_sentence(tiles, peak, under_way),
    registers.best_sentence(tiles),
    registers.spill_sentence(tiles, there_are),
    registers.memory_sentence(tiles, "memory", "tile_8x2"),
    registers.memory_sentence(tiles, "array", "tile_8x2"),
)

# %%
report.ladder_table(tiles)

# %%
# **Explain.** A multiply-add is a pipeline: results come out some cycles after they
# went in, and another can go in at once, if it does not need that result. Little's
# law says how many must be inside for the pipeline to be full: latency times rate.
# With one sum there is one inside. With enough of them the arithmetic units never
# wait, and more sums gain nothing, until they no longer fit.
#
# That leaves a plateau rather than a peak, and what is on it is chosen by other
# things: by loads, which favour squares; by the sizes of matrices people have,
# which favour powers of two; and by the cache, in whose sets rows that lie a power
# of two apart fall together. The book's ``tiled`` product takes 8 rows of 2
# registers where there are 32 registers, and 6 rows of 2 where there are 16.
#
# Where the operands come from
# ----------------------------
#
# In a large matrix the rows of a strip of ``b`` lie far apart, each on a page of its
# own, and with a row length that is a power of two many fall into the same few
# places of the cache. A tile meets the same strip again for each band of ``a``. It
# can be copied together once, and then be read in order: *packing*. A processor also
# accepts hints, here the rows of the result that a tile will write when it ends:
# *prefetching*. Both cost instructions; whether they are worth it is measured.

DEPTHS = ((1000, 960), (1024, 1024), (2048, 2048))
packing = ["tile_8x2", "packed_8x2", "prefetched_8x2"]
operands = measure(
    "registers.packing",
    "Is it worth copying strips together, and asking in advance?",
    [
        Case(
            **kernels.case("panels", packing, k=k, n=n, m=384),
            baseline="tile_8x2",
        )
        for k, n in (DEPTHS[::2] if DRAFT else DEPTHS)
    ],
    budget_s=4,
)
report.paragraph(
    report.range_sentence(operands, "packed_8x2", over="tile_8x2"),
    report.range_sentence(operands, "prefetched_8x2", over="packed_8x2"),
)

# %%
# From the first loop to the roof
# -------------------------------
#
# The tile is one step; the product around it cuts the matrices into blocks for each
# cache, packs them, and ends where they end. Sizes that are no multiple of anything
# show what edges cost: a tile that is half empty takes as long as a full one.

SIZES = (64, 100, 256, 1024) if DRAFT else (64, 100, 127, 256, 512, 1000, 1024)
LARGEST = {"lists": 64, "ijk": 100}
STEPS = ["lists", "ijk", "ikj", "blocked", "packed", "tiled", "blas"]


def product(n, dtype="float32"):
    """Return the case of one size, with the steps that can bear it."""
    steps = [step for step in STEPS if n <= LARGEST.get(step, n)]
    if dtype != "float32":
        steps = ["tiled", "blas"]
    described = kernels.case("matmul", steps, n=n, dtype=dtype)
    return Case(**described, baseline="blas")


ladder = measure(
    "registers.ladder",
    "How far is each step from the roof, and the last from the library?",
    [product(n) for n in SIZES] + [product(n, "float64") for n in SIZES],
    budget_s=10,
)
figures.ladder(
    ladder,
    current="tiled",
    steps=STEPS,
    dtype="float32",
    alt="The ladder from lists to the register tile against the size of the "
    "matrices, in float32, beside BLAS.",
)

# %%
single, double = ladder.cases[len(SIZES) - 1], ladder.cases[-1]
report.paragraph(
    loops.share_sentence(single, ["packed", "tiled", "blas"], ceilings),
    loops.share_sentence(double, ["tiled", "blas"], ceilings),
)

# %%
# And beside the library, size by size. The library has a kernel in assembly for
# each family of processors, and a special case for many a small size.

figures.speedup_curve(
    ladder,
    over="blas",
    kernels=["tiled"],
    dtype="float32",
    alt="Speed of the register-tiled product over the library's, against the "
    "size of the matrices, in float32.",
)
report.paragraph(
    "In float32:",
    report.range_sentence(ladder, "tiled", over="blas", dtype="float32"),
    "In float64:",
    report.range_sentence(ladder, "tiled", over="blas", dtype="float64"),
    report.stamp(ladder),
)

# %%
# **When not to.** A tile of registers pays where each number is used many times: for
# matrix products, convolutions, attention. For an operation that uses each number
# once there is nothing to keep, and the roof above it is the memory's. Do not write
# one for matrices of a handful of rows, whose edges are all there is; and do not
# write one at all where a library has it. This book writes it because the same ten
# lines, with another operation at their end, become kernels that no library has:
# page 12 adds an activation to a tile before it is stored.
#
# **Your turn.** Choose the tile for a machine with 16 registers of 8 float32, as
# most computers without AVX-512 have. Write down the number of sums, of loads for
# each multiply-add, and of registers, for 4 × 2, 6 × 2, 4 × 3 and 3 × 4. Then write
# the innermost step yourself, with names for the sums instead of a tile, and let it
# run on any computer in registers of that width:
#
# .. code-block:: python
#
#     from accel import simd
#     from accel.kernels import check
#
#     V = simd.vector("float32", 8)
#
#     @simd.jit
#     def two_by_one(a, b, out):
#         if a.shape[1] != b.shape[0] or out.shape != (a.shape[0], b.shape[1]):
#             raise ValueError("the shapes do not agree")
#         k, n = b.shape
#         for i in range(0, a.shape[0], 2):
#             for j in range(0, n, V.lanes):
#                 upper, lower = simd.zeros(V), simd.zeros(V)
#                 for p in range(k):
#                     row = simd.load(V, b, p * n + j)
#                     # ... two multiply-adds with a[i, p] and a[i + 1, p] ...
#                 simd.store(out, i * n + j, upper)
#                 simd.store(out, (i + 1) * n + j, lower)
#
#     for complaint in check(two_by_one, "panels"):
#         print(complaint)
#
# When it is right, make it 4 × 2, and predict before you measure what that gains.
#
# **Next need.** The product stands near the roof, and beside a library that others have
# tuned for years. One kernel proves little: how close to the limit does the best of every
# family come? Page 9½, *How close to the limit*.
#
# Sources: K. Goto and R. van de Geijn, "Anatomy of high-performance matrix
# multiplication", *ACM TOMS* 34 (2008), sections 4–6, for packing and for what
# a kernel needs from each cache; T. M. Low, F. D. Igual, T. M. Smith and E. S.
# Quintana-Ortí, "Analytical modeling is enough for high-performance BLIS", *ACM
# TOMS* 43 (2016), section 4, for the size of a tile; J. D. C. Little, "A proof for
# the queuing formula L = λW", *Operations Research* 9 (1961).
