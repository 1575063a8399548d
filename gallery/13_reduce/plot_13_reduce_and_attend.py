"""
13 · Reduce and attend
======================

**Need.** Softmax needs the whole row before it writes, and a sum needs all of its
numbers. A *reduction* makes few numbers of many, and two things about it are unlike
anything before. Its additions form a chain, so a loop that keeps one sum waits for
it; and the order of the chain changes the answer, because every addition
rounds. What if the row does not fit anywhere, and what does the order of a sum do to
its answer?

**Predict.** A number in float32 carries about seven decimal digits. Add a million
numbers between 0 and 1 to one sum. Near its end the sum is half a million, and each
number that comes is rounded to the grid of a number that large: of its seven digits
one or two survive. How many digits of the answer are right? The bound for one sum
says that the relative error can grow with the number of additions, :math:`n u`; for
random roundings it grows with the root, :math:`\\sqrt{n} u`; if numbers are first added
in pairs, then the pairs, and so on, each passes through :math:`\\log_2 n` additions only.
"""

from accel import figures, kernels
from accel.findings import tradeoff
from accel.kernels.accuracy import right_digits
from accel.timing import Case, measure, profile, report

N = 1_000_000
tradeoff.rounding_table(N, "float32")

# %%
# Five ways to add
# ----------------
#
# ``compiled`` keeps one sum. ``pairwise`` halves the array until the
# pieces are short. ``kahan`` computes what each addition loses, and adds it to the next
# number: four dependent operations instead of one. ``vector`` keeps eight registers
# full of sums, and empties them now and then. ``numpy`` is ``np.sum``.

sums = ["numpy", "compiled", "kahan", "pairwise", "vector"]
summing = measure(
    "reduce.sum",
    "What does an order of additions cost?",
    [Case(**kernels.case("sum", sums, n=N, values="uniform"), baseline="numpy")],
    budget_s=4,
)
digits = right_digits("sum", sums, n=N, values="uniform")
figures.pareto(
    summing,
    digits,
    alt="Right decimal digits of a sum against the time it takes, for several "
    "orders of the additions.",
)

# %%
# **Verdict.** What is worth choosing, and what is not:

tradeoff.front_sentence(summing.cases[0], digits)

# %%
tradeoff.digits_table(summing.cases[0], digits)

# %%
# **Explain.** Many sums side by side are good for both. A chain of additions takes about four
# cycles for each, whatever the width of the registers; eight registers of sums keep the
# adders busy, as the tiles of page 9 did. And each of those sums is shorter, so it
# loses less: the sum that is fast is also nearly pairwise. A compiler may not do that for
# you. It has to keep the order you wrote, since another order gives another answer: so
# ``compiled`` has one chain of additions, however wide the registers are. Options of the
# name "fast math" allow the compiler another order, and the result is then a different one
# on each machine.
#
# Kahan's sum costs four dependent operations per number, and is worth it where one
# sum must be kept: in a running total, or where numbers arrive one by one.
#
# Softmax of a row that does not fit
# ----------------------------------
#
# Attention weighs the rows of a matrix :math:`V` by the softmax of scores,
# :math:`O = \mathrm{softmax}(Q K^T / \sqrt d)\, V`. Written as it stands it makes the matrix of all
# scores: for a sequence of length :math:`n` that is :math:`n^2` numbers, which are
# written, read for their maximum, read for their sum, divided, and read once more.
#
# A softmax can be computed without having the row. Keep the largest score so far,
# :math:`m`, the sum of :math:`e^{s - m}`, and the weighted sum of the rows of :math:`V`. When a
# larger score comes, multiply both sums by :math:`e^{m_{old} - m_{new}}`, and go on.
# This *online softmax* makes attention a reduction: keys and values stream by, and
# nothing of the size :math:`n^2` exists. ``online`` does it one key at a time;
# ``tiled`` takes a block of queries and a block of keys, so that both products are
# those of page 9, and rescales once for each block.

ATTEND = ["numpy", "numpy_out", "online", "tiled"]
LENGTHS = (128, 512, 1024) if profile().name == "quick" else (128, 512, 2048)
HEADS, DEPTH = 2, 64


