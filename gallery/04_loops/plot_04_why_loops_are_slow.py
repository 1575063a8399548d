"""
4 · Why loops are slow
======================

**Need.** Page 3 put a roof over every operation. That of a matrix product is the
peak of the arithmetic itself, since it can use its data so often that memory need
not limit it. Written as three plain loops, the same product runs at a tiny share
of that roof (how tiny is computed below). Nothing in the loops says where the
rest goes. They multiply and add; most of the time the machine does something else.

That something comes in layers, and "Python is slow" names only the first. This
page takes the product apart, one layer at a time, until the arithmetic is all
that is left. Each step removes **one** thing, and what that was worth is measured
against the step before it, in the same run.

**Predict.** What does each layer cost? Some answers can be counted instead of
guessed, since the interpreter's work lies open:
"""

from accel import figures, kernels
from accel.findings import interpreted, loops, waterfall
from accel.kernels.matmul.layers import same_numbers
from accel.kernels.matmul.blocks import host_tile
from accel.timing import Case, machine, measure
from accel.timing import profile, report, roofs

product = {step.name: step.function for step in kernels.ladder("matmul")}
row = kernels.operation("matmul").inputs(n=1000, m=1, k=1)[1][0]
report.paragraph(
    interpreted.bytecode_sentence(product["lists"], "lists"),
    interpreted.boxes_sentence(row),
)

# %%
# For the layers below the interpreter there are models. A multiply-add takes
# about four cycles, but a core can begin a new one in each cycle, so sums that
# wait for each other take four times as long. A vector register holds several
# numbers. A line of the cache holds 16 float32, of which a walk down a column uses
# one. And a loop that adds to memory loads two numbers and stores one for each
# multiply-add, where a tile of sums held in registers loads much less. Write your
# own numbers down, then run this.

INSTRUCTION_NS, OBJECT_NS, READ_NS = 2, 10, 50  # guesses, to be judged below
CYCLE_NS, LATENCY, LINE_FLOATS = 0.3, 4, 16

here = machine.describe()
CORES = here["logical_cores"] or 1
lanes = (here["vector_bits"] or 128) // 32
tile = host_tile("float32")
loads = (tile.rows + tile.vectors) / (tile.rows * tile.vectors)
interpreting = len(interpreted.inner_loop(product["lists"])) * INSTRUCTION_NS
handling = 2 * OBJECT_NS  # a product is made, and added
chained = LATENCY * CYCLE_NS

predicted = {
    "array reads": (2 * READ_NS + interpreting) / interpreting,
    "bytecode": interpreting / handling,
    "objects": handling / chained,
    "column walk": LINE_FLOATS,
    "waiting sums": LATENCY,
    "single numbers": lanes,
    "sums in memory": 3 / loads,
    "idle cores": CORES,
}
report.Table(
    "What the models give",
    ("Layer removed", "Predicted factor"),
    [(layer, f"{factor:.2g}×") for layer, factor in predicted.items()],
)

# %%
# The layers
# ----------
#
# ========================  ====================================================
# Step                      What it removes
# ========================  ====================================================
# ``array_scalars``         nothing: Python loops that read arrays by index
# ``lists``                 *array reads*: making an object of each number read
# ``lists_sum``             *bytecode*: ``sum(map(mul, row, column))`` instead
# ``ijk``                   *objects*: the same three loops, compiled
# ``ijk_transposed``        *column walk*: both factors from consecutive memory
# ``ikj_scalar``            *waiting sums*: adds to many sums in turn
# ``ikj``                   *single numbers*: the same code with vectors allowed
# ``tiled``                 *sums in memory*: a tile of them stays in registers
# ``tiled_threads``         *idle cores*: bands of rows, one for each core
# ========================  ====================================================
#
# The slow steps can only be run on small matrices, and on small matrices there
# is nothing for caches and cores to do. So the chain has three parts: from Python to
# the compiled loop on small matrices; from there on one core with a large second
# factor (the first has few rows, to save time); and last, on large matrices, a run
# in which all cores are allowed. Each part begins with the step that ended the one
# before, and no factor is taken across.

INTERPRETED = {
    "array_scalars": "",
    "lists": "array reads",
    "lists_sum": "bytecode",
    "ijk": "objects",
}
ON_ONE_CORE = {
    "ijk": "",
    "ijk_transposed": "column walk",
    "ikj_scalar": "waiting sums",
    "ikj": "single numbers",
    "tiled": "sums in memory",
}
ON_ALL_CORES = {"tiled": "", "tiled_threads": "idle cores"}
SMALL, LARGE = 48 if profile().name == "quick" else 64, 512
NARROW = SMALL**2 // LARGE  # as much data as in the small one, in long sums


