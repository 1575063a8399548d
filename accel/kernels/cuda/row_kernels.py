"""Device code of the kernels of rows and of elements. Loaded when the first is launched.

A block has a row, its threads take every so many-th number of it, and their parts are put
together in shared memory, half as many at each step.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numba import cuda, from_dtype


@functools.cache
def softmax(dtype: str, threads: int):
    """Return the kernel of the softmax of rows; `threads` is a power of two."""
    number = np.dtype(dtype).type
    kind, zero, one, lowest = from_dtype(np.dtype(dtype)), number(0), number(1), number(-np.inf)

    @cuda.jit
    def kernel(x, out):
        tops = cuda.shared.array(threads, kind)
        totals = cuda.shared.array(threads, kind)
        row, me, width = cuda.blockIdx.x, cuda.threadIdx.x, x.shape[1]
        top, total = lowest, zero
        for j in range(me, width, threads):
            v = x[row, j]
            if v > top:  # what was summed up so far was relative to the old one
                total = total * math.exp(top - v) + one
                top = v
            elif v == top:  # also two minus infinities, whose difference is no number
                total += one
            else:
                total += math.exp(v - top)
        tops[me] = top
        totals[me] = total
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if me < half:
                mine, other = tops[me], tops[me + half]
                if mine > other:
                    totals[me] += totals[me + half] * math.exp(other - mine)
                elif mine == other:
                    totals[me] += totals[me + half]
                else:
                    totals[me] = totals[me + half] + totals[me] * math.exp(mine - other)
                    tops[me] = other
            cuda.syncthreads()
            half //= 2
        top = tops[0]
        share = one / (totals[0] + (top - top))  # NaN for the whole row if the top is infinite
        for j in range(me, width, threads):
            out[row, j] = math.exp(x[row, j] - top) * share

    return kernel


@functools.cache
def layernorm(dtype: str, threads: int, epsilon: float):
    """Return the kernel of the layernorm of rows; `threads` is a power of two."""
    number = np.dtype(dtype).type
    kind, zero, one, least = from_dtype(np.dtype(dtype)), number(0), number(1), number(epsilon)

    @cuda.jit
    def kernel(x, weight, bias, out):
        parts = cuda.shared.array(threads, kind)
        row, me, width = cuda.blockIdx.x, cuda.threadIdx.x, x.shape[1]
        count = kind(width)
        total = zero
        for j in range(me, width, threads):
            total += x[row, j]
        parts[me] = total
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if me < half:
                parts[me] += parts[me + half]
            cuda.syncthreads()
            half //= 2
        mean = parts[0] / count
        cuda.syncthreads()  # everybody has the mean; the room is free again
        total = zero
        for j in range(me, width, threads):
            distance = x[row, j] - mean
            total += distance * distance
        parts[me] = total
        cuda.syncthreads()
        half = threads // 2
        while half > 0:
            if me < half:
                parts[me] += parts[me + half]
            cuda.syncthreads()
            half //= 2
        scale = one / math.sqrt(parts[0] / count + least)
        for j in range(me, width, threads):
            out[row, j] = (x[row, j] - mean) * scale * weight[j] + bias[j]

    return kernel


@functools.cache
def gelu(dtype: str, slope: float, cubic: float):
    """Return the kernel of GELU in its tanh form: threads go on in strides of the grid."""
    number = np.dtype(dtype).type
    half, one, s, c = number(0.5), number(1), number(slope), number(cubic)

    @cuda.jit
    def kernel(x, out):
        stride = cuda.gridDim.x * cuda.blockDim.x
        for i in range(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, x.size, stride):
            v = x[i]
            out[i] = half * v * (one + math.tanh(v * (s + c * v * v)))

    return kernel
