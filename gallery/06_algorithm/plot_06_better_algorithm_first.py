"""
6 · Better algorithm first
==========================

**Need.** Every roof so far is a limit on how fast work can be done. None says that
the work is needed. Before a loop is tuned towards its roof, there is a question
that no roof answers: can the same result be had with less?

The source document puts this first among its priorities: "Algorithmic Complexity:
O(N³) → O(N²) matters more than 2x constant factors". Its example is ill chosen,
since the course is about matrix products and no :math:`O(N^2)` product of dense
matrices is known. But the advice can be tested. This page tests it on four
problems where less work is possible: sums over a sliding window, convolution, the
matrix product itself, and a chain of matrix products.

**Predict.** Count operations. A window sum by its definition adds ``width``
numbers; a running sum adds one and subtracts one. A convolution multiplies every
tap with every sample; the Fourier transform replaces that by three transforms,
whatever the number of taps. Strassen's product saves one in eight products of
quarters and adds eleven sums. If an operation always took the same time, where
would the better algorithm begin to win? Write down three sizes before you read on.
"""

from accel import figures, kernels
from accel.findings import crossover, digits, prediction
from accel.kernels import accuracy, signal, windows
from accel.kernels.matmul import strassen
from accel.timing import Case, measure, profile, report

NUMBERS = 20_000  # of samples; long enough for a sum to lose digits


def window_work(step):
    """Return a function of the width: operations of one step."""
    return lambda width: windows.work(step, n=NUMBERS, width=width)


def filter_work(step):
    """Return a function of the number of taps."""
    return lambda taps: signal.work(step, n=NUMBERS, taps=taps)


def product_work(step):
    """Return a function of the side of the matrices."""
    return lambda n: strassen.work(step, n=n)


TRIED = range(2, 4000)
counted_windows = prediction.predict(
    window_work("running"), window_work("vector"), TRIED
)
counted_taps = prediction.predict(
    filter_work("fft"), filter_work("vector"), TRIED
)
counted_strassen = prediction.predict(
    product_work("strassen_1"), product_work("blas"), TRIED
)
report.Sentence(
    "By the count of operations a running sum wins from windows of "
    f"{counted_windows} numbers on, the Fourier transform from "
    f"{counted_taps} taps, and Strassen's product from matrices of side "
    f"{counted_strassen}."
)

# %%
# Window sums
# -----------
#
# ``direct`` is the definition as two compiled loops. ``vector`` is the definition
# again, with neighbouring windows side by side in vector registers: the same
# additions, done as fast as they can be. The other three do less. ``cumulative``
# subtracts prefix sums, ``running`` keeps one sum and updates it, ``doubling``
# builds windows of 2, 4, 8, ... from pairs. The dotted line is the prediction, the
# shaded range holds the measured crossover, and hollow points are not resolved.

DRAFT = profile().name == "quick"
WIDTHS = (2, 8, 32, 128, 512)
TAPS = (4, 16, 64, 256, 1024)
if not DRAFT:
    WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    TAPS = (4, 16, 32, 64, 128, 256, 512, 1024, 2048)


def cases_of(operation, along, sizes, steps, baseline, **fixed):
    """Return a case for each size."""
    return [
        Case(
            **kernels.case(operation, steps, **fixed, **{along: size}),
            baseline=baseline,
        )
        for size in sizes
    ]


sums = measure(
    "algorithm.windows",
    "From which width on does a sum that is updated beat a sum made anew?",
    cases_of(
        "window_sum",
        "width",
        WIDTHS,
        ["direct", "vector", "cumulative", "running", "doubling"],
        "vector",
        n=NUMBERS,
    ),
    budget_s=2,
)
figures.crossover_curve(
    sums,
    kernel="running",
    over="vector",
    others=["direct", "cumulative", "doubling"],
    along="width",
    predicted=counted_windows,
    alt="Time of a window sum against the width of the window. The "
    "definition climbs with the width, the others hardly do.",
)

# %%
# Convolution
# -----------
#
# The same question with real arithmetic. ``convolve`` is ``np.convolve``, ``vector``
# the definition in vector registers. ``fft`` multiplies spectra of the whole
# signal, ``overlap_save`` those of blocks of it.

filters = measure(
    "algorithm.convolution",
    "From how many taps on does the Fourier transform pay?",
    cases_of(
        "convolve1d",
        "taps",
        TAPS,
        ["convolve", "vector", "fft", "overlap_save"],
        "vector",
        n=NUMBERS,
    ),
    budget_s=2,
)
figures.crossover_curve(
    filters,
    kernel="fft",
    over="vector",
    others=["convolve", "overlap_save"],
    along="taps",
    predicted=counted_taps,
    alt="Time of a convolution against the number of taps. The definition "
    "climbs with it, the Fourier transform stays level.",
)

