"""
12 · Fuse it
============

**Need.** In place, a step of Adam still walks over its arrays ten times. Each walk is a
call that reads from memory what the call before it wrote there. NumPy cannot do
otherwise: a call knows its own loop and nothing of the next one. What it would take is
one loop that does all of it to each number while that number is at hand: *fusion*.

**Predict.** A walk is a pass, and passes can be counted without a clock. Run a kernel on
an array that logs every access, divide by the number of results, and you know how many
numbers it touches for each. If memory were all that matters, time would follow that
count. Here is GELU, the activation of most language models, as an expression, in
place, and as a compiled loop:
"""

from accel import figures, kernels
from accel.findings import fusion
from accel.timing import Case, measure, profile, report

COUNTABLE = ("numpy", "numpy_out", "compiled")


def counted_steps(operation, results, steps=COUNTABLE, **sizes):
    """Return accesses per result and arrays made, of each of these steps."""
    return {
        step: fusion.accesses(
            kernels.kernel(operation, step).function,
            kernels.operation(operation).inputs(**sizes),
            results,
        )
        for step in steps
    }


counted = counted_steps("gelu", 256, n=256)
report.Table(
    "GELU, counted for 256 elements",
    ("Step", "Accesses per element", "Arrays made"),
    [(f"`{step}`", f"{n:.3g}", str(made)) for step, (n, made) in counted.items()],
)

# %%
# Write down what you expect of the compiled loop. Does its time shrink as its count of
# numbers does?
#
# One operation, from eight passes to one
# ---------------------------------------
#
# Beside these three stands ``vector``: the same single pass, in explicit vector
# registers. It is measured twice, on arrays that stay in a near cache and on arrays that
# do not.

DRAFT = profile().name == "quick"
STEPS = ["numpy", "numpy_out", "compiled", "vector"]
NEAR, FAR = 20_000, 2_000_000 if DRAFT else 8_000_000

gelu = measure(
    "fuse.gelu",
    "What do passes cost, near and far?",
    [Case(**kernels.case("gelu", STEPS, n=n), baseline="numpy_out") for n in (NEAR, FAR)],
    budget_s=5,
)
near, far = gelu.cases
figures.rungs(
    gelu,
    n=FAR,
    alt="One row per step: the rate of GELU as an expression, in place, as a compiled "
    "loop and in vector registers, on arrays in memory.",
)

# %%
# **Verdict.** Passes against time:

report.paragraph(
    fusion.passes_sentence(far, "numpy_out", "numpy", counted),
    fusion.passes_sentence(far, "compiled", "numpy_out", counted),
    report.speedup_sentence(far, "vector", over="compiled"),
    report.speedup_sentence(near, "vector", over="numpy_out"),
)

# %%
fusion.passes_table(far, counted, FAR)

# %%
# **Explain.** The count is right, and it is not the whole of the time. The compiled loop
# touches least, and calls a hyperbolic tangent of the C library for one number at a time,
# while NumPy's ``tanh`` works on whole registers: fusing a loop can lose more in
# arithmetic than it saves in passes. A single pass can show what it is worth only when its
# arithmetic is as wide as NumPy's. Then it may win even in the cache, where passes are
# cheap: a call, a check of shapes and a loop for each of eight operations is work as well.
#
# Fusion without a compiler
# -------------------------
#
# The passes hurt because the array is long. Cut into chunks that stay in a cache, the
# same calls find their numbers where the call before left them. It takes a Python loop
# around them, and one choice: how long is a chunk?

chunks = [step.name for step in kernels.ladder("gelu", tag="chunks")]
sweep = measure(
    "fuse.chunks",
    "How long should a chunk be?",
    [Case(**kernels.case("gelu", ["numpy_out", *chunks], n=FAR), baseline="numpy_out")],
    budget_s=5,
)
figures.sweep(
    sweep,
    prefix="chunked_",
    xlabel="elements of a chunk",
    alt="Time of GELU in chunks against the length of a chunk.",
)
fusion.chunk_sentence(sweep.cases[0], "numpy_out")

