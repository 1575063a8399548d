"""
18 · Outside the kernel, beyond the machine
===========================================

**Need.** A faster processor on the same board had to be fed: what went there and back
decided whether it paid. Now the matrix does not fit into the machine at all, or one machine
takes too long, and there are others. Each has memory and cores of its own, and between
them lies a network, slower than any memory that this book has measured.

**Predict.** A product of matrices is what clusters do best: it does :math:`2 m k n`
operations on :math:`m k + k n + m n` numbers. Cut the result into blocks, send to each
worker the rows and columns that its block needs, and fetch the block. Three things take
time: each *round* of messages, whatever is in it; each *byte* on its way; and the
*arithmetic*, which alone is shared among workers. Of three products below, one is nearly
all rounds, one nearly all bytes, and one has more arithmetic than the others. Before you read
on: a second worker brings as many rows again. For which of the three will both be done as soon as
one was?
"""

from accel import figures
from accel.backend.dask import DaskBackend, weak_scaling
from accel.findings import cluster
from accel.timing import Case, measure, profile, report

DRAFT = profile().name == "quick"

#: Rows for each worker, and the sizes of the matrix that they are multiplied by.
SHAPES = {
    "rounds": (64, 64, 64),
    "bytes": (1024, 64, 2048),
    "arithmetic": (1024, 1024, 1024) if DRAFT else (2048, 2048, 2048),
}


def takes(shape, workers):
    """Return what a product on so many workers takes, from the plan by which it is cut."""
    m, k, n = SHAPES[shape]
    return cluster.Work(**weak_scaling.counts(m * workers, k, n, workers))


report.Table(
    "What two workers are sent, and what they do with it",
    ("Mostly", "Rounds", "Bytes on the way", "FLOPs", "FLOPs per byte"),
    [
        (
            shape,
            f"{work.rounds}",
            f"{work.moved_bytes:,}",
            f"{work.flops:,}",
            f"{work.flops / work.moved_bytes:.3g}",
        )
        for shape in SHAPES
        for work in [takes(shape, 2)]
    ],
)

# %%
# A cluster in one line
# ---------------------
#
# The backend ``dask`` runs the same calls as the others, on a scheduler that exists already or
# on workers that it starts on this machine, one for each core:
#
# .. code-block:: python
#
#     import accel
#     import numpy as np
#
#     a = np.load("rows.npy", mmap_mode="r")  # larger than a worker's memory
#     with accel.use("dask", memory_limit="1GiB"):
#         product = accel.matmul(a, b)
#     with accel.use("dask", scheduler="tcp://10.0.0.1:8786"):
#         product = accel.matmul(a, b)
#
# Pieces are as large as the limit of a worker allows, and no more than two are on a worker at
# once: one is worked on, the other is on its way. A block of the result stays where
# it is while panels of both matrices come by, so that what is sent is least. If a worker is
# lost, its pieces go to the others.
#
# What follows measures it: each process starts two workers, off the clock, and multiplies
# on one of them, then on both with twice the rows. That is *weak scaling*: as much work for
# each worker, and more workers.

missing = DaskBackend().available()
scaling = fitted = None
if not missing:
    scaling = measure(
        "beyond.cluster",
        "What does a second worker gain, if it brings as much work as the first?",
        [
            Case(**weak_scaling.case(m * workers, k, n, workers))
            for workers in weak_scaling.WORKERS
            for m, k, n in SHAPES.values()
        ],
        budget_s=6,
        threads=max(weak_scaling.WORKERS),
    )
    fitted = cluster.fitted(scaling, "cluster", weak_scaling.counts)
cluster.not_measured(missing) if missing else cluster.scaling_table(scaling, "cluster")

# %%
# **Verdict.** Two workers against one, shape by shape, and the cluster against the same cores
# without a cluster:

cluster.not_measured(missing) if missing else report.paragraph(
    *cluster.scaling_sentences(scaling, "cluster"),
    *(
        report.speedup_sentence(case, "cluster")
        for case in scaling.cases
        if case.parameters["workers"] == max(weak_scaling.WORKERS)
    ),
    report.stamp(scaling),
)

# %%
# **Explain.** Workers here share one machine with the process that feeds them: on two cores,
# sending takes time from computing, and a worker of one's own on another machine would not
# suffer from that. What remains on any machine is the feeding. All data pass through one
# process, which cuts, sends and receives, however many workers there are. A model of
# three numbers says how far that goes. It adds up
#
# .. math:: T = \alpha \, \text{rounds} + \beta \, \text{bytes} + \gamma \, \text{FLOPs} / p
#
# and its :math:`\alpha`, :math:`\beta` and :math:`\gamma` are those that come nearest to
# the times above.

