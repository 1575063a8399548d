"""
3 · Count it
============

**Need.** A measured difference can be trusted now. But a time alone, however
precise, does not say how much faster it could be. Fast compared with what?

**Predict.** Two things can be counted before any clock is started. How much
*arithmetic* does the operation ask for? We count one FLOP for each addition,
multiplication, division, comparison, root, exponential and ``tanh``, no matter how
a kernel goes about it, so that all kernels of an operation are credited with the
same work. And how many *bytes* must it touch at the least? Each input is read once
and each result written once: these are its compulsory bytes, and not even an
infinite cache saves any of them.

The quotient is the *arithmetic intensity*, in FLOPs per byte. It decides which of
two limits comes first. The arithmetic units of a core do not go beyond their peak,
and its memory does not deliver more than its bandwidth:

.. math::

    \\text{rate} \\le \\min(\\text{peak},\\;
    \\text{intensity} \\times \\text{bandwidth})

Both limits were measured on page 1, on this machine. So there is a prediction for
each operation before it has run once. Which of those below will memory hold back?
"""

from accel import figures, kernels
from accel.findings import roofline
from accel.timing import Case, cost, counting, measure
from accel.timing import report, roofs, words

ROOFS = roofs.here()


def contest(operation, steps, **sizes):
    """Return the case of some kernels of an operation, slowest first."""
    described = kernels.case(operation, steps, **sizes, dtype="float32")
    return Case(**described, baseline=steps[-1])


LENGTH = 16_384  # 64 KiB for each array of float32
MATRIX = {"rows": 64, "width": 256}  # as many
CASES = [
    contest("relu", ["loop", "numpy", "vector"], n=LENGTH),
    contest("saxpy", ["loop", "numpy", "vector"], n=LENGTH),
    contest("matvec", ["loop", "numpy", "blas"], n=128),
    contest("softmax", ["loop", "numpy", "vector"], **MATRIX),
    contest("layernorm", ["loop", "numpy", "compiled"], **MATRIX),
    contest("gelu", ["loop", "numpy", "vector"], n=LENGTH),
    contest("matmul", ["lists", "ikj", "blas"], n=32),
    contest("conv2d", ["loop", "im2col", "direct"], side=10, channels=8),
    contest("matmul", ["ikj", "blas"], n=256),
    contest("conv2d", ["direct", "im2col"], side=34, channels=32),
]
cost.cost_table(CASES, ROOFS)

# %%
# For most operations the intensity is a property of the formula: ``saxpy`` does 2
# FLOPs for every 12 bytes, whether its arrays are short or long. A product of n × n
# matrices is another matter. It does :math:`2 n^3` FLOPs on :math:`3 n^2` numbers of
# 4 bytes, which makes :math:`n / 6` FLOPs per byte: the larger it is, the less memory
# has to do with it. The same goes for a convolution, with its channels in the place
# of n.

product = kernels.operation("matmul")


def intensity(n):
    """Return FLOPs per byte of a product of n × n matrices of float32."""
    return product.flops(n=n) / product.compulsory_bytes(n=n)


levels = roofline.ceilings(ROOFS)
meet = {level.name: roofline.ridge(ROOFS, level) for level in levels}
where = [f"{words.number(at)} ({name})" for name, at in meet.items()]
enough = int(6 * max(meet.values())) + 1
report.paragraph(
    f"The two limits are equal at {words.listed(where)} FLOPs per byte,",
    "depending on where the data lie. A product of 64 × 64 matrices has",
    f"{words.number(intensity(64))}, one of 1024 × 1024 has",
    f"{words.number(intensity(1024))}; from n = {enough} on, arithmetic is the",
    "limit wherever the operands lie.",
)

# %%
# Eight operations under two roofs
# --------------------------------
#
# Each operation is run by up to three kernels: one that a beginner writes, one that
# a NumPy user writes, one that is good. They do the same work, so they stand above
# one another. The vertical axis is the rate at which the declared FLOPs get done;
# the sloping lines are the bandwidths of the levels of memory, and the flat one is
# the peak. An operation's own roof, the bar at the end of its line, is the lower of
# the two. Its bandwidth was measured at about so many bytes as the operation has to
# touch, so the bar may lie a little beside the line of its level.

operations = measure(
    "count_it.operations",
    "How near to what this machine can do does each kernel come?",
    CASES,
    budget_s=9,
)
figures.roofline(
    operations,
    ROOFS,
    alt="Rate of each kernel against its arithmetic intensity, under the "
    "measured peak and the measured bandwidths. Kernels of one operation "
    "stand above one another, below the roof of their operation.",
)

# %%
# **Verdict.** How near the best kernels come, and what limits them where their data
# lie now:

report.paragraph(
    roofline.reach_sentence(operations, ROOFS),
    roofline.limit_sentence(operations, ROOFS),
    report.stamp(operations),
    f"Roofs of {ROOFS.created[:10]}.",
)

# %%
roofline.roof_table(operations, ROOFS)

# %%
# **Explain.** The source of this course has a sentence about memory, without any
# condition. Held against the roofs, with the condition that suits it best:

