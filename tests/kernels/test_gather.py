"""embedding, scatter_add and histogram beyond the edge cases of the registry."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.gather.copying import _stream
from accel.kernels.gather.indices import all_inside, distinct, drawn, refuse_outside
from accel.kernels.gather.rows import register_of

NAMES = ("embedding", "scatter_add", "histogram")
DTYPES = ("float32", "float64")
BORDER = 64
unhurried = settings(deadline=None, max_examples=40)


def steps(*names):
    return [pytest.param(step, id=f"{name}.{step.name}") for name in names for step in ladder(name)]


def fast(*names):
    return [
        pytest.param(step, id=f"{name}.{step.name}")
        for name in names
        for step in ladder(name)
        if step.instrument != "interpreter"
    ]


def run(step, *arguments):
    """Return what a kernel makes of arrays, as an array."""
    own = step.adapt(*arguments) if step.adapt else arguments
    step.function(*own)
    return np.asarray(own[-1])


def bordered(values, filler=np.nan):
    """Return a copy of an array amid other numbers, and the whole of it."""
    host = np.full(values.size + 2 * BORDER, filler, values.dtype)
    inner = host[BORDER : BORDER + values.size].reshape(values.shape)
    inner[...] = values
    return inner, host


def beyond(host, filler):
    return np.array_equal(
        np.concatenate([host[:BORDER], host[-BORDER:]]),
        np.full(2 * BORDER, filler, host.dtype),
        equal_nan=host.dtype.kind == "f",
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", steps(*NAMES))
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", fast("embedding", "scatter_add"))
@unhurried
@given(
    n=st.integers(0, 80),
    d=st.integers(0, 70),
    rows=st.integers(1, 90),
    order=st.sampled_from(["random", "sorted", "zipf"]),
)
def test_any_shape_and_order_is_right(step, dtype, n, d, rows, order):
    arguments = operation(step.operation).inputs(n=n, d=d, rows=rows, order=order, dtype=dtype)
    expected, tolerance = operation(step.operation).oracle(*arguments)
    assert difference(run(step, *arguments), expected, tolerance) is None


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 100])
@pytest.mark.parametrize("name", ["vector", "threads"])
def test_rows_at_the_ends_touch_nothing_beyond(name, d):
    table, _ = bordered(np.random.default_rng(1).standard_normal((5, d)).astype("f4"))
    indices, _ = bordered(np.array([4, 0, 2, 4, 0, 4]), 10**9)
    out, host = bordered(np.zeros((6, d), "f4"), 7.0)
    kernel("embedding", name).function(table, indices, out)
    np.testing.assert_array_equal(out, table[indices])
    assert beyond(host, 7.0)

    values, _ = bordered(np.ones((6, d), "f4"))
    sums, host = bordered(np.zeros((5, d), "f4"), 7.0)
    kernel("scatter_add", name).function(indices, values, sums)
    np.testing.assert_array_equal(sums[:, 0], [2, 0, 1, 0, 3])
    np.testing.assert_array_equal(sums, sums[:, :1] + np.zeros(d))
    assert beyond(host, 7.0)


@pytest.mark.parametrize("start", range(0, 16, 3))
@pytest.mark.parametrize(("n", "d"), [(0, 20), (1, 16), (7, 16), (9, 17), (5, 31), (4, 100)])
def test_rows_that_go_past_the_caches_are_whole_wherever_out_begins(n, d, start):
    table, _ = bordered(np.random.default_rng(1).standard_normal((5, d)).astype("f4"))
    indices = drawn(n, 5)
    host = np.full(n * d + 2 * BORDER, 7.0, "f4")
    out = host[BORDER - start : BORDER - start + n * d]
    assert _stream(register_of(table, 16), table.ravel(), 5, d, indices, 0, n, out)
    np.testing.assert_array_equal(out.reshape(n, d), table[indices])
    np.testing.assert_array_equal(host[: BORDER - start], 7.0)
    np.testing.assert_array_equal(host[BORDER - start + n * d :], 7.0)


@pytest.mark.parametrize("place", [0, 1, 4])
def test_rows_that_go_past_the_caches_end_before_an_index_outside(place):
    table, out = np.ones((5, 20), "f4"), np.full(100, 7.0, "f4")
    indices = np.array([0, 1, 2, 3, 4])
    indices[place] = 5
    assert not _stream(register_of(table, 16), table.ravel(), 5, 20, indices, 0, 5, out)
    np.testing.assert_array_equal(out[: 20 * place], 1)
    np.testing.assert_array_equal(out[20 * place :], 7)


@pytest.mark.parametrize("n", [0, 1, 7, 15, 16, 17, 1023, 1024, 1025, 2049])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_histogram_touches_nothing_beyond_its_ends(n, dtype):
    x, _ = bordered(np.linspace(0, 1, n, dtype=dtype), 0.5)  # neighbours that would count
    out, host = bordered(np.zeros(5, np.int64), 7)
    kernel("histogram", "vector").function(x, 0.0, 1.0, out)
    assert out.sum() == n
    assert beyond(host, 7)


@pytest.mark.parametrize("step", steps("embedding", "scatter_add"))
@pytest.mark.parametrize("place", [0, 3, 8])
@pytest.mark.parametrize("index", [-1, 5, -(2**62), 2**62])
def test_an_index_outside_is_refused_and_nothing_is_read_there(step, place, index):
    indices = np.array([4, 0, 1, 2, 3, 4, 0, 1, 2])
    indices[place] = index
    rows, many = np.ones((5, 3)), np.ones((9, 3))
    arguments = (rows, indices, many) if step.operation == "embedding" else (indices, many, rows)
    with pytest.raises(IndexError, match=f"^{step.operation}: indices must be from 0 to"):
        run(step, *arguments)
    np.testing.assert_array_equal(rows, 1)


def test_an_index_outside_is_refused_by_all_cores():
    table, indices, out = operation("embedding").inputs(n=5000, d=64, rows=50)
    indices[4321] = 50
    with pytest.raises(IndexError, match="indices must be from 0"):
        kernel("embedding", "threads").function(table, indices, out)


@pytest.mark.parametrize("name", ["embedding", "scatter_add"])
@pytest.mark.parametrize("d", [3, 16, 65])
def test_all_cores_give_what_one_gives(name, d):
    arguments = operation(name).inputs(n=600_000 // d, d=d, rows=1000, order="zipf")
    again = operation(name).inputs(n=600_000 // d, d=d, rows=1000, order="zipf")
    kernel(name, "vector").function(*arguments)
    kernel(name, "threads").function(*again)
    np.testing.assert_array_equal(again[-1], arguments[-1])


def test_all_cores_count_what_one_counts():
    arguments = operation("histogram").inputs(n=300_001, bins=50)
    one, all_of_them = np.empty(50, np.int64), np.empty(50, np.int64)
    kernel("histogram", "vector").function(*arguments[:3], one)
    kernel("histogram", "threads").function(*arguments[:3], all_of_them)
    np.testing.assert_array_equal(one, all_of_them)


@pytest.mark.parametrize("step", steps("embedding"))
def test_rows_come_with_all_their_bits(step):
    table = np.array([[np.nan, -0.0], [np.inf, 1e-310]])
    got = run(step, table, np.array([1, 0, 1]), np.zeros((3, 2)))
    np.testing.assert_array_equal(got, table[[1, 0, 1]])
    assert np.signbit(got[1, 1])


@pytest.mark.parametrize("step", steps("scatter_add"))
def test_equal_indices_add_up_and_other_rows_stay(step):
    out = np.array([[1.0, 1.0], [np.nan, np.inf], [5.0, 5.0]])
    got = run(step, np.array([2, 0, 2, 2]), np.arange(8.0).reshape(4, 2), out)
    np.testing.assert_array_equal(got, [[3, 4], [np.nan, np.inf], [15, 18]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", fast("histogram"))
@unhurried
@given(data=st.data())
def test_counts_are_those_of_numpy(step, dtype, data):
    bins = data.draw(st.integers(1, 70))
    low = data.draw(st.floats(-100, 100, width=32))
    high = low + data.draw(st.floats(1, 1000, width=32))
    edges = np.linspace(low, high, bins + 1, dtype=dtype)
    number = st.floats(width=32) | st.sampled_from(
        [*edges, *np.nextafter(edges, edges.dtype.type(0))]
    )
    x = np.array(data.draw(st.lists(number, max_size=60)), dtype)
    got = run(step, x, low, high, np.zeros(bins, np.int64))
    np.testing.assert_array_equal(got, np.histogram(x, bins, (low, high))[0])


@pytest.mark.parametrize("step", fast("histogram"))
def test_an_integer_counts_in_the_bin_that_begins_with_it(step):
    x = np.tile(np.arange(11, dtype="f4"), 300)
    got = run(step, x, 0.0, 10.0, np.zeros(10, np.int64))
    np.testing.assert_array_equal(got, [300] * 9 + [600])


@pytest.mark.parametrize("step", fast("histogram"))
def test_bins_about_as_narrow_as_numbers_are_apart_still_count_each_once(step):
    x = np.float32(1e6) + np.arange(16, dtype="f4") / 16
    got = run(step, x, 1e6, 1e6 + 1, np.zeros(16, np.int64))
    np.testing.assert_array_equal(got, 1)


@pytest.mark.parametrize("step", ["compiled", "private", "vector", "threads"])
@pytest.mark.parametrize(
    ("low", "high", "bins", "words"),
    [
        (1.0, 1.0, 3, "low and high must be finite, and low below high"),
        (2.0, 1.0, 3, "low and high must be finite"),
        (np.nan, 1.0, 3, "low and high must be finite"),
        (0.0, np.inf, 3, "low and high must be finite"),
        (-1e308, 1e308, 3, "low and high must be finite"),
        (0.0, 1.0, 0, "out must have a bin"),
    ],
)
def test_ends_that_make_no_bins_are_refused(step, low, high, bins, words):
    with pytest.raises(ValueError, match=f"^histogram: {words}"):
        kernel("histogram", step).function(np.ones(4), low, high, np.zeros(bins, np.int64))


@pytest.mark.parametrize("step", ["compiled", "vector", "threads"])
def test_compiled_kernels_refuse_shapes_that_do_not_fit(step):
    rows, indices, many = np.ones((5, 3)), np.zeros(4, int), np.ones((4, 3))
    for table, out in [(rows, many[:3]), (rows, many[:, :2].copy()), (rows[:, :2].copy(), many)]:
        with pytest.raises(ValueError, match="^embedding: out must have a row per index"):
            kernel("embedding", step).function(table, indices, out)
        with pytest.raises(ValueError, match="^scatter_add: values must have a row per index"):
            kernel("scatter_add", step).function(indices, out, table)


@pytest.mark.parametrize("name", ["embedding", "scatter_add"])
def test_inputs_are_the_arrays_that_the_kernels_name(name):
    expected = list(inspect.signature(operation(name).oracle).parameters)
    for step in ladder(name):
        function = getattr(step.function, "py_func", step.function)
        assert list(inspect.signature(function).parameters) == expected


def test_orders_draw_what_they_are_named_after():
    np.testing.assert_array_equal(drawn(500, 90, "sorted"), np.sort(drawn(500, 90, "random")))
    assert distinct(500, 90, "random") > 80
    assert np.bincount(drawn(10_000, 90, "zipf")).max() > 1500
    assert drawn(0, 0).size == 0
    for order in ("random", "sorted", "zipf"):
        assert all_inside(drawn(500, 90, order), 90)


def test_orders_and_values_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="order must be one of"):
        drawn(3, 3, "backwards")
    with pytest.raises(ValueError, match="at least one row for 3 indices"):
        drawn(3, 0)
    with pytest.raises(ValueError, match="values: .normal"):
        operation("histogram").inputs(3, 3, values="odd")


def test_the_first_index_outside_is_named():
    with pytest.raises(
        IndexError, match="^embedding: indices must be from 0 to 4, got -1 at place 2"
    ):
        refuse_outside("embedding", np.array([0, 4, -1, 7]), 5)


def test_compulsory_bytes_count_each_row_once():
    op = operation("embedding")
    _, indices, out = op.inputs(n=100, d=3, rows=9)
    used = np.unique(indices).size
    assert op.compulsory_bytes(n=100, d=3, rows=9) == indices.nbytes + out.nbytes + used * 3 * 4
    sums = operation("scatter_add").compulsory_bytes(n=100, d=3, rows=9)
    assert sums == indices.nbytes + out.nbytes + 2 * used * 3 * 4


@pytest.mark.parametrize("name", NAMES)
def test_sizes_give_about_the_bytes_asked_for(name):
    op = operation(name)
    for working_set in (2**14, 2**20, 2**24):
        assert 0.5 < op.compulsory_bytes(**op.sizes(working_set)) / working_set <= 1.5
