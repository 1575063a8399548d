"""
5 · The memory mountain
=======================

**Need.** The roof moves with size. The roofline of page 3 had several memory roofs,
one for each level, and page 4 took a loop apart until only arithmetic and memory
were left. Which roof a loop then meets is decided by the size of its data, not by
its code. So this page asks the memory itself: how fast is it, at every size, and in
which way must it be asked?

The source document has a table for this, of caches and the clock cycles an access to
each takes. Its key insight is that "keeping data in cache and accessing memory in
cache-friendly patterns provides dramatic speedups". Here both are put to the test,
the numbers of the table and the insight.

**Predict.** Page 1 measured how many bytes per second loads deliver. If time is
bytes over bandwidth, that settles how long one access takes, near and far:
"""

from accel import figures, kernels
from accel.findings import mountain
from accel.timing import Case, machine, measure
from accel.timing import profile, report, roofs
from accel.timing.roofs import chase

here = roofs.here()
mountain.prediction_sentence(here)

# %%
# Write down whether you believe it, and by what factor it is off.
#
# The mountain
# ------------
#
# First the bandwidths themselves. Three loops run over arrays of more and more
# bytes: one loads them, one copies, and one, the triad, loads two arrays and stores
# a third. Each is compiled to the widest vector instructions there are, and walks
# straight ahead.

figures.bandwidth(
    here,
    alt="Bandwidth of loads, copies and triads of one thread against the "
    "footprint of their arrays. The sizes of the caches, as the system states "
    "them, are marked.",
)

# %%
# From the left the curve is a mountain: high plateaus near the core, slopes where a
# cache ends, a plain at its foot. The roof of a loop is the height above its own
# footprint. A loop that would be limited by arithmetic on a small array can be
# limited by memory on a large one, without a line of it changed.
#
# The staircase
# -------------
#
# Now one access at a time. In a *chase* each line of memory holds the address of
# the next, in random order. No prefetcher can guess it, and the core cannot ask for
# the next line before this one has arrived. So the time of a step is the whole way
# there and back: the latency. Beside it, in the same rounds, runs a chain of shifts
# of which each takes one clock cycle, to turn nanoseconds into cycles whatever the
# clock is doing.

DRAFT = profile().name == "quick"
latency = measure(
    "mountain.latency",
    "How long does one access take, by the size of the data?",
    chase.latency_cases(per_octave=1 if DRAFT else 2),
    budget_s=8,
)
figures.staircase(
    latency,
    alt="Time of a dependent access against footprint. Bars show the levels "
    "found from the curve, dotted lines the caches that the system states.",
)

# %%
# **Verdict.** The prediction first, then the levels. They are found from the curve
# alone: the fit that pays least for its distance from the points and for the number
# of its steps.

_, _, predicted = mountain.bandwidth_drop(here)
report.paragraph(
    mountain.verdict_sentence(predicted, latency),
    mountain.latency_sentence(latency),
    mountain.levels_sentence(latency),
    report.stamp(latency),
)

# %%
# The source gives an access 1–2 cycles in the first cache, 3–10 in the second and
# 100–300 in memory. The :doc:`claims ledger </claims>` holds its table, line by
# line, against these measurements, and its sizes against those that the system
# states. Where a step is missing, or lies where no cache ends, there are reasons: in
# a virtual machine the last cache is shared with neighbours who are not asked; near
# its capacity a cache already loses lines, as its sets fill unevenly; and addresses
# must be translated, by tables with caches of their own. The chase asks for large
# pages to keep that out, and a hypervisor need not grant them.
#
# **Explain.** How can memory deliver a line more often than once in the time of an
# access? Because the loops of the mountain never waited for one line before they
# asked for the next. John Little's law says how many lines must have been on their
# way: as many as arrive in a second, times the seconds each one takes.

mountain.little_sentence(here, latency)

# %%
# That is a claim about the hardware, and it can be tried. Walk several chains in
# turns. The steps of one wait for each other, those of different chains do not:

chains = measure(
    "mountain.chains",
    "How many accesses can be on their way at once?",
    chase.chain_cases(),
    budget_s=4,
)
figures.chains(
    chains,
    alt="How many times more accesses complete with several chains side by "
    "side than with one. The thin line is complete overlap.",
)
mountain.overlap_sentence(chains)

# %%
# This number is called memory-level parallelism. A core has a fixed number of places
# to note lines that it waits for, and when all are taken, more chains gain nothing.
# Where the straight walk needed more lines in flight than chains can have, the
# difference is the prefetcher's: it asks for lines ahead of the loop, and further
# from the core has places of its own.
#
# So latency has to be paid only by a program that cannot know its next address. A
# linked list, a tree, a hash table of chains pay it in full. An array does not.
#
# Whole lines only
# ----------------
#
# Memory delivers lines, commonly of 64 bytes, however little of each is wanted. The
# next experiment adds up every second, every fourth, ... element of an array larger
# than the caches, and counts only the elements used.

