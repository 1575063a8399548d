"""
7 · Vectorise
=============

**Need.** The right algorithm is chosen; what is left has to be done, and the question
is who does it. If it is the interpreter, then for every ``x * y`` in a loop it fetches
an instruction, looks up what ``*`` means for these two objects, unpacks two boxed
numbers, multiplies, and boxes the result, as page 4 took apart. The multiplication is
the least of that.

To *vectorise* means two things, and this page keeps them apart. For a NumPy user
it means to hand a whole array to one call, so that the loop runs in compiled
code. For the processor it means instructions that work on 4, 8 or 16 numbers at
once. The first removes the interpreter, the second widens the arithmetic, and a
speed-up that mixes the two teaches nothing about either.

**Predict.** Take three numbers: a step of a Python loop costs some tens of
nanoseconds, a NumPy call about a microsecond however short the array, and a
compiled loop moves some ten bytes per nanosecond. At which length does NumPy
overtake the loop, and where does the speed-up level off? Put your own numbers in.
"""

from accel import figures, kernels
from accel.timing import Case, measure, profile, report

STEP_NS, CALL_NS, BYTES_PER_NS = 40, 1000, 10  # guesses, to be judged below

overtakes = CALL_NS / STEP_NS
levels_off = STEP_NS / (12 / BYTES_PER_NS)  # saxpy reads 8 bytes, writes 4
report.Sentence(
    f"With these numbers NumPy overtakes the loop at about {overtakes:.0f} "
    f"elements, and the speed-up levels off near {levels_off:.0f}."
)

# %%
# The experiment
# --------------
#
# Four operations, each written several times. ``loop`` walks over Python lists
# and ``array_scalars`` over the elements of NumPy arrays: both are the
# interpreter's work. ``numpy`` is one expression over whole arrays, and
# ``numpy_out`` the same without temporaries. ``compiled`` is the loop again, but
# compiled by Numba, and ``vector`` uses explicit vector registers. Lists stop at
# a million elements, since a Python number takes 24 bytes and a place in a list
# 8 more.

DRAFT = profile().name == "quick"
LONGEST_LOOP = 10_000 if DRAFT else 1_000_000
SIDES = (8, 64) if DRAFT else (8, 64, 224)
LENGTHS = {
    "quick": (1, 100, 10_000, 1_000_000),
    "standard": (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
    "publish": (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
}[profile().name]


def ladder_of(operation, key="n", lengths=LENGTHS):
    """Return a case per length, with the steps that can bear it."""
    cases = []
    for length in lengths:
        steps = [
            step.name
            for step in kernels.ladder(operation, dtype="float32", tag="ladder")
            if step.instrument != "interpreter" or length <= LONGEST_LOOP
        ]
        sizes = {key: length, "dtype": "float32"}
        described = kernels.case(operation, steps, **sizes)
        cases.append(Case(**described, baseline="numpy"))
    return cases


relu = measure(
    "vectorise.relu",
    "What does the interpreter cost?",
    ladder_of("relu"),
    budget_s=5,
)
saxpy = measure(
    "vectorise.saxpy",
    "What does it cost with two inputs?",
    ladder_of("saxpy"),
    budget_s=5,
)
figures.speedup_curve(
    saxpy,
    over="loop",
    kernels=["array_scalars", "numpy", "compiled", "vector"],
    band=(10, 100),
    alt="Speed-up of saxpy over a Python loop against array length. "
    "The claimed range of 10 to 100 is shaded.",
)

# %%
# **Verdict.** The source claims "10-100x improvements" for vectorised operations,
# without saying at which size. This build measured:

report.paragraph(
    "saxpy: " + report.range_sentence(saxpy, "numpy", over="loop"),
    "relu: " + report.range_sentence(relu, "numpy", over="loop"),
    "And a loop over array elements against the loop over lists, for relu:",
    report.range_sentence(relu, "array_scalars", over="loop"),
)

# %%
# **Explain.** On a single element NumPy pays for its generality: it has to find
# the loop for these types, check shapes and overlap, and make sense of the output
# argument, all of which the list loop never does. As arrays grow, that call is
# spread over more elements until only the compiled loop remains, and the curve
# levels off. At the largest sizes the arrays leave the caches and every version
# waits for the same memory.
#
# Reading NumPy arrays element by element removes nothing and adds something: every
# ``x[i]`` makes a new Python object out of four bytes.
#
# What NumPy cannot vectorise away
# --------------------------------
#
# GELU, the activation of most language models, takes about eight array
# operations in NumPy. Each one walks over the whole array, so the cost is not the
# arithmetic but the passes. A compiled loop needs one pass, but Numba has no
# vector version of ``tanh`` here, so it takes every register apart and calls the
# scalar function for each element. Explicit vectors do both: one pass, and 16
# numbers at once where the machine has 512-bit registers.

gelu = measure(
    "vectorise.gelu",
    "What if there is real arithmetic?",
    ladder_of("gelu"),
    budget_s=6,
)
image = measure(
    "vectorise.normalise_image",
    "And for an augmentation step on images?",
    ladder_of("normalise_image", key="side", lengths=SIDES),
    budget_s=5,
)
figures.speedup_curve(
    gelu,
    over="loop",
    kernels=["numpy", "numpy_out", "compiled", "vector"],
    band=(10, 100),
    alt="Speed-up of GELU over a Python loop against array length, for NumPy "
    "with and without temporaries, a compiled loop, and explicit vectors.",
)

# %%
# The split matters more than the product. Over the *same* loop, the first factor
# below is the interpreter's, the second belongs to memory passes and vector
# registers.

looped = [case for case in gelu.cases if "loop" in case.kernels]
biggest = max(looped, key=lambda case: case.parameters["n"])
report.paragraph(
    report.speedup_sentence(biggest, "numpy", over="loop"),
    report.speedup_sentence(biggest, "compiled", over="numpy"),
    report.speedup_sentence(biggest, "vector", over="numpy"),
    "Images:",
    report.range_sentence(image, "numpy", over="loop", key="side"),
    report.stamp(gelu),
)

# %%
report.ladder_table(biggest, over="loop")

# %%
# **When not to.** Below the crossing point a plain loop, or ``math.exp`` on a
# Python float, is faster than NumPy. Vectorised code that needs large temporaries
# or computes both branches of a condition can lose to a compiled loop. And a loop
# that runs ten times in the whole program should be left readable.
#
# **Your turn.** Write ``clipped_relu(x, out)``, which computes
# ``min(max(x, 0), 6)``, without a Python loop and without a temporary. Check the
# step before it on every edge case that the book's own kernels must pass:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import check
#
#     def relu(x, out):
#         np.copyto(out, x)
#         out[x < 0] = 0          # which edge case is lost if you write x > 0 instead?
#
#     print(check(relu, "relu") or "all edge cases pass")
#
# **Next need.** The interpreter is gone and the loop is compiled. For arithmetic
# that uses every element once, memory now sets the pace. But a matrix product uses
# every element many times, and still waits for memory. That is page 8, *Block it*.
#
# Sources: C. R. Harris and others, "Array programming with NumPy", *Nature* 585
# (2020), on vectorisation; D. Hendrycks and K. Gimpel, "Gaussian error linear
# units" (2016), section 2, for the tanh form; Intel, *64 and IA-32 Architectures
# Optimization Reference Manual*, chapter on SIMD, for what a vector register is.
