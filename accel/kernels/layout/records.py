"""`aos_to_soa` and `soa_to_aos`: an array of structures or a structure of arrays.

A million points of three coordinates are a million records, or three arrays of a million
numbers. Records are what programs like to read and write, one after another; arrays are
what registers can compute with. The one is the transpose of the other, with so few columns
that no square block fits: three fields are the interesting case, because no register has a
multiple of three lanes.

Source
------
Intel 64 and IA-32 Architectures Optimization Reference Manual, section "Data arrangement":
arrays of structures, structures of arrays, and what conversion between them costs.
"""

from __future__ import annotations

import numpy as np

from accel.kernels.inputs import blank
from accel.kernels.layout.cores import ALONE_BYTES, bands, everywhere
from accel.kernels.layout.fields_ranges import apart, together
from accel.kernels.layout.moves import by_blocks, by_element
from accel.kernels.layout.registers import STREAM_FROM, by_registers
from accel.kernels.layout.values import TYPES, numbers
from accel.kernels.registry import Operation, register, register_operation
from accel.simd import jit

EDGES = (
    {"n": 0},
    {"n": 1},
    {"n": 5, "fields": 0},
    {"n": 127},
    {"n": 128},
    {"n": 129},
    {"n": 129, "fields": 1},
    {"n": 130, "fields": 2},
    {"n": 67, "fields": 4},
    {"n": 67, "fields": 5},
    {"n": 67, "fields": 7},
    {"n": 67, "fields": 8},
    {"n": 37, "fields": 17},
    {"n": 131, "values": "special"},
)

AWKWARD = (
    {"n": 100_003, "fields": 5},
    {"n": 50_021, "fields": 7},
    {"n": 40_009, "fields": 13},
    {"n": 100_003, "fields": 2},
)


def aos_to_soa_inputs(
    n: int, fields: int = 3, dtype: str = "float32", values: str = "counted"
) -> tuple:
    """Return ``(x, out)`` of shapes (n, fields) and (fields, n)."""
    return numbers((n, fields), dtype, values), blank((fields, n), dtype)


def soa_to_aos_inputs(
    n: int, fields: int = 3, dtype: str = "float32", values: str = "counted"
) -> tuple:
    """Return ``(x, out)`` of shapes (fields, n) and (n, fields)."""
    return numbers((fields, n), dtype, values), blank((n, fields), dtype)


def records_oracle(x, out) -> tuple:
    """Return the exact answer: nothing is computed."""
    return x.T, 0.0


def records_flops(n: int, **_) -> int:
    """None."""
    return 0


def records_bytes(n: int, fields: int = 3, dtype: str = "float32", **_) -> int:
    """Read `x`, write `out`."""
    return 2 * n * fields * np.dtype(dtype).itemsize