STRIDES = (1, 4, 16, 32, 64) if DRAFT else (1, 2, 4, 8, 16, 32, 64)
LARGE = chase.far_footprint(machine.describe()) // 8  # float32, half that size


def strided(stride):
    """Return the case of one stride."""
    sizes = dict(n=LARGE, stride=stride, dtype="float32")
    described = kernels.case("strided_sum", ["eight_sums"], **sizes)
    return Case(**described, baseline="eight_sums")


strides = measure(
    "mountain.strides",
    "What does an element cost whose neighbours are not used?",
    [strided(stride) for stride in STRIDES],
    budget_s=4,
)
figures.strides(
    strides,
    kernel="eight_sums",
    line=16,
    alt="Time per element that is used, against the stride between them.",
)
mountain.stride_sentence(strides, "eight_sums", element_bytes=4)

# %%
# Up to a whole line, an element pays for the neighbours that nobody used. Beyond
# that it pays for a line in any case; what still changes is how well the prefetcher
# keeps up, and how many lines are left to touch: once those that are touched fit
# into the last cache, the next walk finds them there.
#
# Sets and pages
# --------------
#
# Two more things hang on the address alone. A cache is divided into *sets*, and some
# bits in the middle of the address choose the set. Rows that lie a power of two
# apart share those bits: a column of such a table crowds into a few sets and throws
# itself out, in a cache that is nearly empty. And every address is translated page
# by page; the translations of recent pages are kept in a small cache, the TLB.

columns = ["power_of_two", "padded", "rows_first"]
table = kernels.case("column_sums", columns, rows=128, dtype="float32")
visits = dict(n=256, rounds=8, dtype="int64")
pages = kernels.case("page_walk", ["paged", "packed"], **visits)
conflicts = measure(
    "mountain.conflicts",
    "What do sets and pages cost?",
    [Case(**table, baseline="power_of_two"), Case(**pages, baseline="paged")],
    budget_s=2,
)
in_columns, in_pages = conflicts.cases
report.ladder_table(in_columns)

# %%
report.ladder_table(in_pages)

# %%
report.paragraph(
    "One line of padding after each row:",
    report.speedup_sentence(in_columns, "padded"),
    "Loops turned round instead:",
    report.speedup_sentence(in_columns, "rows_first"),
    "The same records in few pages:",
    report.speedup_sentence(in_pages, "packed"),
)

# %%
# Padding changes where the numbers lie, turning the loops round changes when they
# are used. The second needs no extra memory and no knowledge of the cache, and is
# the better cure where it is possible. The records of the page walk would fill only
# half of a first cache of 32 KiB in either layout. Spread over pages, it is their
# addresses that no longer fit.
#
# **When not to.** None of this matters to a loop that waits for arithmetic, or for
# an interpreter: page 4 showed how much slower than any cache that is. Nor is memory
# always the limit of fast code, as the source has it: a matrix product can use each
# line so often that its arithmetic hides all of this. Do not pad arrays whose
# size nobody chose to be a power of two, do not replace a clear data structure to
# save misses that a profile does not show, and do not tune to the exact size of
# a cache: half of it works as well, on more machines.
#
# **Your turn.** Write ``find_l2(footprints, values)``. It gets a staircase, bytes and
# times, and returns the capacity of the second level within a factor of two. It is
# tried on machines that do not exist, and on yours if its system states the size.
# This start takes the last footprint that is fast, and finds the wrong cache:
#
# .. code-block:: python
#
#     from accel.timing import load, staircases
#
#     def find_l2(footprints, values):
#         fast = [f for f, v in zip(footprints, values) if v < 2 * values[0]]
#         return fast[-1]
#
#     latency = load("mountain.latency")
#     for complaint in staircases.check_l2(find_l2, latency):
#         print(complaint)
#
# **Next need.** Every roof has now been measured, and each of them says how fast
# work can be done. None says that it has to be done. Before tuning, do less work:
# that is page 6, *Better algorithm first*.
#
# Sources: L. McVoy and C. Staelin, "lmbench: portable tools for performance
# analysis", USENIX Annual Technical Conference (1996), on the chase; J. D. C.
# Little, "A proof for the queuing formula L = λW", *Operations Research* 9 (1961);
# R. Bryant and D. O'Hallaron, *Computer Systems: A Programmer's Perspective*, 3rd
# ed. (2015), chapter 6, on the memory mountain; U. Drepper, "What every programmer
# should know about memory" (2007), sections 3–4; J. Hennessy and D. Patterson,
# *Computer Architecture: A Quantitative Approach*, 6th ed. (2017), chapter 2 and
# appendix B.
