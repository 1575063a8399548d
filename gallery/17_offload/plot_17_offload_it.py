"""
17 · Offload it
===============

**Need.** On page 16 a call went to whichever backend is fastest at its size. All of them
computed where the numbers were. A graphics processor computes faster than any of them, and
has a memory of its own, so the numbers have to travel first. What would it give?

The source answers with a range: "Hardware Utilization: CPU → GPU for large parallel
operations: 10-100x". It has no measurement for that, and no word on the way.

**Predict.** A call that is offloaded takes three times, one after the other: what it costs to
ask for anything at all, the way of its arguments to the device and of its result back, and
the work:

.. math::

    t = \\text{latency} + \\frac{\\text{bytes}}{\\text{link}} +
    \\max\\left(\\frac{\\text{FLOPs}}{\\text{peak}},\\;
    \\frac{\\text{bytes}}{\\text{its memory}}\\right)

The last term is the roofline of page 3, with the roofs of the device. Nothing on this page
needs a device to be there. The times of the CPU are measured on this machine; a device is
*given*, from a data sheet. No program reaches all figures of a data sheet, so the model
flatters the device: where it loses by the model, it loses.

Before you read on, take a device that does every computation in a tenth of the time that this
machine needs. Which calls would be less than 1.5 times as fast as they are?
"""

from accel import figures, kernels
from accel.backend.known import backend
from accel.findings import offload
from accel.kernels import cuda
from accel.timing import Case, measure, profile, report, roofs

GIVEN = offload.Device(
    name="NVIDIA A100 80GB PCIe",
    source="NVIDIA, A100 data sheet (2022)",
    peak_gflops=19_500,  # float32, without tensor cores
    memory_gb_s=1_935,
    link_gb_s=32,  # PCIe 4.0 with 16 lanes; the sheet's 64 counts both directions
    latency_ns=10_000,  # no sheet has it: two or three copies and a launch
)
offload.device_table(GIVEN)

# %%
# Three operations, and the bytes they would move
# -----------------------------------------------
#
# ``gelu`` and ``softmax`` do a few FLOPs for each number, however many there are. ``matmul``
# does :math:`2 n^3` on :math:`3 n^2` numbers, so that each byte which is moved brings more
# work the larger it is. The CPU is used as well as it can be: the fastest of NumPy's or
# BLAS's kernel, ours on one core, and ours on all cores is what the device has to beat.

DRAFT = profile().name == "quick"
LENGTHS = (2**14, 2**18, 2**21) if DRAFT else (2**12, 2**14, 2**16, 2**18, 2**20, 2**22)
SIDES = (64, 256, 768) if DRAFT else (64, 128, 256, 512, 1024, 2048)
CORES = roofs.all_threads()


def contest(operation, numpys, **sizes):
    """Return the case of one call: NumPy's kernel, and ours on one core and on all."""
    ours = [kernels.best(operation, "float32", each).name for each in (1, CORES)]
    steps = list(dict.fromkeys((numpys, *ours)))
    described = kernels.case(operation, steps, **sizes, dtype="float32")
    return Case(**described, baseline=numpys)


