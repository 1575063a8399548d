"""
16 · Build a backend
====================

**Need.** The best kernel depends on size. A call of NumPy has to be paid for before it computes
anything, and so has waking a second core; whose matrix product is faster changes with the
matrices. Nobody wants to write such things down at every call, and nobody can: the size to
change at is a property of the machine. So the source promises an abstract
``ComputeBackend``, and "Automatic dispatch: Optimal performance across different problem
sizes". Its own code always called NumPy. This page builds what was promised, and then measures
the word *optimal*.

**Predict.** A call on one core takes its work over the core's rate. On P cores it takes a P-th
of that, and the time to wake the others. Threads should therefore begin to pay where waking
them costs as much as they save:

.. math:: \\text{work} = \\frac{\\text{wake} \\cdot \\text{rate}}{1 - 1/P}

How large are the arrays then, for GELU and for a matrix product? And what may it cost to
look up, at each call, which backend to take?
"""

from accel import figures, kernels
from accel.arrays import workloads
from accel.backend.profile import Curve
from accel.findings import crossover, dispatching
from accel.findings import unmodified as code
from accel.timing import Case, machine, measure, profile, report

CORES = machine.describe()["logical_cores"] or 1
WAKE_NS, BYTES_PER_NS, FLOPS_PER_NS = 10_000, 20, 100  # guesses, to be judged below

saved = 1 - 1 / max(CORES, 2)
gelu_n = WAKE_NS * BYTES_PER_NS / saved / 8  # four bytes read and four written for each number
matmul_n = (WAKE_NS * FLOPS_PER_NS / saved / 2) ** (1 / 3)
report.Table(
    "Where threads should begin to pay, by the model",
    ("Operation", "Rate of a core", "n"),
    [
        ("gelu", f"{BYTES_PER_NS} GB/s", f"{gelu_n:,.0f}"),
        ("matmul", f"{FLOPS_PER_NS} GFLOP/s", f"{matmul_n:,.0f}"),
    ],
)

# %%
# Three questions make a backend
# ------------------------------
#
# A *call* is an operation, an element type, and the arguments, the last of which is written.
# A backend says whether it is there, whether it would take a call, and then computes it:
#
# .. code-block:: python
#
#     class ComputeBackend(ABC):
#         name: str
#         def available(self) -> str | None: ...   # None, or why not and what to do
#         def supports(self, call) -> str | None: ...
#         def run(self, call) -> None: ...
#
# Those of this library take one step of each ladder: ``numpy`` the best that calls NumPy only,
# ``numba`` the best compiled one on one core, ``numba-threads`` that on all. (There is a
# ``python`` too. Page 4 has measured it, and it does not compete.) They know no operation by
# name: they read the list of kernels. Under ``accel.use("auto")`` *dispatch* takes the one whose
# time is predicted to be the least. The prediction is read off a curve, time against work,
# which ``accel calibrate`` measures once on each machine. What was decided is kept as a *plan*
# for all calls with the same shapes.
#
# Below, each backend is fixed and called as directly as it can be, and ``auto`` looks up its
# plan first. The fastest of the fixed ones is the *oracle*: one learns who it is by having
# measured everybody. *Regret* is the time of a choice over the oracle's.

BACKENDS = ("numpy", "numba", "numba-threads")
DRAFT = profile().name == "quick"
SIZES = [3 << power for power in ((10, 14, 18, 21) if DRAFT else range(10, 23, 2))]
OPERATIONS = ("matmul", "gelu", "sum") + (() if DRAFT else ("softmax", "transpose", "conv2d"))


def contest(operation, working_set):
    """Return the case of one operation with so many bytes in use."""
    sizes = kernels.operation(operation).sizes(working_set)
    described = workloads.contest(operation, dtype="float32", **sizes)
    return Case(**described, baseline="numpy")


choosing = measure(
    "dispatch.regret",
    "What does it cost to choose before the call?",
    [contest(operation, size) for operation in OPERATIONS for size in SIZES],
    budget_s=5,
    threads=CORES,
    warmup_s=0.01,  # many cases, each measured briefly
    min_sample_ns=1_000_000,
)
figures.dispatch_map(
    choosing,
    BACKENDS,
    "auto",
    sizes=SIZES,
    alt="A table of operations by sizes; each cell names the fastest backend.",
)

# %%
# Where a cell names two, the record cannot tell them apart, and either choice is right. Is there
# anything to choose? And where do threads begin to pay, which the model above has predicted?

report.paragraph(
    dispatching.map_sentence(choosing, BACKENDS),
    *(
        f"In `{operation}`, "
        + crossover.sentence(
            crossover.find(
                dispatching.of_operation(choosing, operation), "numba-threads", "numba"
            )
        )
        for operation in ("gelu", "matmul")
    ),
)

# %%
# What choosing costs
# -------------------

figures.regret(
    choosing,
    BACKENDS,
    "auto",
    alt="A panel for each operation: the time of each fixed backend and of auto over the "
    "fastest, against the bytes of a call.",
)

