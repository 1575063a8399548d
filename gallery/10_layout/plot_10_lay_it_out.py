"""
10 · Lay it out
===============

**Need.** The product stands near the roof, because all of its data comes in the order
in which it lies. Most operations on images and sequences are not so lucky: the same
numbers in another order take another time, and the order is ours to choose. A table can
lie row by row or column by column; the numbers of a point can lie together or apart;
an image has four indices, and any of them may run fastest.

**Predict.** Three rules say what an order costs. A line of the cache holds sixteen
float32; who walks across lines uses one of them per line. A register needs neighbours
in memory that want the same operation: the x, y and z of one point do not. And rows that
lie a power of two apart fall into the same few sets of a cache, so that a column of them
does not fit, however large the cache is. For a table whose rows are 1,024 numbers long, and
one with 1,025: how many rows can a column touch before the first cache has no place left?
"""

from accel import figures, kernels
from accel.findings import layouts
from accel.timing import Case, machine, measure
from accel.timing import profile, report


def rows_that_fit(row_bytes):
    """Return how many elements of a column fit the first data cache, one to a line."""
    caches = machine.describe()["caches"] or []
    first = next((c for c in caches if c["level"] == 1 and c["type"] != "instruction"), None)
    if first is None or not (first["ways"] and first["line_bytes"]):
        return None
    sets = first["size_bytes"] // (first["ways"] * first["line_bytes"])
    touched = {row * row_bytes // first["line_bytes"] % sets for row in range(8 * sets)}
    return len(touched) * first["ways"]


report.Table(
    "Elements of a column that fit the first cache, by its sets and ways",
    ("Numbers in a row", "Elements"),
    [(f"{n:,}", str(rows_that_fit(4 * n) or "unknown")) for n in (1023, 1024, 1025)],
)

# %%
# Rows and columns
# ----------------
#
# The sums of the rows of a table. Where rows lie together, a loop along them reads
# line after line, but adds to one sum, and waits. Where columns lie together, the same loop
# jumps from line to line. Turned round, it adds column after column to all the
# sums at once. NumPy looks at the strides and chooses for itself.

DRAFT = profile().name == "quick"
steps = [step.name for step in kernels.ladder("row_sums", tag="ladder")]
sums = measure(
    "layout.row_sums",
    "What does the order of a table cost a loop?",
    [
        Case(**kernels.case("row_sums", steps, n=n), baseline="along")
        for n in ((1024,) if DRAFT else (256, 1024, 2048))
    ],
    budget_s=3,
)
table = sums.cases[-1]
figures.rungs(
    sums,
    alt="One row per way to add up the rows of a table, by the order of the table and "
    "of the loops: the additions it does in a second.",
)

# %%
# **Verdict.** On the largest table:

report.paragraph(
    report.speedup_sentence(table, "across", over="along"),
    report.speedup_sentence(table, "turned", over="across"),
    report.speedup_sentence(table, "turned", over="along"),
    report.speedup_sentence(table, "numpy_f", over="numpy_c"),
    report.stamp(sums),
)

# %%
# **Explain.** ``across`` is the walk down a column of page 8 again, and ``turned`` what
# exchanging two loops removes. Where it runs ahead even of the loop along rows, that is
# not its memory, which both read in order, but its sums: as many as there are rows, none of
# which waits for another. So which order is best depends on the loop as much as on the
# data. There is no good layout as such, only one that suits what is done with it.
#
# Turning a table over
# --------------------
#
# A transpose is nothing but layout: no arithmetic, and on one of its two sides every walk is
# across the lines. ``blocked`` moves squares that fit a cache on both sides; ``buffered`` moves
# them through registers, a square of lanes at a time.

turn = [
    step.name
    for step in kernels.ladder("transpose", dtype="float32", tag="ladder")
    if step.instrument != "interpreter"
]
transposes = measure(
    "layout.transpose",
    "What does a power of two cost?",
    [
        Case(**kernels.case("transpose", turn, rows=n), baseline="compiled")
        for n in (1023, 1024, 1025)
    ],
    budget_s=4,
)
report.Table(
    "Time of a transpose",
    ("Side", *(f"`{step}`" for step in turn)),
    [
        (
            f"{case.parameters['rows']:,}",
            *(f"{case.time_ns(step).value / 1e6:.3g} ms" for step in turn),
        )
        for case in transposes.cases
    ],
)

# %%
report.paragraph(
    *(report.speedup_sentence(case, turn[-1]) for case in transposes.cases)
)

# %%
# Points: together or apart
# -------------------------
#
# A program thinks in points, so it keeps an array of structures: x, y, z of the first, then of
# the second. A register of sixteen lanes would rather have sixteen x, sixteen y and
# sixteen z: a structure of arrays. ``converted`` pays for moving them apart.

points = measure(
    "layout.points",
    "Should the three numbers of a point lie together?",
    [
        Case(
            **kernels.case("lengths", ["together", "apart", "converted"], n=n),
            baseline="together",
        )
        for n in (1_000, 100_000)
    ],
    budget_s=3,
)
report.paragraph(
    *(report.speedup_sentence(case, "apart") for case in points.cases),
    *(report.speedup_sentence(case, "converted") for case in points.cases),
)

# %%
# Images
# ------
#
# A convolution sums over channels and over the places of a filter. First in one layout, channel
# after channel (NCHW), by three methods. ``im2col`` copies every patch into a row of a
# matrix, so that BLAS can do the rest. ``direct`` has the loops of the definition, compiled.
# ``tiled`` is an *implicit* matrix product: register tiles that read the image where it is.

IMAGES = (
    {"side": 28, "channels": 64, "padding": 1},
    {"side": 28, "channels": 128, "kernel": 1},
)
methods = measure(
    "layout.methods",
    "Is it worth building the matrix?",
    [
        Case(
            **kernels.case("conv2d", ["im2col", "direct", "tiled"], **image),
            baseline="im2col",
        )
        for image in IMAGES
    ],
    budget_s=3,
)
report.paragraph(
    *(report.speedup_sentence(case, "direct") for case in methods.cases),
    *(report.speedup_sentence(case, "tiled") for case in methods.cases),
)

# %%
# Then the best method in each of three layouts: channel after channel, all channels of a
# pixel together (NHWC), or as many channels as a register has lanes (NCHWc). The steps named
# ``converted`` begin and end with channel after channel, and pay for the way.

LAYOUTS = ["nchw", "nhwc", "nchwc"]
images = measure(
    "layout.images",
    "Which layout do images like best, and is the way there worth it?",
    [
        Case(
            **kernels.case(
                "image_layouts",
                [*LAYOUTS, "nhwc_converted", "nchwc_converted"],
                **image,
            ),
            baseline="nchw",
        )
        for image in IMAGES
    ],
    budget_s=4,
)
figures.rungs(
    images,
    along="channels",
    channels=64,
    alt="One row per layout of the same convolution, with and without the conversion: "
    "its arithmetic rate.",
)
report.paragraph(
    *(layouts.best_sentence(case, LAYOUTS) for case in images.cases),
    *(
        layouts.pays_sentence(case, layout, "nchw")
        for case in images.cases
        for layout in ("nhwc", "nchwc")
    ),
)

# %%
report.ladder_table(images.cases[0])

# %%
# That is why frameworks differ, and why none of them is right for all: one keeps NCHW because its
# first kernels wanted it, another NHWC because a GPU's do, and their CPU libraries convert to
# blocks inside, once, and keep them for as many layers as they can.
#
# **When not to.** Do not convert for a single use without counting the way there and back.
# Do not choose a layout for one operation of a program that has ten. And where a size is
# yours to choose, do not make it a power of two for tidiness.
#
# **Your turn.** Write ``to_nchwc(x, out)`` for images of shape (batch, channels, side, side) and
# blocks of 16 channels, the last filled up with zeros, and try it on the ragged
# edges:
#
# .. code-block:: python
#
#     import numpy as np
#     from accel.kernels import check
#
#     def to_nchwc(x, out):
#         block = out.shape[-1]
#         ...
#
#     for complaint in check(to_nchwc, "nchw_to_nchwc"):
#         print(complaint)
#
# Then decide from the table above for which of your own networks conversion would pay: count
# how many convolutions follow each other before somebody wants the old layout back.
#
# **Next need.** The order of the data is chosen, and a profile of the whole program still shows
# something that no kernel does: allocation. Page 11, *Do it in place*.
#
# Sources: U. Drepper, "What every programmer should know about memory" (2007), section 6.2,
# on lines, sets and loops; E. Georganas et al., "Anatomy of high-performance deep learning
# convolutions on SIMD architectures", SC (2018), on blocks of channels; Y. Liu et al.,
# "Optimizing CNN model inference on CPUs", USENIX ATC (2019), section 3, on keeping a layout
# from layer to layer.
