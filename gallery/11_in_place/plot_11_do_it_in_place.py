"""
11 · Do it in place
===================

**Need.** The order of the data is chosen, and a profile of the whole program still
shows something that no kernel does: allocation. Every expression over arrays makes a
new array for its answer. The source promises that not making it is worth "1.5-2x",
in another place "1.5-3x", and does not say for which arrays. It cannot be true for
all: an array of a hundred numbers costs next to nothing to make.

**Predict.** What could an allocation cost? Asking for memory is a function call. But
memory that was never used has no pages behind it. The operating system makes each page when it is
first touched: it finds a free one, enters it into its tables, and fills it with
zeros, so that nobody reads what another program left there. Then the answer is
written over the zeros.

And a core does not write to memory, it writes to a cache. Before it overwrites a line
that is not there it reads it, though nobody wants to know what was in it. So count
the arrays that travel for one ``z = f(x, y)`` where nothing stays in the caches: two
are read, one is written, and how many more depends on where the answer is put.
"""

from accel import figures, kernels
from accel.findings import placement
from accel.kernels.inputs import blank
from accel.timing import Case, measure, profile, report

placement.prediction_sentence()

# %%
# One operation, three places
# ---------------------------
#
# The same NumPy loop runs three times. ``fresh`` is ``z = np.maximum(x, y)`` with
# ``z`` let go of when the next answer comes, ``out`` is ``np.maximum(x, y, out=z)``,
# and ``in_place`` is ``np.maximum(x, y, out=x)``. The larger of two numbers is taken
# because it stays what it is when it is taken again; it moves the same bytes as an
# addition.

LENGTHS = {
    "quick": (100, 10_000, 1_000_000, 10_000_000),
    "standard": (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    "publish": (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
}[profile().name]
PLACES = ["fresh", "out", "in_place"]

places = measure(
    "in_place.larger",
    "What does it cost to put an answer into new memory?",
    [Case(**kernels.case("larger", PLACES, n=n), baseline="fresh") for n in LENGTHS],
    budget_s=6,
)
figures.speedup_curve(
    places,
    over="fresh",
    kernels=["out", "in_place"],
    band=(1.5, 2),
    alt="Speed over an answer in a new array, against array length. The "
    "claimed range of 1.5 to 2 is shaded.",
)

# %%
# **Verdict.** The source claims a "1.5-2x improvement from reduced memory allocation".
# This build measured, size by size:

report.paragraph(
    report.range_sentence(places, "out", over="fresh"),
    report.range_sentence(places, "in_place", over="fresh"),
    report.stamp(places),
)

# %%
# And against the count of arrays that travel, at the largest size:

largest = places.cases[-1]
report.paragraph(
    placement.prediction_verdict(largest, "out"),
    placement.prediction_verdict(largest, "in_place"),
)

# %%
# **Explain.** Whether a new array means new pages is the allocator's decision. Small
# pieces it keeps, and hands out again: memory that is still in the cache, at the price
# of a function call. Large ones it returns to the operating system at once, and
# asks for anew. The threshold moves with what the program does, and where it is, a
# program's speed can change from one size to the next for no reason of its own. The system
# counts the pages it makes (here 4 KiB each, unless it makes larger ones for large
# arrays), and the worker reads that count before and after one call:

report.paragraph(placement.faults_sentence(places))

# %%
placement.fault_table(places, PLACES)

# %%
# Between the smallest arrays and the largest, two more things happen. An expression that
# lets go of an old answer only when the new one is there uses two arrays in turn,
# and so needs more room in the cache; and an answer over an input needs less than
# one of its own. Neither has anything to do with allocation. That is why ``out`` and
# ``in_place`` are two rows and not one.
#
# An optimizer's step
# -------------------
#
# Nobody takes the larger of two numbers in a loop. But every step of training updates
# each parameter of a model and the running means that belong to it: for Adam
# four arrays are read and three written, always of the same size, always over the
# same memory. As the method is written in its paper it is some ten expressions; in
# place it is as many calls with ``out=``; and compiled it is one pass.

STEPS = ["numpy", "numpy_out", "compiled", "vector"]
SIZES = (10_000, 1_000_000) if profile().name == "quick" else (1_000, 100_000, 4_000_000)

adam = measure(
    "in_place.adam",
    "What does a step of Adam gain without new arrays, and in one pass?",
    [Case(**kernels.case("adam", STEPS, n=n), baseline="numpy") for n in SIZES],
    budget_s=5,
)
figures.speedup_curve(
    adam,
    over="numpy",
    kernels=["numpy_out", "compiled", "vector"],
    alt="Speed of a step of Adam over the expressions of its paper, against the "
    "number of parameters.",
)
report.paragraph(
    report.range_sentence(adam, "numpy_out", over="numpy"),
    report.range_sentence(adam, "vector", over="numpy_out"),
)

# %%
report.ladder_table(adam.cases[-1])

# %%
# The step in place allocates nothing, and the one in one pass does the same to memory as
# it does: what it gains over ``numpy_out`` is not allocation but passes. That is
# the next page's subject. First, what can go wrong.
#
# The trap
# --------
#
# An answer over an input is right only if each input is read before it is
# overwritten. ``x[1:] = x[1:] + x[:-1]`` makes a new array first. Written as a loop in place, each
# step reads what the step before it has just written:

def add_left_neighbour(x):
    """Add to each element the one before it, in place."""
    for i in range(1, x.size):
        x[i] += x[i - 1]


safe = blank((6,), "float64")
safe[:] = 1
trapped = safe.copy()
safe[1:] += safe[:-1]
add_left_neighbour(trapped)
print(f"NumPy in place: {safe}\nloop in place:  {trapped}")

# %%
# The loop has computed running sums. NumPy looks first whether what it writes overlaps
# what it reads, and makes a copy if so: ``x[1:] += x[:-1]`` is right, and not in place.
# A kernel of one's own has to do either: refuse, or copy. The operations of this
# library that can be called, such as ``accel.relu(x, out=x)``, copy where the
# overlap would change the answer, and only there.
#
# **When not to.** Do not reuse memory where the gain is not resolved: an expression is
# easier to read than three calls with ``out=``, and for small arrays it is as fast. Do not
# overwrite what somebody else may still hold, and nothing that a derivative will need
# later: automatic differentiation keeps its inputs for that reason. And do not
# preallocate in the hope of speed without looking at the page faults: if the
# allocator hands out used memory anyway, there is nothing to gain.
#
# **Your turn.** Write a step of Adam that changes its arrays in place, allocates
# nothing, and gives the right answer also if the gradient is the same array as the
# parameters. Two working arrays may be made once, outside:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import check, operation
#     from accel.timing.memory import account
#
#     def adam(g, m, v, step, lr, beta1, beta2, eps, p):
#         ...  # np.multiply(..., out=...), and nothing without out=
#
#     for complaint in check(adam, "adam"):
#         print(complaint)
#     arguments = operation("adam").inputs(n=100_000)
#     print(account(adam, arguments)["peak_alloc_bytes"], "bytes")
#
# **Next need.** In place, a step of Adam still walks over its arrays ten times. Each walk
# is a call that reads from memory what the call before it wrote there. Page 12,
# *Fuse it*.
#
# Sources: U. Drepper, "What every programmer should know about memory" (2007),
# sections 3.3.3 on write-allocate traffic and 7.5 on page faults; the GNU C Library
# Reference Manual, "Malloc Tunable Parameters", on the threshold above which memory
# is mapped; D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization",
# arXiv:1412.6980 (2014), algorithm 1.
