"""Figures of the book: drawn from records, light and dark, with words for those who cannot see.

Each function takes a record and `alt`, what the figure shows in a sentence. Its
numbers are added to that sentence from the record, by the `describe_*` function
of the same name. In the book the picture goes onto the page; a script run by
itself writes it next to its records and prints where.

Importing this loads matplotlib, and nothing below this package imports it.
"""

from accel.figures.batching import describe_throughput, throughput
from accel.figures.cluster import (
    allreduce,
    describe_allreduce,
    describe_scaling_curve,
    scaling_curve,
)
from accel.figures.crossover import crossover_curve, describe_crossover
from accel.figures.curves import (
    describe_speedups,
    describe_sweep,
    fastest,
    speedup_curve,
    sweep,
)
from accel.figures.dispatching import (
    describe_map,
    describe_regret,
    describe_unmodified,
    dispatch_map,
    regret,
    unmodified,
)
from accel.figures.ladders import describe_ladder, ladder, rungs
from accel.figures.look import FigureError
from accel.figures.mountain import (
    bandwidth,
    chains,
    describe_bandwidth,
    describe_chains,
    describe_staircase,
    describe_strides,
    staircase,
    strides,
)
from accel.figures.offload import break_even, describe_break_even
from accel.figures.pareto import describe_pareto, pareto
from accel.figures.roofline import describe_roofline, roofline
from accel.figures.roofs import describe_levels, describe_peaks, level_bars, peak_bars
from accel.figures.shares import describe_shares, shares
from accel.figures.tiles import describe_tiles, tiles
from accel.figures.trials import (
    beside,
    coverage,
    describe_beside,
    describe_coverage,
    describe_twins,
    twins,
)
from accel.figures.waterfall import describe_waterfall, waterfall
from accel.figures.weather import (
    describe_drift,
    describe_noise,
    describe_warmup,
    drift,
    noise,
    warmup,
)

__all__ = [
    "FigureError",
    "allreduce",
    "bandwidth",
    "beside",
    "break_even",
    "chains",
    "coverage",
    "crossover_curve",
    "describe_allreduce",
    "describe_bandwidth",
    "describe_beside",
    "describe_break_even",
    "describe_chains",
    "describe_coverage",
    "describe_crossover",
    "describe_drift",
    "describe_ladder",
    "describe_levels",
    "describe_map",
    "describe_noise",
    "describe_pareto",
    "describe_peaks",
    "describe_regret",
    "describe_roofline",
    "describe_scaling_curve",
    "describe_shares",
    "describe_speedups",
    "describe_staircase",
    "describe_strides",
    "describe_sweep",
    "describe_throughput",
    "describe_tiles",
    "describe_twins",
    "describe_unmodified",
    "describe_warmup",
    "describe_waterfall",
    "dispatch_map",
    "drift",
    "fastest",
    "ladder",
    "level_bars",
    "noise",
    "pareto",
    "peak_bars",
    "regret",
    "roofline",
    "rungs",
    "scaling_curve",
    "shares",
    "speedup_curve",
    "staircase",
    "strides",
    "sweep",
    "throughput",
    "tiles",
    "twins",
    "unmodified",
    "warmup",
    "waterfall",
]
