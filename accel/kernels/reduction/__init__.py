"""Reductions: what it costs when all numbers end in one, and what the order does to its digits.

`sum`, `max`, `argmax` and `mean_variance` read an array once and keep next to nothing;
`prefix_sum` keeps every sum on the way. Written as loops they are chains: each addition
waits for the one before, several clock ticks, while the processor could do dozens. Each
step of the ladders removes one thing: the interpreter, the chain, the passes, the idle
cores. Whoever breaks the chain adds in another order, and gets other last digits: mostly
better ones, for short sums lose less than long ones. The ladder of `sum` therefore goes by
error as well as by time.

Arrays are one-dimensional, contiguous, of one element type; `out` holds the result and
must not overlap. NaN in, NaN out, in every one of them. The ladders' `loop` reads and
writes lists.

FLOPs count one for each addition, multiplication, comparison and division that the
definition asks for. Compulsory bytes: each input read once, each result written once.
"""

from accel.kernels.reduction import extremes, moments, prefix, sums

__all__ = ["extremes", "moments", "prefix", "sums"]