# %%
# Rows: softmax and layer normalisation
# -------------------------------------
#
# These need a whole row before they can write its first number: softmax the largest
# and the sum, layer normalisation mean and variance. So even fused they pass over
# a row more than once. But a row is short, and stays in the nearest cache: what
# travels to memory and back is one read and one write.

ROWS, WIDTH = (512, 1024) if DRAFT else (4096, 1024)
rows = measure(
    "fuse.rows",
    "And where a row is needed before it can be written?",
    [
        Case(
            **kernels.case(operation, STEPS, rows=ROWS, width=WIDTH),
            baseline="numpy_out",
        )
        for operation in ("softmax", "layernorm")
    ],
    budget_s=5,
)
softmax, layernorm = rows.cases
report.paragraph(
    "softmax: " + report.speedup_sentence(softmax, "vector"),
    "layernorm: " + report.speedup_sentence(layernorm, "vector"),
)

# %%
small = {"rows": 4, "width": 64}
fusion.passes_table(softmax, counted_steps("softmax", 256, **small), ROWS * WIDTH)

# %%
# (The variance is one call of NumPy, which does not say what it reads, so that expression
# is not counted.)

countable = counted_steps("layernorm", 256, COUNTABLE[1:], **small)
fusion.passes_table(layernorm, countable, ROWS * WIDTH)

# %%
# At the end of a product
# -----------------------
#
# The best place to fuse is where numbers already are in registers. A layer of a network
# multiplies, adds a bias to each column, and applies an activation. A library call
# writes the product to memory, and two more passes read it again. The register tile of
# page 9 holds a square of the product when it is done: its *epilogue* can do the
# rest before it stores anything.

layer = [
    step.name
    for step in kernels.ladder("linear_gelu", dtype="float32", tag="ladder")
    if step.instrument != "interpreter"
]
EPILOGUES = ((256, 64), (256, 1024))
linear = measure(
    "fuse.linear",
    "What does an activation cost at the end of a product?",
    [
        Case(**kernels.case("linear_gelu", layer, m=m, k=k, n=512), baseline=layer[0])
        for m, k in EPILOGUES
    ],
    budget_s=4,
)
report.paragraph(
    *(report.speedup_sentence(case, layer[-1]) for case in linear.cases),
    report.stamp(linear),
)

# %%
report.ladder_table(linear.cases[0])

# %%
# The deeper the product, the more arithmetic there is for each number of the answer,
# and the less its last two passes matter.
#
# **When not to.** Do not fuse what a single call does already. Do not fuse a matrix product
# with something that makes it slower than the library's: an epilogue saves two passes over
# the result, and a product that is no match for BLAS loses more than that. And
# keep the operations apart where they are used apart: a fused kernel is one more thing to
# test, for each combination.
#
# **Your turn.** Write a softmax over the rows of a matrix that is stable (large numbers
# must not overflow), uses at most two working arrays as long as a row, and passes
# every edge case:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import check, operation
#     from accel.timing.memory import account
#
#     def softmax(x, out):
#         ...  # one row at a time
#
#     for complaint in check(softmax, "softmax"):
#         print(complaint)
#     arguments = operation("softmax").inputs(rows=64, width=10_000)
#     peak = account(softmax, arguments)["peak_alloc_bytes"]
#     print(peak / (4 * 10_000), "rows of working memory")
#
# **Next need.** Softmax needs the whole row before it writes, and a sum needs all of
# its numbers. What if the row does not fit anywhere, and what does the order of a sum do to
# its answer? Page 13, *Reduce and attend*.
#
# Sources: S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual
# performance model for multicore architectures", *Communications of the ACM* 52 (2009), on
# why passes matter at low intensity; T. Dao, D. Fu, S. Ermon, A. Rudra and C. Ré,
# "FlashAttention: fast and memory-efficient exact attention with IO-awareness",
# arXiv:2205.14135 (2022), section 2.1, on counting traffic; the documentation of NumExpr,
# "How it works", on chunks.