# %%
# **Verdict.** A crossover is known as far as sizes were measured: it lies between
# the last size at which one algorithm is resolved to be ahead and the first at
# which the other one is.

updated = crossover.find(sums, "running", "vector", along="width")
spectral = crossover.find(filters, "fft", "vector", along="taps")
COUNT = "The count of operations"
report.paragraph(
    crossover.sentence(updated),
    prediction.prediction_sentence(updated, counted_windows, COUNT),
    crossover.sentence(spectral),
    prediction.prediction_sentence(spectral, counted_taps, COUNT),
)

# %%
# **Explain.** The count assumes that an operation takes the same time everywhere. It
# need not. The definition is the simplest of loops: independent sums, neighbours in
# memory, all lanes of all registers at work. A running sum is a chain, in which no
# addition can begin before the last has ended. A transform shuffles its data between
# butterflies and works with complex numbers. What an operation of theirs costs can
# be read from the same record:

widest, longest = sums.cases[-1], filters.cases[-1]


def counts(module, case, steps):
    """Return what each step does in one case."""
    return {
        step: module.work(step, **case.parameters) for step in steps
    }


window_counts = counts(windows, widest, widest.kernels)
filter_counts = counts(signal, longest, longest.kernels)
report.paragraph(
    prediction.price_sentence(widest, "running", "vector", window_counts),
    prediction.price_sentence(longest, "fft", "vector", filter_counts),
)

# %%
# With that price in the model, is the prediction any better? The price comes from
# the largest size alone; nothing else was fitted.

window_price = prediction.price(widest, "running", "vector", window_counts)
filter_price = prediction.price(longest, "fft", "vector", filter_counts)
PRICED = "With the price of an operation, the count"
report.paragraph(
    prediction.prediction_sentence(
        updated,
        prediction.predict(
            window_work("running"),
            window_work("vector"),
            TRIED,
            price=window_price.value,
        ),
        PRICED,
    ),
    prediction.prediction_sentence(
        spectral,
        prediction.predict(
            filter_work("fft"),
            filter_work("vector"),
            TRIED,
            price=filter_price.value,
        ),
        PRICED,
    ),
)

# %%
# A crossover belongs to two programs, not to two algorithms. Against another
# program of the same definition it lies elsewhere, and so it does for another
# program of the better algorithm:

report.paragraph(
    *(
        crossover.sentence(crossover.find(filters, mine, theirs, "taps"))
        for mine, theirs in (("fft", "convolve"), ("overlap_save", "vector"))
    ),
    crossover.sentence(crossover.find(sums, "running", "direct", "width")),
    crossover.sentence(crossover.find(sums, "cumulative", "vector", "width")),
)

# %%
# The table keeps two rates apart. The *own* rate is of the operations that a step
# does. The *effective* rate credits each step with those of the definition; it may
# lie above the peak of the machine, and says nothing about how well the machine is
# used.

prediction.work_table(longest, filter_counts)

# %%
# The matrix product
# ------------------
#
# What of the source's own example? Strassen found in 1969 that two matrices cut into
# quarters can be multiplied with seven products of quarters, not eight, which by
# recursion gives :math:`O(N^{2.81})`. That is not :math:`O(N^2)`, and whether
# anything is, nobody knows. Here one and two levels of it, in the form of Winograd
# that needs the fewest sums, stand on top of the library's product: there is no
# better place, since its products are as fast as products get.

SIDES = (256, 512, 1024) if DRAFT else (256, 512, 1024, 2048)
products = measure(
    "algorithm.strassen",
    "From which size on do seven products beat eight?",
    cases_of(
        "strassen",
        "n",
        SIDES,
        ["blas", "strassen_1", "strassen_2"],
        "blas",
        dtype="float32",
    ),
    budget_s=6,
)
largest = products.cases[-1]
seven = crossover.find(products, "strassen_1", "blas")
report.paragraph(
    crossover.sentence(seven),
    prediction.prediction_sentence(seven, counted_strassen, COUNT),
    crossover.sentence(crossover.find(products, "strassen_2", "blas")),
    prediction.price_sentence(
        largest,
        "strassen_1",
        "blas",
        counts(strassen, largest, largest.kernels),
    ),
)