here = measure(
    "offload.here",
    "What do calls take on this CPU, as well as it can be used?",
    [
        *(contest("gelu", "numpy_out", n=n) for n in LENGTHS),
        *(contest("softmax", "numpy_out", rows=n // 1024, width=1024) for n in LENGTHS),
        *(contest("matmul", "blas", n=n) for n in SIDES),
    ],
    budget_s=3,
    threads=CORES,
)
figures.break_even(
    here,
    GIVEN,
    alt="Modelled gain of a device against the bytes that a call moves, for three "
    "operations. In the shaded part offloading loses.",
)

# %%
# Solid lines are calls whose arrays come from the host and whose result goes back. Dashed
# lines are the same calls on arrays that are on the device already, and stay there.

offload.gains_table(here, GIVEN)

# %%
# **Verdict.** Each operation by itself, and then the claim:

report.paragraph(
    *(offload.break_even_sentence(here, GIVEN, each) for each in offload.operations(here)),
    offload.claim_sentence(here, GIVEN, 10, 100),
    report.stamp(here),
)

# %%
# The range has a history. Early reports set a tuned program on a GPU against an untuned one,
# in one thread, on a CPU. V. Lee and others at Intel, in a paper called "Debunking the 100X
# GPU vs. CPU myth", tuned both sides of fourteen kernels for throughput: their GPU came out
# ahead 2.5 times on average, not a hundred times. Both chips are history now, and the ratio of
# today's is another. What lasts is the method: tuned against tuned, and the ratio of peaks
# and of bandwidths as a first guess.
#
# **Explain.** Small calls are all latency: what takes less than that here loses, however fast
# the device. For large ones *intensity* decides, the FLOPs that each moved byte brings. If
# latency is nothing, a call gains where its work takes longer here than its way and its work
# there. With the rate of the CPU from the record, that can be solved for the intensity at
# which both are equal:

report.paragraph(
    *(offload.intensity_sentence(here, GIVEN, each) for each in offload.operations(here))
)

# %%
# So a call that moves its operands has one more roof: a slope, as those of page 3 are, but the
# link's. A faster device does not raise it. An operation that goes through each number once
# is limited by bandwidth on either side, and gains by the way at most what the link is faster
# than the memory that holds the numbers here.
#
# The way out is not to go. A network whose weights and activations stay on the device pays
# for the link once, and for a call it pays its latency alone. That is why frameworks have
# arrays *on* a device, and make the user move them by hand: ``x.to("cuda")`` in PyTorch is an
# expensive line that should be seen. The rest of what they do hides latency: launches are
# queued and the program runs ahead of them, copies from page-locked memory run beside kernels,
# elementwise operations are fused into their neighbours, and a sequence of launches can be
# recorded once as a graph and replayed.
#
# Ten times as fast, hardly worth it
# ----------------------------------
#
# Now for the question you were asked. It needs no data sheet, only the link: every computation
# is held to take a tenth of its time here.

offload.hidden_sentence(here, GIVEN, faster=10, wanted=1.5)

# %%
# This is Amdahl's law with another name for the part that does not get faster. Page 18 meets
# it again with the whole program in the place of the call.
#
# A ladder on the device
# ----------------------
#
# The arithmetic has its own ladder there, and its steps are those of pages 8 and 9.
# ``naive`` has a thread for each element of the result: two loads for each multiply-add, and
# memory is the roof. ``tiled`` has the threads of a block fetch a tile of each operand into
# memory that they share, as page 8 blocks for a cache; now shared memory is the roof, since
# each multiply-add still takes two loads from it. ``register_tiled`` gives each thread eight by
# eight sums in registers: sixteen loads serve sixty-four multiply-adds, as the register tile
# of page 9 does it, and the next slab of the operands is on its way meanwhile. ``cublas`` is
# the vendor's library. The fused ``softmax`` and ``layernorm`` have a block of threads for each
# row, and ``gelu`` walks in strides of the grid. All of them are in ``accel.kernels.cuda``, and
# ``accel.use("cuda")`` runs them where there is a device; with ``"auto"``, ``accel calibrate``
# measures them with the way there and back, so that they are chosen only where they win.

SIDE = 2048 if DRAFT else 4096
ABLE = [step.name for step in cuda.ladder("matmul") if step.missing() is None]


def on_this_device():
    """Return the measured ladder, on data that stay there; or why there is none."""
    reason = backend("cuda").available()
    if reason is not None:
        return offload.no_device_sentence(reason)
    ladder = measure(
        "offload.ladder",
        "How far is each device kernel from the vendor's?",
        [Case(**cuda.case("matmul", ABLE, stay=True, n=SIDE), baseline=ABLE[-1])],
        budget_s=1,
    )
    figures.rungs(ladder, along="n", n=SIDE, alt="One row per device kernel of the product.")
    return report.ladder_table(ladder.cases[0])


on_this_device()

# %%
# **When not to.** Do not offload a call: offload a chain of calls, so that the way is paid
# once. Do not offload what reads each number once and does little with it, if the number is
# not there already. Do not offload small calls, unless they can be made one. And do not
# compare a device with a loop in the interpreter: the gain that you see is then what the pages
# before this one removed without one.
#
# **Your turn.** *How much may it move?* Write
# ``affordable(cpu_ns, faster, wanted, device)``: a call takes ``cpu_ns`` here, and computing
# takes ``cpu_ns / faster`` there. Return how many bytes it may move at most to be ``wanted``
# times as fast; 0 if latency alone is too long. This one forgets that the device has to
# compute as well, and the check says where that is too much:
#
# .. code-block:: python
#
#     from accel.findings.affordable import check_affordable
#
#     def affordable(cpu_ns, faster, wanted, device):
#         left_ns = cpu_ns / wanted - device.latency_ns
#         return max(0.0, left_ns * device.link_gb_s)
#
#     for complaint in check_affordable(affordable):
#         print(complaint)
#
# Then put your own device in the place of ``GIVEN``, with the figures of its data sheet, and
# find the smallest product that gains.
#
# **Next need.** Whoever computes, and wherever, the kernel is only a part of the run. How large
# a part? Page 18, *Outside the kernel, beyond the machine*.
#
# Sources: V. Lee et al., "Debunking the 100X GPU vs. CPU myth", ISCA (2010), sections 4 and
# 5, on fourteen kernels tuned on both sides; S. Williams, A. Waterman and D. Patterson,
# "Roofline", *Communications of the ACM* 52 (2009), the section on the model; V. Volkov and
# J. Demmel, "Benchmarking GPUs to tune dense linear algebra", SC (2008), sections 3 and 4, on
# the cost of a launch and a copy, and on a product with its sums in registers; NVIDIA,
# *A100 80GB PCIe GPU* data sheet (2022), the table of specifications.
