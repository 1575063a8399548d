"""
1 · Know your machine
=====================

**Need.** A program takes a second. Is that slow? The question has no answer until
we know how fast it could be, and that is a property of the machine alone.

This book grew out of a course in which every module is there because the one before
it ends in a need. In its own words: losses "need systematic weight updates", so
optimisers come next; those "need automatic gradients"; gradients "need systematic
training"; then networks of plain layers "hit limits on images", so convolution
comes next; and then "training is too slow", so data is loaded in batches. We keep
that habit. Each page ends in the need that the next one begins with, and the first
need of all is the one above: *how fast could it be?*

**Predict.** A processor computes fastest with *fused multiply-adds*: one instruction,
``a * b + c``, on a whole register of numbers. So its peak is a product of four:
how often the clock ticks, how many such instructions begin at each tick (the number
of *ports*), how many numbers a register holds, and the two FLOPs of each. The third
can be looked up. The first two can be assumed, from a data sheet if there is one.
Write down what you expect of one core before you read on.
"""

from accel import figures
from accel.findings import roof_words
from accel.timing import machine, measure, provenance, roofs

CLOCK_GHZ = 3.0  # a guess that is seldom wrong by more than a half
PORTS = 2  # a common number; there are processors with 1, and with 4

roof_words.prediction_sentence(machine.describe(), CLOCK_GHZ, PORTS)

# %%
# What the system says
# --------------------
#
# The kernel of the operating system knows the processor's name, its caches and the
# instructions it understands. It knows less than one would like. The clock it
# reports may be the nominal one, while the processor runs faster as long as it is
# cool; on a virtual machine nobody tells. How many ports there are, no system file
# says at all. For the library behind NumPy's matrix products, the card names the
# processor family that its kernels were written for: if that is older than the
# processor, the library is leaving something unused.

peak = measure(
    "roofs.peak",
    "How much arithmetic can this machine do?",
    roofs.peak_cases(),
    budget_s=4,
    threads=roofs.all_threads(),
    warmup_s=0.002,
)
provenance.machine_table(peak)

# %%
# Arithmetic
# ----------
#
# The probe keeps a dozen registers of running sums. In each step, every one of them
# is multiplied and added to once, and nothing goes to memory. Why a dozen? A
# multiply-add takes about four ticks, and the next one on the same register has to
# wait for it. With two ports, eight must be under way at any time to keep both
# busy. All sums are known beforehand, to the last bit: each counts the steps.
#
# The same work is done in registers of each width, and one number at a time.

figures.peak_bars(
    peak,
    alt="Peak arithmetic rate in float32 and float64, in one thread and in "
    "all, for each width of registers.",
)

# %%
# Memory
# ------
#
# Arithmetic needs operands. Three probes walk over arrays: ``load`` adds up one,
# ``copy`` reads one and writes another, ``triad`` reads two and writes a third. They
# are repeated over more and more memory, so that first one cache and then the next
# becomes too small. Where that happens is not taken from a data sheet: the ends of
# the levels below were found from the measured curve.
#
# Bytes are counted as the program sees them. Before a cache overwrites a line, most
# fetch it first; that traffic is real, and it is not counted. So where stores reach
# memory, ``copy`` and ``triad`` may look slower than ``load``.

bandwidth = measure(
    "roofs.bandwidth",
    "How many bytes can each level of memory bring?",
    roofs.bandwidth_cases(),
    budget_s=8,
    threads=roofs.all_threads(),
    warmup_s=0.002,
)
ROOFS = roofs.Roofs(peak, bandwidth)
figures.level_bars(
    ROOFS,
    alt="Bandwidth of each level of memory in one thread, for three ways to "
    "touch it.",
)

# %%
roof_words.level_table(ROOFS)

# %%
# **Verdict.** First the prediction, then what all threads add, then memory:

roof_words.verdict(ROOFS, CLOCK_GHZ, PORTS)

# %%
# **Explain.** A prediction with two guesses in it fails in an instructive way. If the
# measured peak is higher than predicted, the clock is faster than we thought or
# there are more ports; if it is lower, there are fewer ports, or the processor
# lowers its clock, or its registers are wider than the units that work on them. One
# number cannot tell these apart. The ladder of widths can, a little:

roof_words.ladder_verdict(ROOFS)

# %%
# That is why this book measures its roofs and does not compute them. A data sheet
# says what was built, a probe says what this machine does, today, with whoever else
# is using it.
#
# The second thing to take along is the number of operations per byte. Code that
# does less with each number it fetches from memory waits for it, however well it is
# written; code that does more can come near the peak. All later pages live between
# these two limits.
#
# A roof is not a goal for every program. It is a scale: a kernel at 90 % of its roof
# is finished, whatever its time, and one at 1 % is worth a look.
#
# **When not to.** Do not measure roofs to compare two machines for *your* program: run
# the program. Nor to see whether a change has made it faster, for which its old time
# is scale enough. And do not take the peak for a promise. It is what remains when
# every reason for waiting has been removed, and a real kernel has reasons.
#
# **Your turn.** Write the prediction yourself, and explain the gap. The starter code
# below forgets what a register is for, and its first check fails. When both
# pass, change clock and ports until the last line is near 1. Is there more than one
# way? What would you have to know to choose?
#
# .. code-block:: python
#
#     from accel.timing import machine, roofs
#
#     def peak_gflops(clock_ghz, ports, vector_bits, number_bits):
#         return clock_ghz * ports * 2  # ... and the numbers in a register?
#
#     assert peak_gflops(3.0, 2, 256, 32) == 96
#     assert peak_gflops(2.5, 1, 512, 64) == 40
#
#     bits = machine.describe()["vector_bits"]
#     measured = roofs.here().peak_gflops("float32").value
#     print("measured / predicted:", measured / peak_gflops(3.0, 2, bits, 32))
#
# On a terminal, ``accel machine --roofs`` prints these roofs, with latency, for any
# computer that this book is installed on.
#
# **Next need.** Run this page twice, and its numbers will not be the same. How far
# apart may two runs be before something has changed? That is page 2, *Time it
# honestly*.
#
# Sources: J. D. McCalpin, "Memory bandwidth and machine balance in current high
# performance computers", *IEEE TCCA Newsletter* (December 1995), on ``copy``,
# ``triad`` and what is counted; S. Williams, A. Waterman and D. Patterson,
# "Roofline: an insightful visual performance model for multicore architectures",
# *Communications of the ACM* 52 (2009), on measured roofs; the module README that
# this book started from, for the five needs quoted above.
