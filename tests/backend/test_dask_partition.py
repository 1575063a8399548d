"""Calls are cut into pieces that fit a worker, and put together to what one kernel gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.agreement import difference
from accel.backend.base import BackendError, Call
from accel.backend.dask import partition
from accel.kernels import registry

LANES = 4


def run_here(job):
    """Do in this process what workers do, last piece first: any order is allowed."""
    for piece in reversed(job.pieces):
        carry = None
        for arrays in piece.steps:
            carry = piece.task(piece.operation, piece.dtype, carry, *arrays())
        piece.deliver(carry)
    job.finish()


def held_bytes(job):
    """Return the most that a step needs at once: its arrays, its result, and the sum before."""
    most = 0
    for piece in job.pieces:
        carry = None
        for arrays in piece.steps:
            sent = arrays()
            before = 0 if carry is None else carry.nbytes
            carry = piece.task(piece.operation, piece.dtype, carry, *sent)
            result = carry.nbytes if isinstance(carry, np.ndarray) and carry.ndim else 0
            most = max(most, before + result + sum(each.nbytes for each in sent))
    return most


def agrees(operation, arguments):
    expected, tolerance = registry.operation(operation).oracle(*arguments)
    return difference(np.asarray(arguments[-1]), expected, tolerance)


@pytest.mark.parametrize("operation", sorted(partition.KINDS))
def test_every_edge_case_is_right_however_small_the_pieces(operation, monkeypatch):
    monkeypatch.setattr(partition, "LEAST_PIECE_BYTES", 64)
    op = registry.operation(operation)
    for parameters in op.edges:
        arguments = op.inputs(**{**parameters, "dtype": "float32"})
        call = Call(operation, "float32", arguments)
        if partition.nothing_to_send(call):
            continue
        run_here(partition.cut(call, 1 << 16, LANES))
        # A piece boundary is one more rounding in a sum; the tolerance of the oracle has room.
        assert not agrees(operation, arguments), parameters


@given(
    sizes=st.tuples(*[st.integers(1, 24)] * 3),
    room=st.integers(64, 20_000),
    lanes=st.integers(1, 9),
    operation=st.sampled_from(["matmul", "matmul_nt"]),
)
def test_a_product_of_any_shape_is_right_and_fits_any_room(sizes, room, lanes, operation):
    m, k, n = sizes
    op = registry.operation(operation)
    arguments = op.inputs(m=m, k=k, n=n, dtype="float32")
    job = partition.cut(Call(operation, "float32", arguments), room, lanes)
    run_here(job)
    assert not agrees(operation, arguments)
    assert held_bytes(job) <= room


@given(
    n=st.integers(1, 5000),
    room=st.integers(16, 30_000),
    operation=st.sampled_from(["exp", "sum", "argmax", "mean_variance"]),
)
def test_a_line_of_any_length_is_right_and_fits_any_room(n, room, operation):
    arguments = registry.operation(operation).inputs(n=n, dtype="float32")
    job = partition.cut(Call(operation, "float32", arguments), room, LANES)
    run_here(job)
    assert not agrees(operation, arguments)
    assert held_bytes(job) <= room


@given(rows=st.integers(1, 300), width=st.integers(1, 50), room=st.integers(2000, 30_000))
def test_rows_stay_whole(rows, width, room):
    x = np.random.default_rng(7).normal(size=(rows, width)).astype("float32")
    weight, bias, out = np.ones(width, "float32"), np.zeros(width, "float32"), np.empty_like(x)
    job = partition.cut(Call("layernorm", "float32", (x, weight, bias, out)), room, LANES)
    run_here(job)
    assert not agrees("layernorm", (x, weight, bias, out))
    assert held_bytes(job) <= room


@given(m=st.integers(1, 5000), k=st.integers(1, 5000), n=st.integers(1, 5000),
       room=st.integers(1000, 10**8), lanes=st.integers(1, 64))  # fmt: skip
def test_blocks_of_any_product_fit_and_are_no_more_than_needed(m, k, n, room, lanes):
    blocks = partition.blocks((m, k, n), 4, room, lanes)
    r, p, c = blocks.rows, blocks.inner, blocks.columns
    assert 1 <= r <= m and 1 <= p <= k and 1 <= c <= n
    assert 4 * (2 * r * c + (r + c) * p) <= room


def test_a_product_that_fits_gives_every_lane_something_and_moves_little():
    blocks = partition.blocks((1024, 1024, 1024), 4, 64 << 20, 4)
    assert (blocks.rows, blocks.inner, blocks.columns) == (512, 1024, 512)


def test_small_calls_are_not_cut():
    arguments = registry.operation("relu").inputs(n=1000)
    assert len(partition.cut(Call("relu", "float32", arguments), 1 << 20, 8).pieces) == 1


@given(length=st.integers(1, 1000), most=st.integers(1, 1000))
def test_spans_cover_a_range_once_in_equal_parts(length, most):
    parts = list(partition.spans(length, most))
    assert [i for part in parts for i in range(length)[part]] == list(range(length))
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1


def test_the_first_of_equal_maxima_wins_whichever_piece_comes_first():
    x = np.zeros(100_000, "float32")
    x[[70_000, 99_999]] = 5
    out = np.empty(1, "int64")
    run_here(partition.cut(Call("argmax", "float32", (x, out)), 40_000, LANES))
    assert out[0] == 70_000


def test_a_nan_is_larger_than_all():
    x = np.arange(100_000, dtype="float32")
    x[60_000] = np.nan
    out = np.empty(1, "int64")
    run_here(partition.cut(Call("argmax", "float32", (x, out)), 40_000, LANES))
    assert out[0] == 60_000


def test_moments_of_pieces_far_from_zero_keep_their_digits():
    x = (1e4 + np.random.default_rng(3).normal(size=200_000)).astype("float64")
    out = np.empty(2)
    run_here(partition.cut(Call("mean_variance", "float64", (x, out)), 100_000, LANES))
    unit = np.finfo("float64").eps * len(x) ** 0.5
    np.testing.assert_allclose(out, [x.mean(), x.var()], rtol=unit * 1e4)


def test_strided_and_read_only_arrays_arrive_contiguous_and_writeable():
    base = np.arange(24, dtype="float32").reshape(4, 6)
    base.flags.writeable = False
    for array in (base, base[:, ::2], base.T):
        sent = partition.sendable(array)
        assert sent.flags.c_contiguous and sent.flags.writeable
        np.testing.assert_array_equal(sent, array)


@pytest.mark.parametrize(
    ("operation", "shapes"),
    [
        ("matmul", [(3, 4), (5, 6), (3, 6)]),
        ("matmul", [(3, 4), (4, 6), (3, 7)]),
        ("matmul_nt", [(3, 4), (4, 6), (3, 6)]),
        ("matmul_batched", [(2, 3, 4), (3, 4, 5), (2, 3, 5)]),
        ("relu", [(3,), (4,)]),
        ("layernorm", [(3, 4), (4,), (5,), (3, 4)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused_before_anything_is_written(operation, shapes):
    *arguments, out = (np.full(shape, 7, "float32") for shape in shapes)
    with pytest.raises(ValueError, match=f"{operation} on a cluster expects .*, got"):
        partition.cut(Call(operation, "float32", (*arguments, out)), 1 << 20, LANES)
    assert (out == 7).all()


def test_a_row_that_fits_no_worker_is_an_error_that_says_how_much_it_takes():
    x = np.ones((2, 1000), "float32")
    with pytest.raises(BackendError, match="8,000 bytes .* room for 5,000; give workers more"):
        partition.cut(Call("softmax", "float32", (x, np.empty_like(x))), 5000, LANES)


def test_what_cannot_be_cut_says_why():
    assert "no rule says how conv2d is cut" in partition.why_not("conv2d", "float32")
    assert "int64" in partition.why_not("matmul", "int64")
    assert partition.why_not("matmul", "float64") is None