# %%
# **Verdict.** First against the word of the source, then against whoever would rather fix one
# backend for all calls, then against NumPy alone:

report.paragraph(
    dispatching.regret_sentence(choosing, "auto", BACKENDS),
    dispatching.fixed_sentence(choosing, "auto", BACKENDS),
    dispatching.numpy_sentence(choosing, "auto"),
    f"Here `auto` chose by {workloads.profile_words()}.",
    report.stamp(choosing),
)

# %%
# A short call cannot be chosen for cheaply: looking at the context, finding the plan and
# calling through it take the same time whatever is computed. It is measured where little
# else is done, on 4 × 4 numbers. The last two pairs are NumPy's own functions, called with
# plain arrays and then with arrays that ``accel.asarray`` has wrapped, which NumPy hands over
# by its protocol for such arrays.

direct = workloads.chosen("matmul", n=4, dtype="float32")
product = workloads.contest("matmul", (direct, "auto"), n=4, dtype="float32")
larger = kernels.case("larger", [], n=16, dtype="float32")


def way(target, story, adapt=None):
    """Describe one more way to make a call."""
    return {"target": target, "adapt": adapt, "instrument": "NumPy", "story": story}


WRAPPED = "accel.arrays.workloads:wrapped"
product["kernels"] |= {
    "front door": way("accel.ops:matmul", "checks its arguments, then dispatches"),
    "plain": way("numpy:matmul", "plain arrays"),
    "wrapped": way("numpy:matmul", "wrapped arrays", WRAPPED),
}
larger["kernels"] |= {
    "plain": way("accel.arrays.workloads:maximum", "plain arrays"),
    "wrapped": way("accel.arrays.workloads:maximum", "wrapped arrays", WRAPPED),
}
overhead = measure(
    "dispatch.overhead",
    "What does it cost to choose, where there is nothing else to do?",
    [Case(**product, baseline="plain"), Case(**larger, baseline="plain")],
    budget_s=1,
    threads=CORES,
)
products, maxima = overhead.cases
code.overhead_table(
    [
        (f"the kernel of `{direct}`", products, direct, None),
        ("dispatch, its plan found", products, "auto", direct),
        ("`accel.matmul`, which checks as well", products, "front door", direct),
        ("`np.matmul` of plain arrays", products, "plain", None),
        ("`np.matmul` of wrapped ones", products, "wrapped", "plain"),
        ("`np.maximum` of plain arrays", maxima, "plain", None),
        ("`np.maximum` of wrapped ones", maxima, "wrapped", "plain"),
    ],
    "Calls on 4 × 4 numbers",
)

# %%

report.paragraph(
    code.overhead_sentence(
        products, "auto", direct, code.GOAL_PLAN_NS, "A plan that is found"
    ),
    code.overhead_sentence(
        maxima, "wrapped", "plain", code.GOAL_PROTOCOL_NS, "NumPy's protocol"
    ),
)

# %%
# Code that knows nothing of it
# -----------------------------
#
# *Transparent* means that nobody rewrites anything. Four pieces of code, written with ``np.``
# calls and operators only (they are in ``accel.arrays.workloads``), get wrapped arguments
# and run under each policy:
#
# .. code-block:: python
#
#     x = accel.asarray(x)
#     with accel.use("auto"):
#         y = mlp(x, w1, b1, w2, b2)        # unmodified
#     print(accel.explain(mlp, x, w1, b1, w2, b2))
#
# What is not covered NumPy computes as ever, and ``accel.explain`` lists it.

CODE = {
    "mlp": "MLP",
    "cnn_block": "CNN block",
    "plain_attention": "Attention",
    "plain_adam": "Adam step",
}
CODE_SIZES = {
    "mlp": {"rows": 64, "width": 256, "hidden": 1024}
    if DRAFT
    else {"rows": 256, "width": 768, "hidden": 3072},
    "cnn_block": {"batch": 1 if DRAFT else 4, "channels": 32, "filters": 64, "side": 56},
    "plain_attention": {"heads": 4 if DRAFT else 8, "n": 256 if DRAFT else 512, "d": 64},
    "plain_adam": {"n": 500_000 if DRAFT else 4_000_000},
}
POLICIES = workloads.POLICIES
unmodified = measure(
    "dispatch.unmodified",
    "How much faster is code that was not changed?",
    [
        Case(**kernels.case(name, ["plain", *POLICIES], **sizes), baseline="plain")
        for name, sizes in CODE_SIZES.items()
    ],
    budget_s=2,
    threads=CORES,
)
figures.unmodified(
    unmodified,
    POLICIES,
    CODE,
    alt="For each of four pieces of unmodified NumPy code, its speed through each backend "
    "over NumPy's on plain arrays.",
)
report.paragraph(
    code.code_sentence(unmodified, "auto", CODE),
    code.code_sentence(unmodified, "numpy", CODE),
    report.stamp(unmodified),
)

# %%
code.code_table(unmodified, POLICIES, CODE)

