"""`transpose`: rows become columns.

The smallest problem in which the order of the walk decides everything. One of the two
matrices is always crossed against its rows, a whole line fetched for each element of it;
whether the rest of the line is still there when its turn comes is the whole story.

Source
------
Lam, Rothberg and Wolf, "The cache performance and optimizations of blocked algorithms",
*ASPLOS* (1991), sections 2 and 5: blocks, and why a copy helps where strides collide.
"""

from __future__ import annotations

import math

import numpy as np

from accel.kernels.inputs import blank
from accel.kernels.layout.cores import ALONE_BYTES, bands, everywhere
from accel.kernels.layout.fields_ranges import NETWORK_BYTES, apart, together
from accel.kernels.layout.moves import by_blocks, by_buffer, by_element
from accel.kernels.layout.registers import STREAM_FROM, by_registers
from accel.kernels.layout.values import TYPES, numbers
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

EDGES = (
    {"rows": 0, "columns": 5},
    {"rows": 5, "columns": 0},
    {"rows": 1},
    {"rows": 1, "columns": 129},
    {"rows": 128, "columns": 1},
    {"rows": 7, "columns": 3},
    {"rows": 17, "columns": 31},
    {"rows": 127, "columns": 129},
    {"rows": 128},
    {"rows": 16, "columns": 48, "values": "special"},
    {"rows": 33, "columns": 9, "values": "special"},
)


def transpose_inputs(
    rows: int, columns: int | None = None, dtype: str = "float32", values: str = "counted"
) -> tuple:
    """Return ``(x, out)`` of shapes (rows, columns) and (columns, rows); square by default."""
    columns = rows if columns is None else columns
    return numbers((rows, columns), dtype, values), blank((columns, rows), dtype)


def transpose_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    return x.T, 0.0


def transpose_flops(rows: int, columns: int | None = None, **_) -> int:
    """None."""
    return 0


