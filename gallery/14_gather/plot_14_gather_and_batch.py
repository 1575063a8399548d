"""
14 · Gather and batch
=====================

**Need.** Everything so far read its numbers in a known order, and computed with them.
Much of a model's time goes into neither: it looks numbers up. The first layer of a
language model takes a row out of a table for each word; its gradient adds rows into that
table; and every count of anything is an addition at an address that data
decide. There is no arithmetic to speed up, and no order that a processor could foresee.

**Predict.** A row that is looked up costs what its way from memory costs. If rows come in
order, the processor sees the next one coming, and they arrive at the bandwidth of
memory. If they come in any order, each begins with a wait of some hundred
nanoseconds, of which a core can have some twenty under way at once. If a few rows take
most of the lookups, as a few words make up most of a text, those rows stay in the cache.
So before you read on: for rows of 1 KiB, how much slower is a random order than a
sorted one? And for rows of 64 bytes?
"""

from accel import figures, kernels
from accel.findings import batching
from accel.timing import Case, measure, profile, report

LATENCY_NS, BYTES_PER_NS, UNDER_WAY = 150, 25, 20  # guesses, to be judged below


def predicted_ns(row_bytes, foreseen):
    """Return the time of a row: its bytes, or its share of a wait if that is longer."""
    moving = row_bytes / BYTES_PER_NS
    return moving if foreseen else max(moving, LATENCY_NS / UNDER_WAY)


report.Table(
    "Time of one row from memory, by the model",
    ("Row", "In order", "In any order"),
    [
        (f"{size} bytes", f"{predicted_ns(size, True):.3g} ns", f"{predicted_ns(size, False):.3g} ns")
        for size in (64, 256, 1024)
    ],
)

# %%
# Rows of a table
# ---------------
#
# ``embedding`` copies a row of a table for each index. The table is larger than the caches.
# Its indices are sorted, random, or drawn as words are (``zipf``): the frequency of the
# word of rank :math:`r` falls like :math:`r^{-1.2}`. ``numpy_out`` is ``np.take``, ``vector`` copies
# rows in registers and asks for the rows of later indices in advance.

DRAFT = profile().name == "quick"
ROWS = 40_000 if DRAFT else 200_000
STEPS = ["numpy", "numpy_out", "compiled", "vector"]
ORDERS = ("sorted", "random", "zipf")


def lookup(order, width):
    """Return the case of one order of the indices and one width of the rows."""
    rows = ROWS * 256 // width
    described = kernels.case(
        "embedding", STEPS, n=rows // 4, d=width, rows=rows, order=order
    )
    return Case(**described, baseline="numpy_out")


lookups = measure(
    "gather.lookup",
    "What does the order of the indices cost?",
    [lookup(order, width) for width in (256, 16) for order in ORDERS],
    budget_s=5,
)
wide, narrow = lookups.cases[:3], lookups.cases[3:]
report.Table(
    "Time of one row",
    ("Row", "Order", *(f"`{step}`" for step in STEPS)),
    [
        (
            f"{4 * case.parameters['d']} bytes",
            case.parameters["order"],
            *(f"{case.time_ns(step).value / case.parameters['n']:.3g} ns" for step in STEPS),
        )
        for case in lookups.cases
    ],
)

# %%
# **Verdict.** What the vector step gains over NumPy's, order by order, for wide rows and
# narrow ones:

report.paragraph(
    *(report.speedup_sentence(case, "vector") for case in (*wide, *narrow)),
    report.stamp(lookups),
)

# %%
# **Explain.** A wide row is a stream of its own: after its first lines the processor foresees
# the rest, so most of its time is bandwidth whatever the order. A narrow row is one line or
# two, and nothing follows from it. There the order decides; and where it cannot be
# chosen, the program can still say early what it will want: the index of the row after next
# is known long before that row is needed. That is what ``vector`` does.
#
# Sorting the indices first makes their order better, and is work of its own, which has to be
# paid for: it pays where the same indices are used many times. Duplicates need no sorting:
# the cache finds them.
#
# Adding into rows
# ----------------
#
# The gradient of a lookup goes the other way: ``out[indices[i]] += values[i]``. In NumPy that
# expression is wrong where an index comes twice, since it reads before it adds; ``np.add.at``
# is right. Two more ways are known: ``np.bincount`` with weights, column by column, and
# sorting, so that equal indices lie together and can be summed with ``np.add.reduceat``.

