"""
8 · Block it
============

**Need.** Vectorised code is limited by how fast memory delivers. A matrix product
should not be: it multiplies :math:`2 n^3` times with only :math:`3 n^2` numbers,
so each number could be used :math:`n` times once it has been fetched. Yet the
textbook triple loop fetches most of them again for every use.

**Predict.** One step at a time, from nested lists to the library that everyone
calls, the same product is computed again and again. The source claims a "2-5x speedup"
from cache-friendly blocking. Which steps of the ladder will give more, and which
will give nothing? A model for one of them: the inner loop of ``ijk`` walks down a
column, so each element it needs lies on another cache line.
"""

from accel import figures, kernels
from accel.timing import Case, measure, profile, report

LINE_BYTES, ITEM_BYTES = 64, 4
per_line = LINE_BYTES // ITEM_BYTES
report.Sentence(
    f"A line of {LINE_BYTES} bytes holds {per_line} float32. Walking down a "
    "column of a large matrix uses one of them per line fetched, walking along "
    f"a row all {per_line}: an upper bound for what reordering the loops can "
    "save in traffic."
)

# %%
# The ladder
# ----------
#
# Each step changes one thing. The three instruments are kept apart: the
# interpreter (``lists``, ``array_scalars``), NumPy, and code compiled by Numba.
# One thread throughout; cores come later. The slow steps run only at the sizes
# they can bear.

DRAFT = profile().name == "quick"
SIZES = (64, 256, 512) if DRAFT else (64, 128, 256, 512, 1024)
LARGEST = {
    "lists": 128,
    "lists_blocked": 128,
    "array_scalars": 64,
    "ijk": 256 if DRAFT else 512,
}


def product(n):
    """Return the case of one size, with the steps that can bear it."""
    steps = [
        step.name
        for step in kernels.ladder("matmul", dtype="float32", tag="ladder")
        if n <= LARGEST.get(step.name, n)
    ]
    described = kernels.case("matmul", steps, n=n, dtype="float32")
    return Case(**described, baseline="blas")


ladder = measure(
    "block_it.ladder",
    "How far is each way to multiply matrices from the best one?",
    [product(n) for n in SIZES],
    budget_s=14,
)
figures.ladder(
    ladder,
    current="blocked",
    alt="Arithmetic rate of each way to multiply matrices against the size "
    "of the matrices. Steps before blocking are dashed.",
)

# %%
# **Verdict.** Blocking against the step before it, size by size, and the same idea
# where no compiler is involved:

smallest, largest = ladder.cases[0], ladder.cases[-1]
report.paragraph(
    report.range_sentence(ladder, "blocked", over="ikj"),
    "In pure Python:",
    report.speedup_sentence(smallest, "lists_blocked", over="lists"),
    "Blocks over calls of the library:",
    report.speedup_sentence(largest, "blas_blocked"),
)

# %%
# **Explain.** Turning the loops round, from ``ijk`` to ``ikj``, already removes the
# walk down the columns: the inner loop reads and writes along rows, the compiler
# can use vector registers, and the hardware prefetcher sees the next line coming.
# Blocking removes what is left, fetching the same rows of ``b`` again for each
# row of ``a``. It pays only once ``b`` no longer fits into the cache, and only if
# the inner loop is fast enough to wait for memory. A loop in the interpreter is
# not: it never notices.
#
# NumPy can show the same thing without Numba. Its product of *integer* matrices
# does not go through BLAS, it is a compiled loop over the whole matrices, so
# blocks can be tried from outside: first as slices, which leave the rows of a
# block as far apart as they were, then with each block of ``b`` copied together.
# The sizes are pairs of neighbours, one of them a power of two. There the rows are
# a power of two apart as well, and a column of the matrix falls into a handful of
# the cache's sets, however large the cache is.

NEIGHBOURS = (250, 256) if DRAFT else (250, 256, 500, 512)


def integer_product(n):
    """Return the case of one size."""
    steps = ["numpy_int64", "numpy_int64_blocked", "numpy_int64_packed"]
    described = kernels.case("matmul", steps, n=n, dtype="int64")
    return Case(**described, baseline="numpy_int64")


integers = measure(
    "block_it.int64",
    "Does blocking help a compiled loop that is not ours?",
    [integer_product(n) for n in NEIGHBOURS],
    budget_s=6,
)
report.paragraph(
    report.range_sentence(integers, "numpy_int64_blocked", over="numpy_int64"),
    report.range_sentence(integers, "numpy_int64_packed", over="numpy_int64"),
)

# %%
# How large is a block?
# ---------------------
#
# A block that is too small spends its time starting loops, one that is too large
# no longer fits into the cache. Whether there is a valley in between, and how wide
# it is, tells how much care the choice deserves.

blocks = [step.name for step in kernels.ladder("matmul", tag="sweep")]
sizes = {"n": SIZES[-1], "dtype": "float32"}
described = kernels.case("matmul", ["ikj", *blocks], **sizes)
sweep = measure(
    "block_it.sweep",
    "Which block size is best?",
    [Case(**described, baseline="ikj")],
    budget_s=6,
)
figures.sweep(
    sweep,
    prefix="blocked_",
    alt="Time of the blocked product against block size.",
)

# %%
# From there to the library
# -------------------------
#
# The blocked loop finds its data in the cache, but for every product it still
# loads and stores an element of the result. Two more steps change that, and page 9
# takes them apart: *packing* copies each block into consecutive memory, and a
# *register tile* keeps a small square of the result in vector registers while it
# adds up hundreds of products, so that the inner loop stores nothing at all.

figures.ladder(
    ladder,
    current="tiled",
    alt="The whole ladder: the register-tiled kernel in front of all earlier "
    "steps, beside BLAS.",
)
report.paragraph(
    report.range_sentence(ladder, "blocked", over="blas"),
    report.range_sentence(ladder, "tiled", over="blas"),
    report.stamp(ladder),
)

# %%
report.ladder_table(smallest, over="lists")

# %%
report.ladder_table(largest)

# %%
# **When not to.** Never block by hand around a call that already blocks: ``blas``
# has its own panels, and cutting the matrices into pieces only takes away its
# freedom. Do not block matrices that fit into the cache whole, nor interpreted
# loops. And do not write a matrix product at all if you can call one. This page
# does, in order to see what is inside.
#
# **Your turn.** Write ``blocked_matmul(a, b, out)`` for matrices whose sizes are no
# multiple of the block, and which never loses to the plain loops on a matrix
# smaller than one block. Its edges are where such kernels break; try yours on
# all of those that the book's kernels must pass:
#
# .. code-block:: python
#
#     import numba
#     from accel.kernels import check
#
#     @numba.njit
#     def blocked_matmul(a, b, out):
#         out[:] = 0
#         # ... your loops over blocks ...
#
#     for complaint in check(blocked_matmul, "matmul"):
#         print(complaint)
#
# **Next need.** What still separates the blocked loop from the last steps of the
# ladder is no longer in the caches but in the registers: page 9, *Fill the
# registers*.
#
# Sources: K. Goto and R. van de Geijn, "Anatomy of high-performance matrix
# multiplication", *ACM TOMS* 34 (2008), sections 4–5; M. Lam, E. Rothberg and
# M. Wolf, "The cache performance and optimizations of blocked algorithms",
# ASPLOS (1991), on blocks and on copying them; G. Golub and C. Van Loan, *Matrix Computations*,
# 4th ed. (2013), section 1.5.