def transpose_bytes(rows: int, columns: int | None = None, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * rows * (rows if columns is None else columns) * np.dtype(dtype).itemsize


def transpose_sizes(working_set_bytes: int) -> dict:
    """Return the side of two square matrices of float32."""
    return {"rows": max(1, math.isqrt(working_set_bytes // 8))}


register_operation(
    Operation(
        "transpose",
        transpose_inputs,
        transpose_oracle,
        transpose_flops,
        transpose_bytes,
        edges=EDGES,
        sizes=transpose_sizes,
        awkward=(
            {"rows": 1023},
            {"rows": 1025},
            {"rows": 1024, "columns": 1000},
            {"rows": 100_003, "columns": 5},
            {"rows": 13, "columns": 40_009},
        ),
    )
)


def lists(x, out) -> tuple:
    """Turn the matrices into lists of rows, for the plain loop."""
    return x.tolist(), out.tolist()


@register(
    "transpose",
    name="loop",
    instrument="interpreter",
    story="Python loops over lists of rows",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def transpose_loop(x, out):
    """Transpose by two loops over lists of rows.

    The starting point. ``zip(*x)`` is shorter, and makes a new list of tuples instead of
    filling `out`.

    Parameters
    ----------
    x : list of list, rows x columns
    out : list of list, columns x rows
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for i, row in enumerate(x):
        for j, value in enumerate(row):
            out[j][i] = value


@register(
    "transpose",
    name="numpy",
    instrument="NumPy",
    story="copy of a transposed view: removes the interpreter",
    dtypes=TYPES,
    tags=("ladder",),
)
def transpose_numpy(x, out):
    """Copy the transposed view, which itself costs nothing.

    Removes the interpreter. ``x.T`` only exchanges two strides; the copy then moves one
    element at a time, along the rows of one matrix and across those of the other.

    Parameters
    ----------
    x : ndarray, shape (rows, columns)
    out : ndarray, shape (columns, rows)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    np.copyto(out, x.T)


@register(
    "transpose",
    name="compiled",
    instrument="compiled",
    story="the two loops, compiled: removes NumPy's preparations, and nothing else",
    tags=("ladder",),
)
@jit
def transpose_compiled(x, out):
    """Transpose by two compiled loops along the rows of `x`.

    Removes NumPy's preparations. The walk is as bad as before: each element written is in
    another line than the one before.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), contiguous
    out : ndarray, shape (columns, rows), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time; a line of `out` fetched for each element
    where a column of lines does not stay in the cache.
    """
    rows, columns = x.shape
    if out.shape != (columns, rows):
        raise ValueError("transpose: out must have the shape of x with rows and columns exchanged")
    by_element(x.reshape(-1), 0, columns, out.reshape(-1), 0, rows, rows, columns)


@register(
    "transpose",
    name="blocked",
    instrument="compiled",
    story="square blocks: removes the lines fetched again for every element",
    tags=("ladder",),
)
@jit
def transpose_blocked(x, out):
    """Transpose block by block.

    Removes the lines fetched again and again: those of a block, of both matrices, stay in
    the cache until each of their elements has been used. Unless rows are a power of two
    apart: then the lines of a column of the block compete for one place in the cache.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), contiguous
    out : ndarray, shape (columns, rows), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time, each line fetched once.
    """
    rows, columns = x.shape
    if out.shape != (columns, rows):
        raise ValueError("transpose: out must have the shape of x with rows and columns exchanged")
    by_blocks(x.reshape(-1), 0, columns, out.reshape(-1), 0, rows, rows, columns)


@register(
    "transpose",
    name="buffered",
    instrument="compiled",
    story="each block through a small buffer: removes collisions at powers of two",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def transpose_buffered(x, out):
    """Transpose block by block, each copied to a small buffer first.

    Removes the collisions of `transpose_blocked`, for twice the instructions: lines of `x`
    and of `out` are used up at once and need not stay, and the rows of the buffer lie
    close together, an element more than a block apart.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), contiguous
    out : ndarray, shape (columns, rows), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    Two elements read and two written at a time, each line fetched once; a buffer of
    32 x 33 elements.
    """
    rows, columns = x.shape
    if out.shape != (columns, rows):
        raise ValueError("transpose: out must have the shape of x with rows and columns exchanged")
    by_buffer(x.reshape(-1), 0, columns, out.reshape(-1), 0, rows, rows, columns)


@register(
    "transpose",
    name="vector",
    instrument="compiled",
    story="squares of registers: removes the buffer, and lines fetched to be overwritten",
    tags=("ladder", "best"),
)
def transpose_vector(x, out):
    """Transpose squares of registers, each turned around by shuffles.

    Removes the buffer and its trips to the cache: a square is loaded, turned and stored, a
    whole line at a time. Matrices too large for the caches are written past them. Rows about
    a power of two apart go through two buffers, which removes their collisions. With two to
    four rows or columns, where no square fits, the shuffles are those between so many
    registers; with more, up to the lanes of a register, and many elements, a network of shuffles
    as for records.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), float32 or float64, contiguous
    out : ndarray, shape (columns, rows), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    16 loads, 64 shuffles and 16 stores for 256 float32 in registers of 64 bytes; each line
    fetched once, and those of `out` not at all where it is written past the caches.
    """
    if not _by_network(x, out):
        transpose_registers(x, out)


def _by_network(x, out, cores: bool = False) -> bool:
    """Transpose a slim matrix as `records` are taken apart, or put together, if that pays."""
    return x.nbytes >= NETWORK_BYTES and (apart(x, out, cores) or together(x, out, cores))


@jit
def transpose_registers(x, out):
    """Transpose by `by_registers`."""
    rows, columns = x.shape
    if out.shape != (columns, rows):
        raise ValueError("transpose: out must have the shape of x with rows and columns exchanged")
    streaming = 2 * x.nbytes >= STREAM_FROM
    source, target = x.reshape(-1), out.reshape(-1)
    by_registers(source, 0, columns, target, 0, rows, rows, columns, rows, streaming)


@register(
    "transpose",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def transpose_threads(x, out):
    """Transpose on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (rows, columns), float32 or float64, contiguous
    out : ndarray, shape (columns, rows), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As the one-core kernel, divided by the cores, and microseconds to start them.
    """
    if 2 * x.nbytes < ALONE_BYTES or out.shape != x.shape[::-1]:
        transpose_vector(x, out)
        return
    if _by_network(x, out, cores=True):
        return
    rows, columns = x.shape
    table = bands([0], [0], rows, columns, columns, rows, x.itemsize)
    streaming = 2 * x.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), columns, out.reshape(-1), rows, table, 0, streaming)
