"""Normalisations: what it costs when each result needs its whole row.

`softmax` makes the numbers of a row positive with sum 1, and `log_softmax` gives their
logarithms; `layernorm` subtracts the mean of a row and divides by its deviation, `rmsnorm`
divides by its root mean square alone. A row has to be read to its end before its first
result is known, and whoever goes through the whole matrix for every step of the formula
reads it again and again. `batchnorm`, as used after training, knows mean and deviation
beforehand and needs no such passes. Each step of the ladders removes one thing: the
interpreter, the temporary arrays, the passes over memory, the scalar exponential, the
order in which numbers must be added up, the idle cores.

Matrices are of shape (rows, width), contiguous, of one element type, with at least one
number in a row; `out` has that shape and must not overlap the inputs. A NaN makes its
whole row NaN. The ladders' `loop` reads and writes nested lists.

FLOPs count one for each addition, multiplication, comparison, division, square root,
logarithm and exponential, so that all steps of a ladder are credited with the same work,
however they do it. Compulsory bytes: each input is read once, each result written once.
"""

from accel.kernels.normalisation import batchnorm, log_softmax, rmsnorm
from accel.kernels.normalisation.layernorm import layernorm_compiled, layernorm_vector
from accel.kernels.normalisation.rows import EDGES, EPSILON
from accel.kernels.normalisation.softmax import softmax_compiled, softmax_vector

__all__ = [
    "EDGES",
    "EPSILON",
    "batchnorm",
    "layernorm_compiled",
    "layernorm_vector",
    "log_softmax",
    "rmsnorm",
    "softmax_compiled",
    "softmax_vector",
]
