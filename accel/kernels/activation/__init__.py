"""Elementwise operations: what it costs to compute one element at a time.

Eight operations on vectors, from no arithmetic to much: `relu` compares, `saxpy`
multiplies and adds, `polynomial` does so many times, `exp` is a polynomial and an
exponent, `sigmoid`, `silu` and `gelu` need an exponential and a division, `gelu_erf` the
integral of the bell curve. Each ladder begins as a Python loop over a list. Each step
removes one thing: the interpreter, the temporary arrays, the extra passes over memory,
the scalar function call, the idle cores.

Arrays are one-dimensional, contiguous, of one element type, and of any length. `out` must
not overlap the inputs, except that it may *be* an input where nothing else is said. NaN
in, NaN out. The ladders with a `loop` read and write lists, which registration makes of
the arrays before a clock starts.

FLOPs count one for each addition, multiplication, division, comparison and call of a
function such as ``tanh``, so that all steps of a ladder are credited with the same work,
however they do it.

Source
------
Harris and others, "Array programming with NumPy", *Nature* 585 (2020), section
"Vectorization".
"""

from accel.kernels.activation.elements import (
    LENGTHS,
    SPECIAL,
    allowed_error,
    lists,
    register_for,
)
from accel.kernels.activation.exponential import (
    exp_compiled,
    exp_loop,
    exp_numpy,
    exp_register,
    exp_threads,
    exp_vector,
)
from accel.kernels.activation.gelu import (
    CUBIC,
    SLOPE,
    gelu_array_scalars,
    gelu_compiled,
    gelu_loop,
    gelu_numpy,
    gelu_numpy_out,
    gelu_register,
    gelu_threads,
    gelu_vector,
)
from accel.kernels.activation.gelu_erf import (
    gelu_erf_compiled,
    gelu_erf_loop,
    gelu_erf_numpy,
    gelu_erf_register,
    gelu_erf_threads,
    gelu_erf_vector,
)
from accel.kernels.activation.polynomial import (
    polynomial_compiled,
    polynomial_loop,
    polynomial_numpy,
    polynomial_numpy_out,
    polynomial_threads,
    polynomial_vector,
)
from accel.kernels.activation.relu import (
    relu_array_scalars,
    relu_compiled,
    relu_loop,
    relu_numpy,
    relu_register,
    relu_threads,
    relu_vector,
)
from accel.kernels.activation.saxpy import (
    saxpy_array_scalars,
    saxpy_compiled,
    saxpy_loop,
    saxpy_numpy,
    saxpy_numpy_out,
    saxpy_threads,
    saxpy_vector,
)
from accel.kernels.activation.sigmoid import (
    sigmoid_compiled,
    sigmoid_loop,
    sigmoid_numpy,
    sigmoid_numpy_out,
    sigmoid_register,
    sigmoid_threads,
    sigmoid_vector,
)
from accel.kernels.activation.silu import (
    silu_compiled,
    silu_loop,
    silu_numpy,
    silu_numpy_out,
    silu_register,
    silu_threads,
    silu_vector,
)

__all__ = [
    "CUBIC",
    "LENGTHS",
    "SLOPE",
    "SPECIAL",
    "allowed_error",
    "exp_compiled",
    "exp_loop",
    "exp_numpy",
    "exp_register",
    "exp_threads",
    "exp_vector",
    "gelu_array_scalars",
    "gelu_compiled",
    "gelu_erf_compiled",
    "gelu_erf_loop",
    "gelu_erf_numpy",
    "gelu_erf_register",
    "gelu_erf_threads",
    "gelu_erf_vector",
    "gelu_loop",
    "gelu_numpy",
    "gelu_numpy_out",
    "gelu_register",
    "gelu_threads",
    "gelu_vector",
    "lists",
    "polynomial_compiled",
    "polynomial_loop",
    "polynomial_numpy",
    "polynomial_numpy_out",
    "polynomial_threads",
    "polynomial_vector",
    "register_for",
    "relu_array_scalars",
    "relu_compiled",
    "relu_loop",
    "relu_numpy",
    "relu_register",
    "relu_threads",
    "relu_vector",
    "saxpy_array_scalars",
    "saxpy_compiled",
    "saxpy_loop",
    "saxpy_numpy",
    "saxpy_numpy_out",
    "saxpy_threads",
    "saxpy_vector",
    "sigmoid_compiled",
    "sigmoid_loop",
    "sigmoid_numpy",
    "sigmoid_numpy_out",
    "sigmoid_register",
    "sigmoid_threads",
    "sigmoid_vector",
    "silu_compiled",
    "silu_loop",
    "silu_numpy",
    "silu_numpy_out",
    "silu_register",
    "silu_threads",
    "silu_vector",
]