def attention(n, operation="attention"):
    """Return the case of one length of sequence."""
    described = kernels.case(operation, ATTEND, heads=HEADS, n=n, d=DEPTH)
    return Case(**described, baseline="numpy_out")


attending = measure(
    "reduce.attention",
    "Is it worth never having the matrix of scores?",
    [attention(n) for n in LENGTHS],
    budget_s=6,
)
figures.speedup_curve(
    attending,
    over="numpy_out",
    kernels=["numpy", "online", "tiled"],
    alt="Speed of attention over NumPy's, one head at a time, against the length of the "
    "sequence.",
)
report.paragraph(
    report.range_sentence(attending, "online", over="numpy_out"),
    report.range_sentence(attending, "tiled", over="numpy_out"),
    report.stamp(attending),
)

# %%
# The memory is what the method was invented for. Bytes held at once beside the
# arguments, as the worker's account of one call has them:

answers = [HEADS * n * DEPTH * 4 for n in LENGTHS]
report.paragraph(
    *(
        tradeoff.memory_sentence(
            step,
            LENGTHS,
            [case.peak_alloc_bytes(step) for case in attending.cases],
            answers,
        )
        for step in ("numpy", "numpy_out")
    ),
    "For the compiled steps, whose memory that account does not see, the growth of the "
    "process is shown in the table.",
)

# %%
report.Table(
    "Bytes beside the arguments of one call",
    ("Length", *(f"`{step}`, {what}" for step in ATTEND[1:] for what in ("held", "grown"))),
    [
        (
            f"{case.parameters['n']:,}",
            *(
                f"{case.memory(step)[field]:,}"
                if case.memory(step)[field] is not None
                else "–"
                for step in ATTEND[1:]
                for field in ("peak_alloc_bytes", "resident_growth_bytes")
            ),
        )
        for case in attending.cases
    ],
)

# %%
# In a language model a word attends only to words before it. Half of the scores are then
# never needed, and a method that goes block by block can leave out the blocks above the
# diagonal, where the matrix product computes them and throws them away:

causal = measure(
    "reduce.causal",
    "What is gained where half of the scores are not needed?",
    [attention(LENGTHS[-1]), attention(LENGTHS[-1], "attention_causal")],
    budget_s=3,
)
report.paragraph(
    *(
        f"{case.operation.replace('_', ', ')}: " + report.speedup_sentence(case, "tiled")
        for case in causal.cases
    )
)

# %%
# **When not to.** Do not fear the order of a sum of a hundred numbers. Do not use Kahan's
# sum where float64 is at hand and memory is the limit: a wider sum costs nothing
# there. And do not tile attention over sequences so short that their scores fit the
# nearest cache: the matrix was never the problem.
#
# **Your turn.** Write attention for one head, block of keys by block of keys, with the online
# softmax: within the tolerance of every edge case, and holding no more than a few rows
# of scores at once:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import check, operation
#     from accel.timing.memory import account
#
#     def attend(q, k, v, out):
#         for head in range(q.shape[0]):
#             ...  # 128 keys at a time: scores, new maximum, rescale, add
#
#     for complaint in check(attend, "attention"):
#         print(complaint)
#     for n in (512, 2048):
#         arguments = operation("attention").inputs(heads=1, n=n, d=64)
#         print(n, account(attend, arguments)["peak_alloc_bytes"], "bytes")
#
# **Next need.** Everything so far read its numbers in a known order, and computed with them.
# Much of a model's time goes into neither: it looks numbers up. Page 14, *Gather and
# batch*.
#
# Sources: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (2002),
# chapter 4, on sums; W. Kahan, "Further remarks on reducing truncation errors",
# *Communications of the ACM* 8 (1965); M. Milakov and N. Gimelshein, "Online normalizer
# calculation for softmax", arXiv:1805.02867 (2018), section 3; T. Dao, D. Fu, S. Ermon,
# A. Rudra and C. Ré, "FlashAttention: fast and memory-efficient exact attention with
# IO-awareness", arXiv:2205.14135 (2022), section 3.1.