WAYS = ["add_at", "bincount", "sorted", "compiled", "vector"]
N = 20_000 if DRAFT else 100_000

adding = measure(
    "gather.scatter_add",
    "Which way of adding at indices is fastest?",
    [
        Case(
            **kernels.case("scatter_add", WAYS, n=N, d=width, rows=5_000, order=order),
            baseline="add_at",
        )
        for width, order in ((1, "random"), (64, "random"), (64, "zipf"))
    ],
    budget_s=5,
)
scalars, rows_in_any_order, words = adding.cases
figures.rungs(
    adding,
    along="d",
    d=64,
    order="random",
    alt="One row per way of adding rows at random indices: the additions it "
    "does in a second.",
)
report.paragraph(
    *(report.speedup_sentence(case, "vector") for case in adding.cases),
    *(report.speedup_sentence(case, "sorted") for case in adding.cases),
)

# %%
report.ladder_table(scalars)

# %%
# Counting is the narrowest scatter-add: one is added to the bin of each number. Two
# equal numbers in a row must wait for each other, since the second reads what the first
# has just written. ``private`` has several histograms, which take turns, and adds them up:

counting = measure(
    "gather.histogram",
    "What does it cost to count?",
    [
        Case(
            **kernels.case(
                "histogram",
                ["numpy", "bincount", "compiled", "private", "vector"],
                n=100_000,
                bins=64,
            ),
            baseline="numpy",
        )
    ],
    budget_s=3,
)
report.ladder_table(counting.cases[0])

# %%
# Requests that wait for company
# ------------------------------
#
# A server multiplies each request by the same matrix. One request is a vector times a matrix:
# every weight is fetched and used once, and the roof is the memory's. Several requests
# at a time share the weights, as blocks of page 8 share a row. So a server waits until it has
# a *batch*. Everybody's answer comes later, and more answers come:

BATCHES = (1, 4, 16, 64) if DRAFT else (1, 2, 4, 8, 16, 32, 64, 128, 256)
WEIGHTS = 1024
batch = measure(
    "gather.batch",
    "How many requests should wait for each other?",
    [
        Case(
            **kernels.case("matmul", ["tiled", "blas"], m=m, k=WEIGHTS, n=WEIGHTS),
            baseline="blas",
        )
        for m in BATCHES
    ],
    budget_s=4,
)
figures.throughput(
    batch,
    "blas",
    alt="Requests answered per second against the time of an answer, for batches of "
    "growing size.",
)
report.paragraph(
    batching.batch_sentence(batch, "blas"),
    batching.batch_sentence(batch, "tiled"),
)

# %%
batching.batch_table(batch, "blas")

# %%
# **When not to.** Do not replace a lookup in a small table: it is in the cache, and a call costs
# more than the rows. Do not sort indices that are used once. Do not use several private
# histograms for many bins, since they have to fit the cache together. And do not batch where
# the one who waits is a person, or where requests come too seldom to find company.
#
# **Your turn.** Write ``scatter_add(indices, values, out)`` with NumPy only, five times as fast as
# ``np.add.at`` on rows of 64 numbers, or explain why it cannot be done on your machine:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import case, check
#     from accel.timing import Case, measure, report
#
#     def mine(indices, values, out):
#         ...
#
#     for complaint in check(mine, "scatter_add"):
#         print(complaint)
#
# To measure it beside the others, put it into a file and name it there, as
# ``"target": "mine.py:mine"`` in ``kernels`` of the case.
#
# **Next need.** One core is busy with all of this, and the machine has more. Page 15, *Use
# every core*.
#
# Sources: the NumPy reference, ``numpy.ufunc.at``, ``numpy.bincount`` and
# ``numpy.ufunc.reduceat``; G. K. Zipf, *Human Behavior and the Principle of Least
# Effort* (1949), on the frequency of words; M. Naumov et al., "Deep learning
# recommendation model for personalization and recommendation systems",
# arXiv:1906.00091 (2019), section 2, on embedding tables.
