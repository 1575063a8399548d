"""
8 · Block it
============

**Need.** Vectorised code is limited by how fast memory delivers. A matrix product
should not be: it multiplies :math:`2 n^3` times with only :math:`3 n^2` numbers,
so each number could be used :math:`n` times once it has been fetched. Yet the
textbook triple loop fetches most of them again for every use.

**Predict.** One step at a time, from nested lists to the library that everyone
calls, the same product is computed in eleven ways. The source promises
"2–5× speedups" from cache-friendly blocking. Which steps of the ladder will give
more, and which will give nothing? A model for one of them: the inner loop of
``ijk`` walks down a column, so each element it needs lies on another cache line.
"""

from accel import figures, kernels
from accel.timing import Case, measure, profile, report

LINE_BYTES, ITEM_BYTES = 64, 4
report.Sentence(
    f"A line of {LINE_BYTES} bytes holds {LINE_BYTES // ITEM_BYTES} float32. Walking down a column "
    f"of a large matrix uses one of them per line fetched, walking along a row all "
    f"{LINE_BYTES // ITEM_BYTES}: an upper bound for what reordering the loops can save in traffic."
)

# %%
# The ladder
# ----------
#
# Each step changes one thing. The three instruments are kept apart: the
# interpreter (``lists``, ``array_scalars``), NumPy, and code compiled by Numba.
# One thread throughout; cores come later. The slow steps run only at the sizes
# they can bear.

SLOW, MEDIUM = {"quick": (64, 256)}.get(profile().name, (128, 512))
SIZES = {
    "quick": (64, 256, 512),
    "standard": (64, 128, 256, 512, 1024),
    "publish": (64, 128, 256, 512, 1024, 2048),
}[profile().name]


def steps_at(n):
    """Return the steps of the main ladder that finish in reasonable time at size n."""
    limits = {"interpreter": SLOW}
    return [
        step.name
        for step in kernels.ladder("matmul", dtype="float32", tag="ladder")
        if n <= limits.get(step.instrument, n) and (step.name != "ijk" or n <= MEDIUM)
    ]


ladder = measure(
    "block_it.ladder",
    "How far is each way to multiply matrices from the best one?",
    [Case(**kernels.case("matmul", steps_at(n), n=n, dtype="float32"), baseline="blas") for n in SIZES],
    budget_s=22,
)  # fmt: skip
figures.ladder(
    ladder,
    current="blocked",
    alt="Arithmetic rate of each way to multiply matrices against the size of the matrices. "
    "Steps before blocking are dashed.",
)

# %%
# **Verdict.** Blocking against the step before it, size by size, and the same idea
# where no compiler is involved:

smallest, largest = ladder.cases[0], ladder.cases[-1]
report.paragraph(
    report.range_sentence(ladder, "blocked", over="ikj"),
    "In pure Python: " + report.speedup_sentence(smallest, "lists_blocked", over="lists"),
    "Blocks over calls of the library: " + report.speedup_sentence(largest, "blas_blocked"),
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
# blocks can be tried from outside:

integers = measure(
    "block_it.int64",
    "Does blocking help a compiled loop that is not ours?",
    [
        Case(
            **kernels.case("matmul", ["numpy_int64", "numpy_int64_blocked"], n=n, dtype="int64"),
            baseline="numpy_int64",
        )
        for n in ((128, 256) if profile().name == "quick" else (128, 256, 512, 1024))
    ],
    budget_s=6,
)
report.range_sentence(integers, "numpy_int64_blocked", over="numpy_int64")

# %%
# How large is a block?
# ---------------------
#
# A block that is too small spends its time starting loops, one that is too large
# no longer fits into the cache. In between lies a valley, and its width tells
# how much care the choice deserves.

sweep = measure(
    "block_it.sweep",
    "Which block size is best?",
    [
        Case(
            **kernels.case(
                "matmul",
                ["ikj", *(step.name for step in kernels.ladder("matmul", tag="sweep"))],
                n=512 if profile().name == "quick" else 1024,
                dtype="float32",
            ),
            baseline="ikj",
        )
    ],
    budget_s=8,
)
figures.sweep(
    sweep,
    prefix="blocked_",
    alt="Time of the blocked product against block size: slow for small blocks, a valley, and a "
    "rise for blocks that leave the cache.",
)

# %%
# From there to the library
# -------------------------
#
# Blocking stops far below what the arithmetic units can do. Two more steps close
# the gap, and page 9 takes them apart: *packing* copies each block into
# consecutive memory, and a *register tile* keeps a small square of the result in
# vector registers while it adds up hundreds of products, so that the inner loop
# stores nothing at all.

figures.ladder(
    ladder,
    current="tiled",
    alt="The whole ladder: the register-tiled kernel in front of all earlier steps, beside BLAS.",
)
report.paragraph(report.range_sentence(ladder, "tiled", over="blas"), report.stamp(ladder))

# %%
report.ladder_table(smallest)

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
# **Next need.** Even blocked, the compiled loop stops well short of the library.
# The missing factor is no longer in the caches but in the registers: page 9, *Fill
# the registers*.
#
# Sources: K. Goto and R. van de Geijn, "Anatomy of high-performance matrix
# multiplication", *ACM TOMS* 34 (2008), sections 4–5; M. Lam, E. Rothberg and
# M. Wolf, "The cache performance and optimizations of blocked algorithms",
# ASPLOS (1991), section 3; G. Golub and C. Van Loan, *Matrix Computations*,
# 4th ed. (2013), section 1.5.