def records_sizes(working_set_bytes: int) -> dict:
    """Return so many records of three float32, here and there."""
    return {"n": max(1, working_set_bytes // 24), "fields": 3}


for _name, _inputs in (("aos_to_soa", aos_to_soa_inputs), ("soa_to_aos", soa_to_aos_inputs)):
    register_operation(
        Operation(
            _name,
            _inputs,
            records_oracle,
            records_flops,
            records_bytes,
            edges=EDGES,
            sizes=records_sizes,
            awkward=AWKWARD,
        )
    )


def lists(x, out) -> tuple:
    """Turn the arrays into nested lists, for the plain loops."""
    return x.tolist(), out.tolist()


@register(
    "aos_to_soa",
    name="loop",
    instrument="interpreter",
    story="Python loops over a list of records",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def aos_to_soa_loop(x, out):
    """Take records apart by loops over lists.

    The starting point.

    Parameters
    ----------
    x : list, n records of so many fields
    out : list, one list of length n for each field
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for i, record in enumerate(x):
        for field, value in enumerate(record):
            out[field][i] = value


@register(
    "aos_to_soa",
    name="numpy",
    instrument="NumPy",
    story="a strided copy for each field: removes the interpreter from the long loop",
    dtypes=TYPES,
    tags=("ladder",),
)
def aos_to_soa_numpy(x, out):
    """Take records apart with one strided copy for each field.

    Removes the interpreter from the loop over records. One copy of ``x.T`` is shorter to
    write; NumPy then may walk along the records, a few elements at a time.

    Parameters
    ----------
    x : ndarray, shape (n, fields)
    out : ndarray, shape (fields, n)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As many passes over `x` as there are fields, each of which fetches all of its lines.
    """
    for field in range(x.shape[1]):
        out[field] = x[:, field]


@register(
    "aos_to_soa",
    name="compiled",
    instrument="compiled",
    story="one compiled pass over the records: removes the passes",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def aos_to_soa_compiled(x, out):
    """Take records apart in one compiled pass.

    Removes the passes: each line of `x` is fetched once. The inner loop has as many turns as
    a record has fields, too few for vector instructions.

    Parameters
    ----------
    x : ndarray, shape (n, fields), contiguous
    out : ndarray, shape (fields, n), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    n, fields = x.shape
    if out.shape != (fields, n):
        raise ValueError("aos_to_soa: out must have shape (fields, n) where x has (n, fields)")
    by_element(x.reshape(-1), 0, fields, out.reshape(-1), 0, n, n, fields)


@register(
    "aos_to_soa",
    name="vector",
    instrument="compiled",
    story="a register for each field, shuffled: removes the moves of single elements",
    tags=("ladder", "best"),
)
def aos_to_soa_vector(x, out):
    """Take records apart in registers.

    Removes the moves of single elements. With the number of fields spelled out, from two to
    four, the shuffles that make so many registers of fields of so many registers of records
    are known. For more, up to the lanes of a register, a network of shuffles is drawn when
    records of so many fields are first met. More fields still are squares of registers, the
    last of them ragged.

    Parameters
    ----------
    x : ndarray, shape (n, fields), float32 or float64, contiguous
    out : ndarray, shape (fields, n), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    For three fields 6 shuffles for 3 registers, for five 19 for 5, for thirteen 59 for 13 (16
    lanes); each line fetched once, and those of `out` not at all where it is written past the
    caches.
    """
    if not apart(x, out):
        aos_to_soa_registers(x, out)


@jit
def aos_to_soa_registers(x, out):
    """Take records apart by `by_registers`: few fields, or more than a register has lanes."""
    n, fields = x.shape
    if out.shape != (fields, n):
        raise ValueError("aos_to_soa: out must have shape (fields, n) where x has (n, fields)")
    streaming = 2 * x.nbytes >= STREAM_FROM
    by_registers(x.reshape(-1), 0, fields, out.reshape(-1), 0, n, n, fields, n, streaming)


@register(
    "aos_to_soa",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def aos_to_soa_threads(x, out):
    """Take records apart on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (n, fields), float32 or float64, contiguous
    out : ndarray, shape (fields, n), contiguous
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
        aos_to_soa_vector(x, out)
        return
    if apart(x, out, cores=True):
        return
    n, fields = x.shape
    table = bands([0], [0], n, fields, fields, n, x.itemsize)
    streaming = 2 * x.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), fields, out.reshape(-1), n, table, 0, streaming)


@register(
    "soa_to_aos",
    name="loop",
    instrument="interpreter",
    story="Python loops over a list for each field",
    adapt=lists,
    dtypes=TYPES,
    tags=("ladder",),
)
def soa_to_aos_loop(x, out):
    """Put records together by loops over lists.

    The starting point.

    Parameters
    ----------
    x : list, one list of length n for each field
    out : list, n records of so many fields
        Overwritten.

    Cost
    ----
    One assignment per element, each some dozens of instructions of the interpreter.
    """
    for field, values in enumerate(x):
        for i, value in enumerate(values):
            out[i][field] = value


@register(
    "soa_to_aos",
    name="numpy",
    instrument="NumPy",
    story="a strided copy for each field: removes the interpreter from the long loop",
    dtypes=TYPES,
    tags=("ladder",),
)
def soa_to_aos_numpy(x, out):
    """Put records together with one strided copy for each field.

    Removes the interpreter from the loop over records.

    Parameters
    ----------
    x : ndarray, shape (fields, n)
    out : ndarray, shape (n, fields)
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    As many passes over `out` as there are fields, each of which fetches all of its lines.
    """
    for field in range(x.shape[0]):
        out[:, field] = x[field]


@register(
    "soa_to_aos",
    name="compiled",
    instrument="compiled",
    story="blocks of records, compiled: removes the passes",
    dtypes=TYPES,
    tags=("ladder", "best"),
)
@jit
def soa_to_aos_compiled(x, out):
    """Put records together, a block of them at a time, all fields before the next block.

    Removes the passes: each line of `out` is fetched once.

    Parameters
    ----------
    x : ndarray, shape (fields, n), contiguous
    out : ndarray, shape (n, fields), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    One element read and one written at a time.
    """
    fields, n = x.shape
    if out.shape != (n, fields):
        raise ValueError("soa_to_aos: out must have shape (n, fields) where x has (fields, n)")
    by_blocks(x.reshape(-1), 0, n, out.reshape(-1), 0, fields, fields, n)


@register(
    "soa_to_aos",
    name="vector",
    instrument="compiled",
    story="a register for each field, shuffled: removes the moves of single elements",
    tags=("ladder", "best"),
)
def soa_to_aos_vector(x, out):
    """Put records together in registers.

    Removes the moves of single elements, as `aos_to_soa_vector`.

    Parameters
    ----------
    x : ndarray, shape (fields, n), float32 or float64, contiguous
    out : ndarray, shape (n, fields), contiguous
        Overwritten.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Cost
    ----
    For three fields 6 shuffles for 3 registers, for five 19 for 5, for thirteen 67 for 13 (16
    lanes); otherwise as `aos_to_soa_vector`.
    """
    if not together(x, out):
        soa_to_aos_registers(x, out)


@jit
def soa_to_aos_registers(x, out):
    """Put records together by `by_registers`: few fields, or more than a register has lanes."""
    fields, n = x.shape
    if out.shape != (n, fields):
        raise ValueError("soa_to_aos: out must have shape (n, fields) where x has (fields, n)")
    streaming = 2 * x.nbytes >= STREAM_FROM
    by_registers(x.reshape(-1), 0, n, out.reshape(-1), 0, fields, fields, n, fields, streaming)


@register(
    "soa_to_aos",
    name="threads",
    instrument="compiled",
    story="all cores, each with some of the lines",
    tags=("threads",),
)
def soa_to_aos_threads(x, out):
    """Put records together on all cores.

    Removes idle cores: each takes some of the lines. Small arrays stay on one core, before
    anything is compiled for more.

    Parameters
    ----------
    x : ndarray, shape (fields, n), float32 or float64, contiguous
    out : ndarray, shape (n, fields), contiguous
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
        soa_to_aos_vector(x, out)
        return
    if together(x, out, cores=True):
        return
    fields, n = x.shape
    table = bands([0], [0], fields, n, n, fields, x.itemsize)
    streaming = 2 * x.nbytes >= STREAM_FROM
    everywhere(x.reshape(-1), n, out.reshape(-1), fields, table, 0, streaming)