# %%
# The product that is saved would have cost what products cost, which is little: BLAS
# runs near the peak. The fifteen sums use every number once and run at the speed of
# memory, and products of quarters may be slower than products of wholes. Where the
# crossover lies, if there is one, is a matter of the ratio of these speeds.
#
# From cubic to quadratic
# -----------------------
#
# There is an honest way from :math:`O(N^3)` to :math:`O(N^2)` with matrices, and it
# is a pair of brackets. ``A @ B @ C @ x`` means ``((A @ B) @ C) @ x``: two products
# of matrices, and then one with a vector. ``A @ (B @ (C @ x))`` never multiplies
# two matrices. ``best`` finds the cheapest order of any chain by dynamic
# programming; ``multi_dot`` is NumPy's function that does the same.

LENGTHS = (8, 32, 128, 512) if DRAFT else (8, 16, 32, 64, 128, 256, 512)
chains = measure(
    "algorithm.chain",
    "What does the order of a chain of products decide?",
    cases_of(
        "chain",
        "n",
        LENGTHS,
        ["left_to_right", "best", "multi_dot"],
        "left_to_right",
        shape="vector",
    ),
    budget_s=2,
)
ordered = crossover.find(chains, "best", "left_to_right")
report.paragraph(
    crossover.sentence(ordered),
    crossover.gain_sentence(ordered, 2),
    crossover.sentence(
        crossover.find(chains, "multi_dot", "left_to_right")
    ),
    report.stamp(chains),
)

# %%
# So the source's advice has a premise and a range: there must be an algorithm of
# lower order, and the problem must be larger than the crossover. A constant factor
# of the definition moves that crossover, which is why the definition was made fast
# on this page before anything was compared with it.
#
# What it costs in digits
# -----------------------
#
# Less arithmetic is other arithmetic. Prefix sums grow while the windows do not,
# and when two large numbers are subtracted, what is left are their rounding errors.
# A spectrum spreads the rounding errors of a loud passage over the quiet ones.
# First windows of 64 numbers with mean 1; then a filter on a signal whose middle is
# a thousand times as loud as its beginning, where we look.

report.paragraph(
    digits.sentence(
        accuracy.right_digits(
            "window_sum",
            ["vector", "cumulative", "running", "doubling"],
            n=NUMBERS,
            width=64,
            offset=1.0,
        ),
        than="vector",
    ),
    digits.sentence(
        accuracy.right_digits(
            "convolve1d",
            ["vector", "fft", "overlap_save"],
            n=NUMBERS,
            taps=512,
            loud=1000.0,
            part=slice(0, NUMBERS // 4),
        ),
        than="vector",
    ),
    digits.sentence(
        accuracy.right_digits(
            "strassen", ["blas", "strassen_1", "strassen_2"], n=512
        ),
        than="blas",
    ),
)

# %%
# Doing less and losing digits are two things, to be looked at one by one. Nor is the
# definition exact: adding one number after the other gathers roundings too, and more
# of them than adding sums of pairs does.
#
# **When not to.** Below the crossover, which is where many programs live: filters
# of nine taps, windows of five, matrices of a few hundred rows. Where the result
# must be right to the last digit, or where one bad value must not spread to its
# neighbours' results, as a NaN does through a running sum or a spectrum. And never
# where the answer was not needed: a better algorithm still comes second to leaving
# the work out.
#
# **Your turn.** *Choose the order.* ``order(sides)`` returns how to bracket a
# product: matrix ``i`` has ``sides[i]`` rows and ``sides[i + 1]`` columns, and
# ``((0, 1), 2)`` multiplies the first two first. This one always goes from left to
# right, and the check says where that is not the cheapest:
#
# .. code-block:: python
#
#     from accel.kernels.matmul import orders
#
#     def order(sides):
#         result = 0
#         for matrix in range(1, len(sides) - 1):
#             result = (result, matrix)
#         return result
#
#     for complaint in orders.check_order(order):
#         print(complaint)
#
# *Find the crossover.* For ``strassen_1`` in float64, find the size at which it
# overtakes ``blas``, or show that there is none below the largest matrices you can
# afford: ``measure`` the cases as above with ``dtype="float64"`` and print
# ``crossover.sentence``.
#
# **Next need.** The right algorithm is chosen, and it is a few lines of Python. Who
# runs them? If it is the interpreter, each of the few operations that are left
# costs a hundred others: page 7, *Vectorise*.
#
# Sources: V. Strassen, "Gaussian elimination is not optimal", *Numerische
# Mathematik* 13 (1969); N. Higham, *Accuracy and Stability of Numerical
# Algorithms*, 2nd ed. (2002), chapter 4 on sums, 23 on fast products of matrices, 24
# on the Fourier transform; J. Cooley and J. Tukey, *Mathematics of Computation* 19
# (1965), on the fast Fourier transform; T. Stockham, "High-speed convolution and
# correlation", AFIPS Spring Joint Computer Conference (1966), on convolution by
# it; S. Godbole, *IEEE Transactions on Computers* C-22 (1973), on the order of a
# chain.