WORKERS = (1, 2, 4, 8, 16, 32, 64)

if not missing:
    figures.scaling_curve(
        scaling,
        "cluster",
        fitted.model,
        weak_scaling.counts,
        WORKERS,
        alt="Time of a product against the number of workers, each with as many rows: measured on "
        "one and two workers, modelled up to 64.",
    )
cluster.not_measured(missing) if missing else cluster.fit_sentence(fitted)

# %%
# What the model says of more workers was not measured by anybody. It takes for granted that
# every worker has a core of its own, and that the one who feeds them does not get slower.

more = [takes("arithmetic", count) for count in WORKERS]
cluster.not_measured(missing) if missing else cluster.parts_table(more, fitted)

# %%
cluster.not_measured(missing) if missing else cluster.limit_sentence(more, fitted)

# %%
# Nobody in the middle
# --------------------
#
# Who trains a model on many machines does not send data from one place. Each
# worker has its own examples, and a gradient as large as the model; after each step everybody
# needs the sum of all gradients. That is an *all-reduce*. It can go up a tree, in
# which half of those left hand all they have to the other half, and down again: few
# messages, all of them long. Or it can go round a ring: each cuts its numbers into as
# many parts as there are workers, and passes one part on at each step; after one round the
# parts are added up, after a second all have them. With a message that costs
# :math:`\alpha` and a byte that costs :math:`\beta`, :math:`p` workers and :math:`n` bytes,
#
# .. math::
#
#    T_\text{tree} = 2 \lceil \log_2 p \rceil (\alpha + n \beta), \qquad
#    T_\text{ring} = 2 (p - 1) \left(\alpha + \frac{n}{p} \beta\right).
#
# The ring sends each byte about twice, however many workers there are. It pays with
# messages. Where the two cross depends on the network, and all of it is a model:

GUESSED = {"a network of 10 µs and 12.5 GB/s, guessed": cluster.Link(10_000, 1 / 12.5)}
links = cluster.links(fitted, GUESSED)
name, link = next(iter(links.items()))
figures.allreduce(
    link,
    16,
    [10 ** (tenth / 10) for tenth in range(30, 91)],
    name="beyond.allreduce",
    alt="Modelled time of an all-reduce by ring and by tree against the size of the data, over "
    f"{name}.",
)
report.paragraph(
    *(cluster.allreduce_sentence(16, size, name, link) for size in (1e4, 1e9)),
)

# %%
cluster.crossover_table((2, 4, 8, 16, 64, 256), links)

# %%
# **When not to.** Do not use a cluster for what fits into one machine: the same cores without
# it are in the verdict above. Do not send elementwise work at all: an operation that does one FLOP
# for eight bytes is done here before it has arrived there, unless the data are there already.
# Do not give workers so little memory that pieces become small, since small pieces are all
# rounds. And before any of this, look where time goes: a product that takes a tenth
# of a run, made infinitely fast, leaves nine tenths.
#
# **Your turn.** Say which all-reduce is faster without computing either time: count messages,
# count bytes, and see which difference costs more.
#
# .. code-block:: python
#
#     from accel.findings.cluster import Link, ring_ns, tree_ns
#
#     def faster(workers, size_bytes, link):
#         return "ring"  # ... from link.message_ns and link.byte_ns
#
#     link = Link(message_ns=10_000, byte_ns=0.08)
#     for workers in (2, 3, 16, 100):
#         for size in (1e3, 1e5, 1e6, 1e9):
#             ring, tree = (cost(workers, size, link) for cost in (ring_ns, tree_ns))
#             right = "ring" if ring <= tree else "tree"
#             if faster(workers, size, link) != right:
#                 print(f"not yet: {workers} workers, {size:g} bytes")
#
# **Next need.** You have seen what makes code fast, from a register to a cluster, and when to
# leave it alone. Who is faster, you or the book? Page 19, *Compete*.
#
# Sources: R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of collective communication
# operations in MPICH", *International Journal of High Performance Computing Applications* 19
# (2005), section 3 on the cost model and section 4 on the algorithms; D. Irony, S. Toledo and
# A. Tiskin, "Communication lower bounds for distributed-memory matrix multiplication", *Journal of
# Parallel and Distributed Computing* 64 (2004), on how little can be sent; the documentation of
# Dask.distributed, "Worker Memory Management", on the shares of its limit at which a worker
# begins to write to disk, pauses, and is ended.