roofline.claim_sentence(operations, ROOFS)

# %%
# The condition that is missing is the intensity. Under a sloping roof the sentence is
# true: no cleverness with the arithmetic helps ``relu``, which does next to none. Under
# the flat roof it is false. The intensity of a matrix product grows with its size, so
# that a good kernel leaves memory behind and is held back by its multipliers; the same
# goes for a convolution with many channels. What is true there is weaker: a *bad*
# kernel of an intense operation can wait for memory, because it fetches the same numbers
# again and again. Blocking, on page 8, is how a product becomes as intense as it could
# be.
#
# A roofline does not say why a point is below its roof, and four things hide in the
# gap.
#
# *The bytes are a lower bound.* Compulsory bytes are what must be touched, not what
# is. The NumPy steps of ``softmax`` and ``gelu`` go over their arrays once for each
# operation in the formula; they touch several times the bytes they are credited with.
# That can be counted as well, by running a kernel on arrays that take note of each
# access:

SMALL = {"rows": 4, "width": 64}
softmax = kernels.kernel("softmax", "numpy").function
arguments = kernels.operation("softmax").inputs(**SMALL)
report.paragraph(
    roofline.counted_sentence(
        contest("softmax", ["numpy"], **SMALL),
        "numpy",
        counting.count(softmax, arguments),
    ),
    roofline.allocation_sentence(operations),
)

# %%
# Temporary arrays are what ``tracemalloc`` sees as long as NumPy or Python makes them;
# work space of BLAS and of compiled code stays hidden from it. How many of the
# accesses miss a cache is the subject of
# :doc:`3½ · Count the misses </chapters/03_count_the_misses>`.
#
# *Not all FLOPs are alike.* The peak is that of fused multiply-adds, two FLOPs each,
# in the widest registers, with nothing else to do. An addition on its own makes half
# of it. An exponential counts as one FLOP here and takes some ten multiply-adds, a
# division keeps its unit busy for several steps; ``gelu`` and ``softmax`` could not
# touch the flat roof if they were perfect. We could count what an exponential costs in
# FLOPs, but then a kernel would be credited with more work for computing it in a
# roundabout way. So the count is by the formula, and the roof is a limit, not a goal.
#
# *Calls take time.* The small sizes here are chosen so that even a plain loop can run
# them. A call of a NumPy function looks at types and shapes before it does anything,
# and a short computation has to wait for that: compare the share of a product of
# 32 × 32 matrices with that of the larger one.
#
# *Nothing is said about waiting.* Both roofs suppose that work is there to be done at
# any time. A kernel that needs one result before it can ask for the next touches
# neither roof. Page 5 measures that.
#
# A point *above* its roof is not a triumph. Either the declared count is wrong or the
# roof is. Points are never clipped: some room is left for a processor's clock that
# moved between two measurements, and beyond that the build of this page stops.
#
# **When not to.** Do not use the share of the roof to choose between algorithms.
# Strassen's product and an FFT do fewer FLOPs than the formula, and less often at the
# peak: credited with the FLOPs they do, they look bad even where they win. Time decides
# between algorithms, the roof judges the implementation of one. Nor does a roof help
# where operands are picked one by one from a large table; there, count cache lines.
#
# **Your turn.** What is the intensity of each of these, in float32, with the counts of
# this page? All four answers are wrong, each for another reason. The check compares
# them with what the book's operations declare.
#
# .. code-block:: python
#
#     from accel.kernels import operation
#
#     def matmul(n):
#         return 2 * n**3 / (4 * 2 * n**2)
#
#     def gelu(n):
#         return 7 / 8
#
#     def layernorm(rows, width):
#         return 7 * rows * width / (4 * 4 * rows * width)
#
#     def conv2d(side, channels):
#         return 18 * channels**2 * side**2 / (4 * 2 * channels * side**2)
#
#     sizes = {
#         matmul: {"n": 512},
#         gelu: {"n": 1000},
#         layernorm: {"rows": 8, "width": 768},
#         conv2d: {"side": 34, "channels": 64},
#     }
#     for answer, size in sizes.items():
#         declared = operation(answer.__name__)
#         right = declared.flops(**size) / declared.compulsory_bytes(**size)
#         close = abs(answer(**size) / right - 1) < 1e-6
#         print(answer.__name__, "right" if close else "not yet")
#
# **Next need.** At the lower end of most lines there is a plain loop, as all of us
# write them.

roofline.instrument_sentence(operations, ROOFS, "interpreter")

# %%
# Whatever lies far below both roofs is held back neither by memory nor by arithmetic.
# Something else takes its time: page 4, *Why loops are slow*, removes it layer by
# layer.
#
# Sources: S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual
# performance model for multicore architectures", *Communications of the ACM* 52
# (2009); G. Ofenbeck and others, "Applying the roofline model", ISPASS (2014), on
# measuring what the model takes for granted; G. Golub and C. Van Loan, *Matrix
# Computations*, 4th ed. (2013), section 1.1, on counting FLOPs.
