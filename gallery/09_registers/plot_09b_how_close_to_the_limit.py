"""
9½ · How close to the limit
===========================

**Need.** The matrix product of page 9 stands near the roof, and beside a library that
others have tuned for years. One kernel proves little. The claim of this book is that a
reader of Python can reach the limit of the machine, in any of the operations that a
model is made of; so the claim has to be held against all of them, and against
whatever one would call otherwise.

**Predict.** Each operation has a roof, by its arithmetic intensity: page 3. One that
uses each number once, such as an activation, can be no faster than the memory that holds
it, however clever. So for arrays in memory, what can the best kernel gain over a
library's? At most what the library wastes: passes that it makes twice, lines that it
reads only to overwrite them. Within a cache, where bandwidth is plentiful, there is
more to gain: calls, checks, and functions that are computed one number at a time.
Write down two numbers: the share of the roof that you expect of an activation in
memory, and by how much a kernel can beat NumPy's there.

What stands beside our kernels depends on what is installed where this book is built. A
library that is not there is named.
"""

from accel import figures
from accel.bench import excerpt
from accel.timing import measure, report, roofs

rivals = excerpt.rivals()
excerpt.absent_sentence(rivals)

# %%
# The best of each family
# -----------------------
#
# Of each family its best kernel, at a size that fits the second cache, and at one that
# fits none, or, where there is much arithmetic for each number, at one that takes no
# longer than some milliseconds. All competitors are interleaved in one run. NumPy is run
# as well as it can be run: with ``out=``, in place, through BLAS.

FAMILIES = (
    "gelu",
    "softmax",
    "layernorm",
    "adam",
    "transpose",
    "sum",
    "embedding",
    "attention",
    "conv2d",
    "conv2d_nhwc",
    "matmul",
)
limit = measure(
    "limit.families",
    "How close to the limit is the best of each family, and how far ahead?",
    excerpt.cases(FAMILIES, rivals),
    budget_s=14,
)
ceilings = roofs.here()
excerpt.limit_table(limit, ceilings)

# %%
# **Verdict.** Near and far, from all of these cases:

here = [rival["name"] for rival in rivals if rival["reason"] is None]
report.paragraph(
    excerpt.furthest_sentence(limit, ceilings),
    *(excerpt.rival_sentence(limit, rival) for rival in here),
    report.stamp(limit),
)

# %%
# **Explain.** Every point has a roof above it, flat where arithmetic is the limit and
# slanted where memory is. The distance to it, on a logarithmic scale, is what is left to
# gain:

figures.shares(
    limit,
    ceilings,
    alt="Share of the measured roof that the best kernel of each family reaches, near and "
    "far.",
)

# %%
# A convolution by Winograd's transformation (``conv2d``, ``conv2d_nhwc``) has no share: it
# does less arithmetic than the definition, with which it is credited, so no roof stands above
# it.
#
# What keeps a kernel from its roof has few names. In a near cache it is the arithmetic
# that the roof does not count: an exponential is one FLOP in the count and a dozen
# instructions in the core. In memory it is whatever is read or written and not
# compulsory: a store that reads its line first, which streaming stores avoid; pages
# whose translation is not at hand, which a transpose meets at each row. For short rows
# and small arrays it is the call itself.
#
# Against the libraries the names are others. One that works operation by operation walks
# over its arrays as often as there are operations: pages 11 and 12. One that serves
# every processor takes the path that all of them have. And one whose kernels are as good as
# can be, such as a BLAS, is met and not beaten.
#
# The whole list
# --------------
#
# ``accel bench --peers`` measures every operation of this library, at four places in
# memory and at awkward shapes, against every library of the table that is installed, with
# errors beside the times and the time of a first call. It takes many times as long as this
# page:
#
# .. code-block:: console
#
#     $ pip install torch jax numexpr scipy
#     $ accel bench --peers --profile quick --json mine.json
#
# **When not to.** Do not replace a library's call because a table says that another kernel
# is faster. It was measured at two sizes, in one type, on one machine. Look whether the
# operation is what your program waits for, whether your sizes are those, and what you give
# up: a library has been run on more machines than any book. And where the verdict is
# ``not resolved``, there is nothing to choose.
#
# **Your turn.** Take one operation whose share of the roof is small, find its kernel in
# ``accel/kernels``, and name what keeps it down. Then test your guess by taking that away
# and counting what is left: an exponential replaced by a multiplication computes the
# wrong answer at the speed of the passes alone.
#
# .. code-block:: python
#
#     from accel import kernels
#     from accel.timing import Case, measure, report
#
#     steps = ["numpy_out", "vector", "threads"]
#     case = Case(
#         **kernels.case("softmax", steps, rows=1024, width=1024), baseline="vector"
#     )
#     mine = measure("mine.softmax", "What keeps it down?", [case], budget_s=5)
#     print(report.ladder_table(mine.cases[0]))
#
# **Next need.** The product now stands near the roof, because all of its data comes in
# the order in which it lies. Most operations on images and sequences are not so lucky: the
# same numbers in another order take another time. Page 10, *Lay it out*.
#
# Sources: S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual
# performance model for multicore architectures", *Communications of the ACM* 52 (2009);
# V. W. Lee et al., "Debunking the 100X GPU vs. CPU myth", ISCA (2010), sections 4–5, on
# comparing tuned with tuned; T. Hoefler and R. Belli, "Scientific benchmarking of parallel
# computing systems", SC (2015), rules 1–4, on ratios and on bounds.
