"""
2 · Time it honestly
====================

**Need.** Two runs of page 1 do not agree on how fast this machine is, although it
is the same machine. How far apart may two runs be before something has changed?
And before asking which of two kernels is faster, how far does a kernel differ from
itself?

Everything in this book is measured the way this page shows. The method is given
two functions that are equal by construction, and one that is slower by a known
amount. One that finds a difference in the first case, or none in the second, would
be useless, however many decimals it prints.

**Predict.** Suppose the machine slows down steadily while we measure, as a
laptop does when it warms up. We time function A for a while, and then function
B for as long. Both are the same function. How much slower will B seem? Write
your number down before you read on.
"""

from accel import figures, kernels
from accel.kernels import planted
from accel.timing import Case, measure, report

ROUNDS, SAMPLE_NS = 24, 4_000_000


def slowed(seconds):
    """Return by what factor the machine is slower after so many seconds."""
    return 1 + planted.DRIFT_PER_SECOND * seconds


turn_s = ROUNDS * SAMPLE_NS * 1e-9  # how long each has the machine to itself
predicted = slowed(0.5 * turn_s) / slowed(1.5 * turn_s)
report.Sentence(
    f"The model: the middle of A's turn comes after {0.5 * turn_s:.2g} s, and "
    f"that of B's after {1.5 * turn_s:.2g} s. B will seem to run at "
    f"{predicted:.2g} times the speed of A."
)

# %%
# The experiment that fools us
# ----------------------------
#
# ``first`` and ``second`` are two names of one function. It computes
# ``alpha * x + y`` and then keeps the core busy a little longer with every second
# that has passed. First the way most scripts do it: run one to completion, then
# the other. Then in turns, in a Williams design, where each function takes every
# position in a round equally often and follows every other equally often. The
# baseline enters twice, and what separates it from itself is the noise floor.

def duel(baseline, other):
    """Return the case of two ways to compute saxpy on the same arrays."""
    steps = [baseline, other]
    described = kernels.case("saxpy", steps, n=20_000, dtype="float32")
    return Case(**described, baseline=baseline)


turns = dict(rounds=ROUNDS, min_rounds=ROUNDS, min_sample_ns=SAMPLE_NS)
sequential = measure(
    "time_it.drift_sequential",
    "Does order matter when the machine drifts?",
    [duel("first", "second")],
    budget_s=6,
    order="sequential",
    **turns,
)
interleaved = measure(
    "time_it.drift_interleaved",
    "Does taking turns cancel the drift?",
    [duel("first", "second")],
    budget_s=6,
    **turns,
)
figures.drift(
    sequential,
    interleaved,
    alt="Samples of two equal functions in time order: on the left one after "
    "the other, on the right in turns.",
)

# %%
# **Verdict.** The one-after-the-other run is judged by the same rules as every
# other experiment here. Its own control, the baseline's second entry, came last
# and met the slowest machine of all.

naive = sequential.cases[0].speedup("second")
report.paragraph(
    "One after the other:",
    report.speedup_sentence(sequential.cases[0], "second"),
    f"The ratio it would have printed is {report.times(naive)}.",
    "In turns:",
    report.speedup_sentence(interleaved.cases[0], "second"),
)

# %%
# **Explain.** Drift is slow compared with a round, so the samples of one round
# share it and it cancels in their ratio. It does not cancel between two blocks
# that are minutes apart. Averaging more samples does not help: the average of a
# biased quantity is biased, only more precisely.
#
# Two more things can be wrong before a single ratio is formed. The clock has a
# smallest step (:measured:`time_it.noise: clock resolution` here), so a sample
# must last a thousand of them; and the first calls of a kernel are different
# from all later ones, because they compile, load code, touch fresh pages and
# train branch predictors.

warmup = measure(
    "time_it.warmup",
    "When has a kernel settled?",
    [duel("numpy", "compiled")],
    budget_s=6,
    warmup_s=0,
    min_sample_ns=0,
    rounds=60,
    min_rounds=60,
)
figures.warmup(
    warmup,
    alt="Time of each call in a fresh process, the very first one apart.",
)

# %%
# The first call is therefore stored apart, shown, and never averaged in. Then
# each kernel is called for a while, and only then timed.
#
# The noise floor
# ---------------
#
# Inside one process, all is now done that can be. What remains is what a process
# is born with: where its arrays and its code happen to lie. Re-running the
# *process* changes that, re-running the loop does not. So the process is the
# unit of replication: six fresh processes give six medians, and the range of six
# medians holds the true one unless all six fell on the same side, as six coins
# all come up heads or all tails in 1 of 32 throws. No normal distribution is
# assumed, and no outlier is dropped.
#
# Is the floor low enough to be useful? A kernel that spends one twentieth of its
# time waiting, and nothing else, is set beside the same kernel without the wait.

known = measure(
    "time_it.noise",
    "How far does a kernel differ from itself?",
    [duel("imitated", "planted")],
    budget_s=4,
    rounds=24,
)
figures.noise(
    known,
    alt="Left, how far rounds of one kernel differ from rounds of itself. "
    "Right, every sample in time order, process by process.",
)
report.paragraph(
    "Here a kernel differs from itself by up to "
    f"{report.floor_text(known.cases[0])}: below that, nothing is claimed.",
    report.speedup_sentence(known.cases[0], "planted"),
    report.stamp(known),
)

# %%
# **When not to.** If one version takes an hour and the other a minute, use a wall
# clock. The care of this page is for differences of a few per cent, and its price
# is time: six processes, each warmed up, for every comparison. Nor does it
# replace a profile: it tells which of two kernels is faster, not whether the
# kernel matters to your program.
#
# **Your turn.** Write ``measure(f, g)``, which returns "f", "g" or "cannot tell".
# It must answer "cannot tell" for the twins, and find the planted slow-down of
# ``planted.saxpy_slower`` over ``planted.saxpy_imitated``. Start from this, which
# fails the first test:
#
# .. code-block:: python
#
#     import time
#     import numpy as np
#     from accel.kernels import operation, planted
#
#     def measure(f, g, arguments):
#         times = []
#         for function in (f, g):
#             start = time.perf_counter()
#             for _ in range(2000):
#                 function(*arguments)
#             times.append(time.perf_counter() - start)
#         return "f" if times[0] < times[1] else "g"
#
#     arguments = operation("saxpy").inputs(n=20_000, dtype="float32")
#     twin = planted.saxpy_on_slowing_machine
#     print(measure(twin, twin, arguments), "should be: cannot tell")
#
# **Next need.** It worked, once, on one pair of twins and one planted slow-down. That
# is an anecdote. Why should anybody believe the method? That is page 2½, *Test the
# method*.
#
# Sources: E. J. Williams, *Australian Journal of Scientific Research* A 2 (1949),
# on balanced designs; T. Mytkowicz and others, "Producing wrong data without
# doing anything obviously wrong!", ASPLOS (2009), on layout effects;
# T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM
# (2013), on where to replicate.
