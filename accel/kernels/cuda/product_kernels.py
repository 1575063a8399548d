"""Device code of the matrix products. It needs numba-cuda: loaded when one is launched.

Threads are numbered along one dimension and blocks along another, so that no product is too
long for a grid: other dimensions of a grid end at 65,535 blocks.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import cuda, from_dtype
from numba.core import config

#: Bytes of the widest load of a thread. Shared arrays begin at a multiple of it, so that the
#: compiler may join loads of neighbours; the simulator knows no alignment, and needs none.
ALIGNED = None if config.ENABLE_CUDASIM else 16

#: Elements of a patch side that lie together: with float32, one load of the widest kind.
JOINED = 4


@functools.cache
def naive(dtype: str, side: int):
    """Return the kernel in which each thread sums up one element, `side` x `side` per block."""
    zero = np.dtype(dtype).type(0)

    @cuda.jit
    def kernel(a, b, out):
        across = (out.shape[1] + side - 1) // side
        i = cuda.blockIdx.x // across * side + cuda.threadIdx.x // side
        j = cuda.blockIdx.x % across * side + cuda.threadIdx.x % side
        if i < out.shape[0] and j < out.shape[1]:
            total = zero
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total

    return kernel


@functools.cache
def tiled(dtype: str, side: int):
    """Return the kernel whose blocks share square tiles of the operands."""
    kind, zero = from_dtype(np.dtype(dtype)), np.dtype(dtype).type(0)

    @cuda.jit
    def kernel(a, b, out):
        left = cuda.shared.array((side, side), kind)
        right = cuda.shared.array((side, side), kind)
        across = (out.shape[1] + side - 1) // side
        y, x = cuda.threadIdx.x // side, cuda.threadIdx.x % side
        i = cuda.blockIdx.x // across * side + y
        j = cuda.blockIdx.x % across * side + x
        depth = a.shape[1]
        total = zero
        for start in range(0, depth, side):
            left[y, x] = a[i, start + x] if i < out.shape[0] and start + x < depth else zero
            right[y, x] = b[start + y, j] if j < out.shape[1] and start + y < depth else zero
            cuda.syncthreads()  # the tiles are complete
            for k in range(side):
                total += left[y, k] * right[k, x]
            cuda.syncthreads()  # everybody has read them
        if i < out.shape[0] and j < out.shape[1]:
            out[i, j] = total

    return kernel


@functools.cache
def register_tiled(dtype: str, tile: int, slab: int, patch: int):
    """Return the kernel whose threads each keep a patch of the result in registers.

    A block computes `tile` x `tile` elements and walks along the inner dimension in slabs of
    `slab`; a thread has `patch` x `patch` of them. `tile` is a multiple of `patch`, and the
    threads of a block share out the elements of a slab evenly.
    """
    kind, zero = from_dtype(np.dtype(dtype)), np.dtype(dtype).type(0)
    threads = (tile // patch) ** 2
    loads = tile * slab // threads  # elements of each operand that a thread fetches
    # Rows of the transposed slab lie this far apart: a warp that writes a few columns of it
    # then meets every bank once, and its rows still begin at aligned addresses.
    pitch = tile + JOINED
    left_shape, right_shape, sums_shape = (2, slab, pitch), (2, slab, tile), (patch, patch)
    # Everything that indexes is unsigned: of a signed index the compiled code asks whether it
    # counts from the end, which takes more instructions than the multiply-adds.
    lanes, joined = np.uint64(tile // patch), np.uint64(min(JOINED, patch))
    apart = lanes * joined  # of neighbouring groups of `joined` rows or columns of a patch
    tile, slab, patch = np.uint64(tile), np.uint64(slab), np.uint64(patch)
    threads, parts, none, one = np.uint64(threads), np.uint64(loads), np.uint64(0), np.uint64(1)

    @cuda.jit
    def kernel(a, b, out):
        left = cuda.shared.array(left_shape, kind, ALIGNED)
        right = cuda.shared.array(right_shape, kind, ALIGNED)
        sums = cuda.local.array(sums_shape, kind)
        rows = cuda.local.array(sums_shape[0], kind)
        columns = cuda.local.array(sums_shape[0], kind)
        next_left = cuda.local.array(loads, kind)
        next_right = cuda.local.array(loads, kind)
        m, depth, n = np.uint64(a.shape[0]), np.uint64(a.shape[1]), np.uint64(b.shape[1])
        me, block = np.uint64(cuda.threadIdx.x), np.uint64(cuda.blockIdx.x)
        across = (n + tile - one) // tile
        top, first = block // across * tile, block % across * tile
        down, beside = me // lanes * joined, me % lanes * joined
        for i in range(patch):
            for j in range(patch):
                sums[i, j] = zero
        for part in range(parts):  # the first slab; beyond the edges, zeros
            at = me + part * threads
            i, k = top + at // slab, at % slab
            left[none, k, at // slab] = a[i, k] if i < m and k < depth else zero
            k, j = at // tile, first + at % tile
            right[none, k, at % tile] = b[k, j] if k < depth and j < n else zero
        cuda.syncthreads()
        now = none
        for start in range(none, depth, slab):
            for part in range(parts):  # on their way while this slab is multiplied
                at = me + part * threads
                i, k = top + at // slab, start + slab + at % slab
                next_left[part] = a[i, k] if i < m and k < depth else zero
                k, j = start + slab + at // tile, first + at % tile
                next_right[part] = b[k, j] if k < depth and j < n else zero
            for k in range(slab):
                for i in range(patch):
                    rows[i] = left[now, k, down + i // joined * apart + i % joined]
                for j in range(patch):
                    columns[j] = right[now, k, beside + j // joined * apart + j % joined]
                for i in range(patch):
                    for j in range(patch):
                        sums[i, j] += rows[i] * columns[j]
            now = one - now  # nobody reads the other buffer any more: one barrier is enough
            for part in range(parts):
                at = me + part * threads
                left[now, at % slab, at // slab] = next_left[part]
                right[now, at // tile, at % tile] = next_right[part]
            cuda.syncthreads()
        for i in range(patch):
            y = top + down + i // joined * apart + i % joined
            for j in range(patch):
                x = first + beside + j // joined * apart + j % joined
                if y < m and x < n:
                    out[y, x] = sums[i, j]

    return kernel