# %%
# Another machine's calibration
# -----------------------------
#
# A table of times is worth as much as its machine is like yours. How much is that? Dispatch in
# small: curves through the times above predict each call from the *other* sizes of
# its operation, and the least prediction wins. Then the same with times as another machine
# might have had them. The altered times only choose; what is paid are the times measured here.

amount = {
    dispatching.place(case): workloads.work(case.operation, **case.parameters)
    for case in choosing.cases
}
MACHINES = {
    "threads wake 20 times slower": lambda name, ns: ns
    + (19 * WAKE_NS if name == "numba-threads" else 0),
    "NumPy three times as fast": lambda name, ns: ns / 3 if name == "numpy" else ns,
    "calls of compiled code cost 5 µs more": lambda name, ns: ns
    + (0 if name == "numpy" else 5_000),
    "vector registers a quarter as wide": lambda name, ns: ns * (1 if name == "numpy" else 4),
}


def calibrated(altered):
    """Return who chooses by the times of other sizes, altered as on another machine."""

    def predict(case):
        here = dispatching.place(case)
        seen = dispatching.of_operation(choosing, case.operation).cases
        others = [each for each in seen if dispatching.place(each) != here]
        others.sort(key=lambda each: amount[dispatching.place(each)])
        work = tuple(amount[dispatching.place(each)] for each in others)
        times_ns = {
            name: tuple(altered(name, each.time_ns(name).value) for each in others)
            for name in BACKENDS
        }
        return {name: Curve(work, ns).time_ns(amount[here]) for name, ns in times_ns.items()}

    return dispatching.predicting(predict)


own = calibrated(lambda name, ns: ns)
foreign = {name: calibrated(altered) for name, altered in MACHINES.items()}
dispatching.regret_table(
    choosing,
    {
        **{f"always `{name}`": dispatching.always(name) for name in BACKENDS},
        "by other sizes of this machine": own,
        **foreign,
        "`auto`, with what looking up costs": dispatching.always("auto"),
    },
    BACKENDS,
    "Who chooses, and what it costs on this machine",
)

# %%

dispatching.elsewhere_sentence(choosing, own, foreign, BACKENDS)

# %%
# **Explain.** Far from a crossover even poor times give the right order: a prediction may be
# off by a third where the next backend has half the speed. Near a crossover a wrong choice is
# easily made, but there it costs little, since that is what a crossover is. Regret needs
# both, a wrong order and times far apart, and that takes a machine whose *ratios* are others:
# threads that are dearer to wake, registers of another width. So a profile carries a
# fingerprint of processor, libraries and thread counts, and one from elsewhere is not
# trusted. What remains is the price of asking, which no calibration removes.
#
# This is also how the large frameworks do it: they keep a table from operation, device and
# element type to a kernel, and for convolutions some of them time the candidates once and
# remember the winner for each shape.
#
# **When not to.** Do not dispatch where one backend always wins: call it. Do not dispatch
# calls that take less than a microsecond; gather them into fewer, larger ones. Do not trust a
# calibration that was made while something else was running, or before the libraries were
# updated. And do not expect a chain of good single choices to be the best whole: the code above
# writes its intermediate arrays to memory, which fusing by hand (page 12) avoids and no
# dispatcher of single calls can.
#
# **Your turn.** Register a backend of your own. Let it compute GELU in pieces that fit a cache,
# with NumPy only, as page 12 did:
#
# .. code-block:: python
#
#     from accel.backend import ComputeBackend
#     from accel.backend.contract import complaints
#
#     class Pieces(ComputeBackend):
#         name = "pieces"
#
#         def available(self):
#             return None
#
#         def supports(self, call):
#             return None if call.operation == "gelu" else "it computes gelu only"
#
#         def run(self, call):
#             x, out = call.arguments
#             # ... your loop over pieces ...
#
#     for complaint in complaints(Pieces()):
#         print(complaint)
#
# When nothing is printed, offer it to everybody: in the ``pyproject.toml`` of your package,
# ``[project.entry-points."accel.backends"]`` with ``pieces = "mine:Pieces"``. Then add its name
# to the ``contest`` above and to ``BACKENDS``, and calibrate. You are done when the regret of
# ``auto`` is no larger than it was, and you can say in which cells of the map your backend is
# named, and why not in the others.
#
# **Next need.** All of these backends share one memory. What would a device give that has its
# own? Page 17, *Offload it*.
#
# Sources: J. R. Rice, "The algorithm selection problem", *Advances in Computers* 15 (1976),
# pages 65–118, on choosing by features of a problem; M. Frigo and S. G. Johnson, "The design
# and implementation of FFTW3", *Proceedings of the IEEE* 93 (2005), section I, on plans that
# are measured once and used often; NEP 13, "A mechanism for overriding ufuncs", section
# "Proposed interface", and NEP 18, "A dispatch mechanism for NumPy's high level array
# functions", section "Detailed description", in the NumPy Enhancement Proposals.