def product_of(steps, baseline="ijk", **sizes):
    """Return a case of these steps."""
    described = kernels.case("matmul", steps, **sizes, dtype="float32")
    return Case(**described, baseline=baseline)


alone = measure(
    "loops.matmul",
    "What does each layer between a loop and the machine cost?",
    [
        product_of({**INTERPRETED, **ON_ONE_CORE}, n=SMALL),
        product_of(["ijk"], m=NARROW, k=LARGE, n=NARROW),
        product_of(ON_ONE_CORE, m=SMALL, n=LARGE, baseline="tiled"),
    ],
    budget_s=7,
)
together = measure(
    "loops.cores",
    "And what do idle cores cost?",
    [
        product_of(ON_ALL_CORES, n=LARGE, baseline="tiled"),
        product_of(["blas"], n=LARGE, baseline="blas"),
    ],
    budget_s=3,
    threads=CORES,
)
small, long_sums, large = alone.cases
cores, library = together.cases
layers = waterfall.layers(
    (small, INTERPRETED), (large, ON_ONE_CORE), (cores, ON_ALL_CORES)
)
ceilings = roofs.here()
figures.waterfall(
    layers,
    beside=[(library, "blas")],
    roofs=ceilings,
    threads=CORES,
    name="loops.matmul-waterfall",
    alt="The time of one floating-point operation in a matrix product, falling "
    "from Python loops over arrays to a register tile on all cores; each bar is "
    "one layer that was removed.",
)

# %%
# **Verdict.** The split comes first, since a single number for all of it would
# teach nothing. Interpreter and compiler:

split = waterfall.parts_of(layers)
report.paragraph(
    waterfall.split_sentence(split[0]),
    "Memory and registers:",
    waterfall.split_sentence(split[1]),
    "Cores:",
    waterfall.split_sentence(split[2]),
    waterfall.largest_sentence(layers),
    waterfall.judged_sentence(layers, predicted),
)

# %%
waterfall.table(layers, predicted)

# %%
# The source has one figure, "5-50x", for "SIMD instructions and avoiding Python
# loops" together. They are two layers, and in between lie others. Apart:

report.paragraph(
    report.speedup_sentence(small, "ijk", over="lists"),
    report.speedup_sentence(large, "ikj", over="ikj_scalar"),
)

# %%
# And the roof that we came from:

report.paragraph(
    loops.share_sentence(small, ["lists", "ijk"], ceilings),
    loops.share_sentence(large, ["ijk", "tiled"], ceilings),
    loops.share_sentence(cores, ["tiled_threads"], ceilings, CORES),
    loops.share_sentence(library, ["blas"], ceilings, CORES),
    report.stamp(alone),
    report.stamp(together),
)

# %%
# The library stands apart from the waterfall, and was measured in rounds of its own:
# it brings threads of its own, which go on waiting for work, at full speed, for a
# while after each call, on the very core that ours would begin to use.
#
# **Explain.** *Array reads.* An array holds bare numbers. The interpreter cannot
# work with those, so each ``a[i, p]`` builds a pair of indices, asks the array,
# and wraps four bytes in a new object, which is thrown away after one
# multiplication. A list holds finished objects. That is why a loop over lists
# can be faster than the same loop over arrays, and why arrays are for
# operations on whole arrays.
#
# *Bytecode.* The interpreter fetches each instruction, jumps to the code for it
# and keeps a stack of references. ``sum`` and ``map`` do the same loop in C, on the
# same objects.
#
# *Objects.* What is left of Python then is its numbers: each has a type to be
# looked at, a counter of references, and an address of its own; each product is a
# new one. Compiled code knows the types beforehand and keeps numbers in
# registers. Lists hold Python's numbers, which are float64, so the compiled
# loop also has half the bytes to move; at this size, that hardly counts.
#
# *Column walk.* The inner loop takes its second factor from another line of the
# cache each time. Whether that is felt depends on what else the loop waits
# for: the processor fetches ahead while it adds, and as long as the chain of
# additions is the slower of the two, the walk hides behind it. Small matrices stay
# in the caches nearest to the core. The rows of the large ones lie a power of two
# apart, which makes the walk dearer than at most sizes. Compare the two:

report.paragraph(
    report.speedup_sentence(small, "ijk_transposed", over="ijk"),
    report.speedup_sentence(large, "ijk_transposed", over="ijk"),
)

# %%
# A layer has no price of its own, then: what its removal gives depends on which
# layers are still there. Removed in another order the factors would differ, though
# not their product. Nor is the first dashed step of the figure, from small matrices to
# larger ones, simply the price of more data. ``long_sums`` is a third case: narrow
# matrices with no more data than the small ones, whose sums have as many terms as
# those of the large ones.

loops.sums_sentence(small, long_sums, large)

# %%
# *Waiting sums.* ``total += x`` needs the ``total`` of the pass before. The
# compiler must not split the sum in four, because in floating point that is
# another sum. Exchanging the loops gives it many sums that do not depend on one
# another. *Single numbers.* Only now can vector instructions be used, and the
# compiler does so by itself; ``ikj_scalar`` is the same code, forbidden to. The
# width of a register bounds what that can give: loads and stores, which the model
# left out, set the pace first. Hence the next layer, *sums in memory*. That and
# *idle cores* are the work of pages 8, 9 and 15.
#
# Is NumPy fast because it is compiled?
# -------------------------------------
#
# NumPy contains a test of that. Its product of floating-point matrices calls BLAS;
# BLAS has none for integers, so there NumPy runs three plain loops in C. Here
# are the same whole numbers as int64 and as float64, with 64 bits each. The types
# are not quite equal rivals: integers have no fused multiply-add, and vector
# registers multiply 64-bit integers slowly or not at all; but an integer addition
# takes one cycle, so their sums hardly wait. Our own loop over both types shows
# what all of that comes to.

integers = measure(
    "loops.integers",
    "Is NumPy's product fast where no BLAS stands behind it?",
    [Case(**same_numbers(96), baseline="ijk_int64")],
    budget_s=2,
)
report.paragraph(
    loops.integer_sentence(integers.cases[0]),
    report.speedup_sentence(integers.cases[0], "ijk", over="ijk_int64"),
    report.stamp(integers),
)

# %%
# **When not to.** Do not take layers away from code that runs once: reading a
# configuration, setting up a plot, walking over ten files. Nor from small work,
# because a compiled function has a price of its own, its first call:

loops.first_call_sentence(small, "ijk", over="lists")

# %%
# A call of NumPy costs about as much as some dozens of bytecode instructions,
# however short the arrays. And before any layer is removed, ask whether a better
# algorithm makes the loop unnecessary (page 6), and whether a library has done
# all of this already, which for matrix products is the case.
#
# **Your turn.** Remove one layer yourself, and predict the factor first. This
# inner loop has the waiting sums of ``ijk``. Give it four sums that take turns,
# add them up at the end, and mind the products that are left over when ``k``
# is no multiple of four. What is the most that four sums can give, what do you
# expect at small ``k``, and why was the compiler not allowed to do it? The starter
# has only the first of the four sums, so the check complains:
#
# .. code-block:: python
#
#     import numba
#     from accel.kernels import check
#
#     @numba.njit
#     def four_sums(a, b, out):
#         for i in range(a.shape[0]):
#             for j in range(b.shape[1]):
#                 s0 = s1 = s2 = s3 = out.dtype.type(0)
#                 for p in range(0, a.shape[1] - 3, 4):
#                     s0 += a[i, p] * b[p, j]
#                     # ... the other three sums ...
#                 out[i, j] = s0 + s1 + s2 + s3
#
#     for complaint in check(four_sums, "matmul"):
#         print(complaint)
#
# **Next need.** The models of the arithmetic count cycles, and they can be checked
# by counting. The model of the column walk counted lines of the cache, as if the
# loop waited for each of them, and what it gave was a bound, not a prediction. A
# compiled loop waits for memory, but how long depends on where the numbers lie: the
# roof itself moves with the size of the data. That is page 5, *The memory mountain*.
#
# Sources: Python Software Foundation, *The Python Standard Library*, ``dis``;
# G. Golub and C. Van Loan, *Matrix Computations*, 4th ed. (2013), section 1.1, on
# the orders of the three loops; J. Hennessy and D. Patterson, *Computer
# Architecture: A Quantitative Approach*, on dependent instructions and latency;
# LLVM, *Language Reference*, fast-math flags, on what a compiler may reorder.
