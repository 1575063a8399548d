"""The ladder of matrix products on a device, from a thread per element to the vendor's library.

`a` of shape (m, k), `b` of shape (k, n) and `out` of shape (m, n), of float32 or float64, on
the host or on the device. Ragged edges are masked: beyond them tiles are filled with zeros,
and nothing is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accel.kernels.cuda.staging import on_host, overlap, staged

#: Threads of a block along each side of a tile, in the first two steps.
NAIVE_SIDE, TILED_SIDE = 16, 32

#: (tile, slab, patch) of the register-tiled step: 256 threads each. With 8 x 8 sums of float32
#: a thread takes 127 registers, compiled for compute capability 8.0, so that two blocks fit
#: a multiprocessor; it does four multiply-adds for each element that it loads.
LARGE, SMALL = (128, 8, 8), (64, 8, 4)

#: Tiles from which there is work for every multiprocessor of a large device. Below, more and
#: smaller tiles are faster than idle multiprocessors.
ENOUGH_TILES = 128


def matmul_naive(a, b, out):
    """Multiply with one thread for each element of the result.

    Removes the loops over rows and columns: thousands of threads are those loops. Neighbours
    write neighbouring elements, and their loads of `b` are served together; each still loads
    two elements for every multiply-add.

    Parameters
    ----------
    a : array, shape (m, k), float32 or float64
    b : array, shape (k, n)
        Same dtype as `a`.
    out : array, shape (m, n)
        Overwritten; apart from `a` and `b`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an input.

    Cost
    ----
    ``2 m n k`` FLOPs; ``2 m n k`` loads before caching.

    Source
    ------
    NVIDIA, *CUDA C++ Programming Guide*, section on shared memory, the version without it.
    """
    _check("naive", a, b, out)
    if out.size:
        from accel.kernels.cuda.product_kernels import naive

        with staged(a, b, out) as arrays:
            blocks = _tiles(out.shape, NAIVE_SIDE)
            naive(_name(out), NAIVE_SIDE)[blocks, NAIVE_SIDE**2](*arrays)


def matmul_tiled(a, b, out, side: int = TILED_SIDE):
    """Multiply with tiles of the operands in shared memory.

    Removes most loads from memory: a block fetches each element once and uses it as often as
    its tile is wide. What is left are two loads from shared memory for each multiply-add.

    Parameters
    ----------
    a : array, shape (m, k), float32 or float64
    b : array, shape (k, n)
        Same dtype as `a`.
    out : array, shape (m, n)
        Overwritten; apart from `a` and `b`.
    side : int
        Rows and columns of a tile; a block has a thread for each of its elements.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an input.

    Cost
    ----
    ``2 m n k`` FLOPs; ``2 m n k / side`` loads from memory, ``2 m n k`` from shared memory.

    Source
    ------
    NVIDIA, *CUDA C++ Programming Guide*, section on shared memory.
    """
    _check("tiled", a, b, out)
    if out.size:
        from accel.kernels.cuda.product_kernels import tiled

        with staged(a, b, out) as arrays:
            tiled(_name(out), side)[_tiles(out.shape, side), side**2](*arrays)


def matmul_register_tiled(a, b, out, shape: tuple[int, int, int] | None = None):
    """Multiply with a patch of the result in the registers of each thread.

    Removes most loads from shared memory: a thread loads 8 + 8 elements for 64 multiply-adds,
    four neighbours at a time. The next slab of the operands is fetched while this one is
    multiplied.

    Parameters
    ----------
    a : array, shape (m, k), float32 or float64
    b : array, shape (k, n)
        Same dtype as `a`.
    out : array, shape (m, n)
        Overwritten; apart from `a` and `b`.
    shape : (int, int, int), optional
        Sides of a block's tile, of a slab and of a thread's patch; chosen by the size of
        `out` unless given.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an input.

    Cost
    ----
    ``2 m n k`` FLOPs; ``2 m n k / 128`` loads from memory, ``2 m n k / 8`` elements from
    shared memory.

    Source
    ------
    Volkov and Demmel, "Benchmarking GPUs to tune dense linear algebra", SC 2008, on the
    result in registers. Nath, Tomov and Dongarra, "An improved MAGMA GEMM for Fermi graphics
    processing units", *IJHPCA* 24 (2010), on two levels of tiles and the fetch ahead.
    """
    _check("register_tiled", a, b, out)
    if out.size:
        from accel.kernels.cuda.product_kernels import register_tiled

        chosen = shape or register_shape(out.shape)
        tile, _, patch = chosen
        with staged(a, b, out) as arrays:
            blocks = _tiles(out.shape, tile)
            register_tiled(_name(out), *chosen)[blocks, (tile // patch) ** 2](*arrays)


def matmul_cublas(a, b, out):
    """Multiply by cuBLAS, the library of the device's vendor, called through CuPy.

    What the ladder is measured against.

    Parameters
    ----------
    a : array, shape (m, k), float32 or float64
    b : array, shape (k, n)
        Same dtype as `a`.
    out : array, shape (m, n)
        Overwritten; apart from `a` and `b`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or `out` overlaps an input.
    ImportError
        If CuPy is not installed.

    Cost
    ----
    ``2 m n k`` FLOPs, in the dtype of the arrays: CuPy asks for no lower precision unless
    CUPY_TF32 is set.

    Source
    ------
    NVIDIA, *cuBLAS Library User's Guide*, ``cublasGemmEx``.
    """
    _check("cublas", a, b, out)
    if out.size:
        import cupy

        with staged(a, b, out) as arrays:
            left, right, product = (cupy.asarray(each) for each in arrays)
            cupy.matmul(left, right, out=product)
            cupy.cuda.get_current_stream().synchronize()  # before another stream copies it


def register_shape(shape: tuple[int, int]) -> tuple[int, int, int]:
    """Return (tile, slab, patch) for a result of a shape."""
    return LARGE if _tiles(shape, LARGE[0]) >= ENOUGH_TILES else SMALL


def _tiles(shape: tuple[int, int], side: int) -> int:
    """Return how many tiles cover a result."""
    m, n = shape
    return -(-m // side) * -(-n // side)


def _name(out: Any) -> str:
    return np.dtype(out.dtype).name


def _check(kernel: str, a: Any, b: Any, out: Any) -> None:
    """Refuse arguments that device code without bounds checks must never see."""
    m, n = (*out.shape, None, None)[:2]
    fits = len(a.shape) == len(b.shape) == len(out.shape) == 2
    if not fits or a.shape[0] != m or b.shape[1] != n or a.shape[1] != b.shape[0]:
        raise ValueError(
            f"matmul.{kernel}: expected a (m, k), b (k, n) and out (m, n), got "
            f"{tuple(a.shape)}, {tuple(b.shape)} and {tuple(out.shape)}"
        )
    if not a.dtype == b.dtype == out.dtype or _name(out) not in ("float32", "float64"):
        raise ValueError(
            f"matmul.{kernel}: expected one dtype for all, float32 or float64, got a {a.dtype}, "
            f"b {b.dtype} and out {out.dtype}; convert with astype"
        )
    for name, x in (("a", a), ("b", b)):
        if overlap(x, out):
            raise ValueError(
                f"matmul.{kernel}: expected an out apart from a and b, got one whose memory may "
                f"overlap that of {name}; pass a new array"
            )
    if on_host(out) and not out.flags.writeable:
        raise ValueError(f"matmul.{kernel}: expected a writable out, got a read-only array")
