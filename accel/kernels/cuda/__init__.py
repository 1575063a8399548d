"""Kernels for devices that run CUDA: a ladder of matrix products, and fused kernels of rows.

They are a list of their own, beside the registry: a step of the registry runs on any machine,
and these run where there is a device, or on the simulator of numba-cuda. Operations, inputs
and references are the registry's. Each function takes an operation's arguments, as every
kernel does. What is an ndarray is copied to the device, and the result back; arrays that lie
on the device already, of numba-cuda, CuPy or any library with ``__cuda_array_interface__``,
are used where they are.

Importing this needs neither numba-cuda nor a device. Device code is compiled when it is first
launched, for the element types and layouts of that call.
"""

from accel.kernels.cuda.devices import INSTALL, cupy_missing, missing
from accel.kernels.cuda.fused import gelu_strides, layernorm_rows, softmax_online
from accel.kernels.cuda.ladders import Step, best, case, ladder, operations, step
from accel.kernels.cuda.products import (
    matmul_cublas,
    matmul_naive,
    matmul_register_tiled,
    matmul_tiled,
)
from accel.kernels.cuda.staging import to_device

__all__ = [
    "INSTALL",
    "Step",
    "best",
    "case",
    "cupy_missing",
    "gelu_strides",
    "ladder",
    "layernorm_rows",
    "matmul_cublas",
    "matmul_naive",
    "matmul_register_tiled",
    "matmul_tiled",
    "missing",
    "operations",
    "softmax_online",
    "step",
    "to_device",
]
