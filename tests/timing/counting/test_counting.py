"""The access counter: on code whose accesses can be counted by hand, and against NumPy."""

import functools
import math
import operator
from types import ModuleType

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy import zeros

from accel.kernels import kernel, operation
from accel.timing.counting import CountError, count, log

TABLE = np.arange(4.0)


def ones(*shape, dtype="float64"):
    return np.ones(shape, dtype)


def accesses(function, *arguments):
    """Reads and writes of the first argument."""
    counts = count(function, arguments)
    name = next(iter(counts.reads))
    return counts.reads[name], counts.writes[name]


# -- one array, by hand -------------------------------------------------------


def read_one(x):
    return x[1, 2]


def read_from_the_end(x):
    return x[-1, -1]


def write_one(x):
    x[0, 0] = 5


def add_to_one(x):
    x[0, 1] += 2.0


def read_through_two_views(x):
    return x[1:][0][::2][1]


def only_look(x):
    views = (x[1], x[:, 1:], x[..., 0], x[None], x.T, x.reshape(4, 3), x.ravel(), x[::-1, ::-1])
    views += (np.transpose(x), np.swapaxes(x, 0, 1), np.broadcast_to(x, (2, 3, 4)), x[1:1])
    return len(x), x.shape, x.size, x.ndim, x.dtype, x.nbytes, np.shape(x), views


def set_all(x):
    x[:] = 0


def set_row_from_list(x):
    x[0] = [1, 2, 3, 4]


def copy_row(x):
    x[0] = x[1]


def spread_row(x):
    x[...] = x[0]


def walk(x):
    for row in x:
        for value in row:
            assert value == 1


def gather_columns(x):
    return x[:, [0, 2]]


def gather_few(x):
    return x[[0, 2], [1, 1]]


def scatter_row(x):
    x[[0, 0]] = 3.0


def fill(x):
    x.fill(1)


def reshape_that_copies(x):
    return x.T.reshape(12)


def flatten(x):
    return x.flatten()


def double_in_place(x):
    x *= 2


def shift_in_place(x):
    x[1:] += x[:-1]


def add_up(x):
    return np.sum(x), x.sum(axis=0)


def largest(x):
    return x.max(), np.max(x, axis=1)


def average(x):
    return x.mean(), np.mean(x, axis=0)


def tile(x):
    return np.tile(x, (2, 1))


def to_integers(x):
    return x.astype("int32")


def number_of_one(x):
    return float(x[0, :1]), bool(x[1, 1:2])


@pytest.mark.parametrize(
    ("function", "reads", "writes"),
    [
        (read_one, 1, 0), (read_from_the_end, 1, 0), (write_one, 0, 1), (add_to_one, 1, 1),
        (read_through_two_views, 1, 0), (only_look, 0, 0), (set_all, 0, 12),
        (set_row_from_list, 0, 4), (copy_row, 4, 4), (spread_row, 12, 12), (walk, 12, 0),
        (gather_columns, 6, 0), (gather_few, 2, 0), (scatter_row, 0, 8), (fill, 0, 12),
        (reshape_that_copies, 12, 0), (flatten, 12, 0), (double_in_place, 12, 12),
        (shift_in_place, 16, 8), (add_up, 24, 0), (largest, 24, 0), (average, 24, 0),
        (tile, 12, 0), (to_integers, 12, 0), (number_of_one, 2, 0),
    ],
)  # fmt: skip
def test_each_way_to_touch_elements_is_counted_as_often_as_it_touches(function, reads, writes):
    assert accesses(function, ones(3, 4)) == (reads, writes)


@pytest.mark.parametrize("function", [
    read_one, add_to_one, copy_row, spread_row, gather_columns, shift_in_place, add_up, largest,
    average, tile, to_integers, double_in_place, reshape_that_copies, scatter_row,
])  # fmt: skip
def test_a_counted_run_does_what_the_plain_one_does(function):
    plain, watched, results = np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4), []

    def kept(x):
        results.append(function(x))

    expected = function(plain)
    count(kept, (watched,))
    np.testing.assert_array_equal(watched, plain)
    assert same(results[0], expected)


def same(got, expected):
    """Compare counted results with plain ones, values and types."""
    if isinstance(expected, tuple):
        return all(map(same, got, expected))
    if expected is None:
        return got is None
    value = got._values if hasattr(type(got), "_view") else got.value
    return np.array_equal(value, expected) and value.dtype == expected.dtype


# -- any index ----------------------------------------------------------------


@st.composite
def arrays_and_indices(draw):
    shape = draw(hnp.array_shapes(max_dims=3, max_side=5))
    order = draw(st.permutations(range(len(shape))))
    steps = tuple(slice(None, None, draw(st.sampled_from((1, 2, -1)))) for _ in shape)
    host = np.zeros([2 * size for size in shape], draw(st.sampled_from(("uint8", "float64"))))
    values = host.transpose(order)[steps]
    return values, draw(hnp.basic_indices(values.shape, allow_newaxis=True, allow_ellipsis=True))


def pointers(values):
    """The address of each element, by NumPy's pointer and strides."""
    start = values.__array_interface__["data"][0]
    steps = [sum(map(operator.mul, at, values.strides)) for at in np.ndindex(values.shape)]
    return [start + step for step in steps]


@settings(max_examples=100)
@given(arrays_and_indices())
def test_the_addresses_of_any_view_are_those_of_its_elements(drawn):
    values, index = drawn

    def look(x, out):
        out[...] = x[index]

    seen = np.asarray(values[index])
    trace = count(look, (values, np.zeros(seen.shape))).log.trace()
    reads = trace.addresses[~trace.writes].tolist()
    host = np.lib.array_utils.byte_bounds(values.base)[0]
    if isinstance(values[index], np.ndarray):
        assert reads == [pointer - host for pointer in pointers(values[index])]
    else:
        assert len(reads) == 1


@settings(max_examples=100)
@given(st.data(), hnp.array_shapes(max_dims=2, max_side=5))
def test_assigning_through_any_index_writes_as_many_elements_as_it_selects(data, shape):
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=False, allow_ellipsis=True))
    values, plain = np.zeros(shape), np.zeros(shape)

    def assign(x):
        x[index] = 7

    counts = count(assign, (values,))
    plain[index] = 7
    np.testing.assert_array_equal(values, plain)
    assert counts.writes == {"x": int((plain == 7).sum())}
    assert counts.reads == {"x": 0}
    assert counts.unique_bytes == 8 * counts.writes["x"]


# -- several arrays -----------------------------------------------------------


def gather(table, index, out):
    out[:] = table[index]


def gather_slowly(table, index, out):
    for i in range(len(index)):
        out[i] = table[index[i]]


def select(x, mask):
    return x[mask]


def test_an_array_used_as_an_index_is_read_too():
    arguments = (np.arange(10.0), np.array([3, 3, 7]), np.zeros(3))
    counts = count(gather, arguments)
    assert counts.reads == {"table": 3, "index": 3, "out": 0}
    assert counts.writes == {"table": 0, "index": 0, "out": 3}
    assert (counts.allocations, counts.allocated_bytes) == (1, 24)
    assert counts.unique_bytes == 2 * 8 + 3 * 8 + 3 * 8
    np.testing.assert_array_equal(arguments[2], [3, 3, 7])
    assert count(gather_slowly, arguments).reads == counts.reads
    assert count(gather_slowly, arguments).allocations == 0


def test_a_mask_is_read_whole_and_what_it_selects_is_copied():
    counts = count(select, (np.arange(5.0), np.array([True, False, True, False, False])))
    assert counts.reads == {"x": 2, "mask": 5}
    assert counts.total_bytes == 2 * 8 + 5 + 2 * 8


def expression(x, y, out):
    np.add(2.0 * x, y, out=out)


def test_an_expression_makes_temporaries_that_are_written_and_read():
    counts = count(expression, (ones(5), ones(5), ones(5)))
    assert counts.reads == {"x": 5, "y": 5, "out": 0}
    assert counts.writes == {"x": 0, "y": 0, "out": 5}
    assert (counts.allocations, counts.allocated_bytes) == (1, 40)
    assert counts.total_bytes == 8 * (5 + 5 + 5 + 5 + 5)
    assert counts.operations == {"multiply": 5, "add": 5}


def test_a_broadcast_operand_is_read_for_each_element_of_the_result():
    counts = count(np.multiply, (ones(3), ones(4, 3), ones(4, 3)))
    assert counts.reads == {"x1": 12, "x2": 12, "out": 0}
    assert counts.unique_bytes == (3 + 12 + 12) * 8


def blocks(a, b, out):
    out[:2] += a[:2] @ b


def test_matrix_products_read_each_operand_once_and_have_no_order():
    counts = count(blocks, (ones(4, 3), ones(3, 5), ones(4, 5)))
    assert counts.reads == {"a": 6, "b": 15, "out": 10}
    assert counts.writes["out"] == 10
    assert counts.flops == 2 * 2 * 3 * 5 + 10
    with pytest.raises(CountError, match=r"order of accesses is not known within np\.matmul"):
        assert counts.trace


@pytest.mark.parametrize(
    "function",
    [
        lambda x, out: np.sum(x, 0, None, out), lambda x, out: np.sum(x, axis=0, out=out),
        lambda x, out: np.max(x, 0, out), lambda x, out: x.sum(axis=0, out=out),
        lambda x, out: np.add.reduce(x, 0, None, out), lambda x, out: np.cumsum(x[0], 0, None, out),
        lambda x, out: np.concatenate([x[0, :2], x[0, 2:]], out=out),
        lambda x, out: np.add(x[0], x[1], out),
    ],
)  # fmt: skip
def test_a_result_given_by_place_or_by_name_is_written_not_read(function):
    x, out = ones(3, 4), np.zeros(4)
    counts = count(function, (x, out))
    assert (counts.reads["out"], counts.writes["out"]) == (0, 4)
    assert counts.allocations == 0
    assert out.all()


def test_a_product_with_its_result_given_by_place_writes_it():
    counts = count(np.dot, (ones(3, 4), ones(4, 3), ones(3, 3)))
    assert counts.reads == {"a": 12, "b": 12, "out": 0}
    assert counts.writes == {"a": 0, "b": 0, "out": 9}


def test_arrays_that_share_memory_share_their_footprint():
    x = ones(6)
    counts = count(np.add, (x[:4], x[2:], x[:4]))
    assert counts.reads == {"x1": 4, "x2": 4, "out": 0}
    assert counts.unique_bytes == 6 * 8
    assert set(counts.trace.addresses.tolist()) == set(range(0, 48, 8))


def test_separate_arrays_lie_apart_on_lines_of_their_own():
    trace = count(np.add, (ones(3), ones(3), ones(3))).trace
    assert trace.addresses.tolist() == [0, 64, 128, 8, 72, 136, 16, 80, 144]
    assert trace.names == ("x1", "x2", "out")
    assert next(iter(trace)) == ("x1", 0, "read")
    assert list(trace)[2] == ("out", 128, "write")
    assert trace.sizes.tolist() == [8] * 9
    assert len(trace) == 9


def test_views_that_are_not_in_c_order_are_counted_but_not_traced():
    x = np.asfortranarray(ones(3, 4))
    counts = count(np.negative, (x, ones(3, 4)))
    assert counts.reads == {"x": 12, "out": 0}
    with pytest.raises(CountError, match="not in C order"):
        assert counts.trace


def test_nothing_is_touched_in_empty_arrays():
    counts = count(expression, (ones(0), ones(0), ones(0)))
    assert counts.total_bytes == counts.unique_bytes == counts.flops == len(counts.trace) == 0
    assert count(only_look, (ones(3, 4),)).trace.addresses.dtype == np.int64


# -- arithmetic ---------------------------------------------------------------


def horner(x, out):
    for i in range(len(x)):
        v = x[i]
        out[i] = (2.0 * v + 1) * v - v / 3.0


def branches(x, out):
    for i in range(len(x)):
        out[i] = 0.0 if x[i] < 0.5 or x[i] == 2 else abs(-x[i])


def tanh(x, out):
    for i, v in enumerate(x):
        out[i] = math.tanh(v) + math.pi


@pytest.mark.parametrize(
    ("function", "operations"),
    [
        (horner, {"multiply": 8, "add": 4, "divide": 4, "subtract": 4}),
        (branches, {"compare": 8}),
        (tanh, {"function": 4, "add": 4}),
        (lambda x, out: np.maximum(x, 0, out=out), {"compare": 4}),
        (lambda x, out: np.exp(np.negative(x), out=out), {"function": 4}),
        (lambda x, out: np.sum(x), {"add": 3}),
        (lambda x, out: np.max(x), {"compare": 3}),
        (lambda x, out: max(x[0], x[1], x[2]), {"compare": 2}),
        (lambda x, out: sum(x), {"add": 4}),
        (lambda x, out: x.mean(), {"add": 3, "divide": 1}),
        (lambda x, out: np.copy(x), {}),
        (lambda x, out: np.sqrt(x[0]) + np.float64(1), {"function": 1, "add": 1}),
    ],
)
def test_operations_are_counted_by_kind(function, operations):
    counts = count(function, (ones(4), ones(4)))
    assert counts.operations == operations
    assert counts.flops == sum(operations.values())


numbers = st.sampled_from(
    [2, 3.5, np.float32(1.5), np.float64(0.25), np.int64(7), np.uint8(200)]
)  # fmt: skip
BINARY = {
    "+": (lambda a, b: a + b, "add"), "-": (lambda a, b: a - b, "subtract"),
    "*": (lambda a, b: a * b, "multiply"), "/": (lambda a, b: a / b, "divide"),
    "<": (lambda a, b: a < b, "compare"), ">=": (lambda a, b: a >= b, "compare"),
    "==": (lambda a, b: a == b, "compare"), "!=": (lambda a, b: a != b, "compare"),
}  # fmt: skip


@pytest.mark.parametrize("sign", BINARY)
@given(numbers, st.sampled_from(("float32", "float64", "int64")), st.booleans())
def test_numbers_compute_as_numpys_do_whoever_stands_first(sign, other, dtype, first):
    operate, kind = BINARY[sign]
    x, results = np.array([6], dtype), []

    def run(x):
        results.append(operate(x[0], other) if first else operate(other, x[0]))

    counts = count(run, (x,))
    expected = operate(x[0], other) if first else operate(other, x[0])
    got = getattr(results[0], "value", results[0])
    assert got == expected
    assert np.asarray(got).dtype == np.asarray(expected).dtype
    assert counts.operations == {kind: 1}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: float(x[0]) + 1, "conversion to float made plain numbers"),
        (lambda x: int(x[0]), "conversion to int made plain numbers"),
        (lambda x: np.float32(x[0]) * 2, "conversion to float"),
        (lambda x: x[0] ** 3, "power has no agreed number"),
        (lambda x: x**3, "power has no agreed number"),
        (lambda x: np.cumsum(x), "cumsum has no agreed number"),
    ],
)
def test_arithmetic_that_cannot_be_seen_is_named_and_accesses_are_counted_still(function, said):
    counts = count(function, (ones(3),))
    assert counts.reads["x"] in (1, 3)
    with pytest.raises(CountError, match=f"FLOPs are not fully known: .*{said}"):
        assert counts.flops


# -- which function runs ------------------------------------------------------


def helper(x, i):
    return x[i] + 1.0


def with_a_helper(x):
    return helper(x, 0) + helper(x, 1)


def with_a_buffer(x, out):
    buffer = np.empty(len(x), x.dtype)
    for i in range(len(x)):
        buffer[i] = 2 * x[i]
    out[:] = buffer


def with_an_imported_maker(x):
    buffer = zeros(3)
    buffer[0] = x[0]
    return buffer


MODULE = ModuleType("elsewhere")
MODULE.with_a_buffer = with_a_buffer


def through_a_module(x, out):
    MODULE.with_a_buffer(x, out)


def countdown(x, n):
    return 0.0 if n == 0 else x[n - 1] + countdown(x, n - 1)


@numba.njit
def compiled_inner(x, i):
    return x[i] * 2.0


@numba.njit(parallel=True)
def compiled(x, out):
    for i in numba.prange(len(x)):
        out[i] = compiled_inner(x, i)


def closed_over(factor):
    def scale(x):
        for i in range(len(x)):
            x[i] *= factor

    return scale


def test_functions_that_a_function_calls_are_counted_too():
    assert count(with_a_helper, (ones(3),)).operations == {"add": 3}
    assert accesses(with_a_helper, ones(3)) == (2, 0)
    assert accesses(countdown, ones(4), 4) == (4, 0)
    assert accesses(closed_over(3.0), ones(4)) == (4, 4)


def test_functions_reached_through_their_module_are_counted_too():
    counts = count(through_a_module, (ones(3), ones(3)))
    assert counts.allocations == 1
    assert counts.total_bytes == 8 * 12


def test_arrays_that_a_function_makes_are_temporaries():
    counts = count(with_a_buffer, (ones(3), ones(3)))
    assert (counts.allocations, counts.allocated_bytes) == (1, 24)
    assert counts.total_bytes == 8 * (3 + 3 + 3 + 3)
    assert counts.unique_bytes == 8 * 6


def test_a_maker_imported_by_its_own_name_makes_temporaries_too():
    counts = count(with_an_imported_maker, (ones(3),))
    assert counts.allocations == 1
    assert counts.total_bytes == 8 * (3 + 1 + 1)


def test_code_for_numba_runs_as_the_python_it_was_compiled_from():
    counts = count(compiled, (ones(3), ones(3)))
    assert (counts.reads, counts.writes) == ({"x": 3, "out": 0}, {"x": 0, "out": 3})
    assert counts.operations == {"multiply": 3}
    assert not compiled.signatures


def test_numbers_can_be_printed():
    seen = []

    def show(x):
        seen.append(f"{x[1]:.2f}")

    assert accesses(show, np.arange(3.0)) == (1, 0)
    assert seen == ["1.00"]


def test_the_function_itself_is_left_as_it_was():
    before = dict(with_a_helper.__globals__)
    count(with_a_helper, (ones(3),))
    assert with_a_helper.__globals__ == before
    assert with_a_helper(ones(3)) == 4.0


# -- what cannot be counted ---------------------------------------------------


def uses_a_table(x):
    return x[0] + TABLE[1]


def makes_plain(x):
    return np.asarray(x)


def closes_over_an_array():
    table = np.arange(3.0)
    return lambda x: x[0] + table[0]


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (read_one, ([[1.0]],), "argument x is a list"),
        (read_one, (np.array([["a"]]),), "argument x: expected an array of numbers, got <U1"),
        (read_one, (np.ma.ones((2, 2)),), "expected a plain array, got MaskedArray"),
        (lambda x: np.mean(x, dtype="float32"), (ones(3),), "np.mean with dtype cannot"),
        (uses_a_table, (ones(3),), "uses the array TABLE, which is no argument"),
        (closes_over_an_array(), (ones(3),), "uses the array table"),
        (makes_plain, (ones(3),), "np.asarray in a counted function"),
        (lambda x: x + [1, 2, 3], (ones(3),), r"plain array of shape \(3,\) as an operand of add"),
        (lambda x: np.sort(x), (ones(3),), "np.sort on a counted array"),
        (lambda x: np.add.at(x, 0, 1), (ones(3),), "np.add.at cannot be counted"),
        (lambda x: np.add(x, x, where=x > 0), (ones(3),), "np.add with where cannot"),
        (lambda x: x.sort(), (ones(3),), "a counted array has no 'sort'"),
        (lambda x: np.random.rand(3) + x, (ones(3),), "np.random in a counted function"),
        (lambda x: math.gamma(x[0]), (ones(3),), "math.gamma of an element"),
        (functools.partial(read_one), (ones(3, 4),), "got partial"),
        (kernel("matmul", "tiled").function, operation("matmul").inputs(n=2), "vector registers"),
        (kernel("gelu", "vector").function, operation("gelu").inputs(n=2), "vector registers"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(function, arguments, said):
    with pytest.raises(CountError, match=said):
        count(function, arguments)


def test_counted_arrays_are_not_counted_twice():
    def again(x):
        count(read_one, (x,))

    with pytest.raises(CountError, match="argument x is counted already"):
        count(again, (ones(3, 4),))


def test_a_run_that_is_not_small_is_refused(monkeypatch):
    monkeypatch.setattr(log, "MOST_ACCESSES", 10)
    assert accesses(walk, ones(2, 5)) == (10, 0)
    with pytest.raises(CountError, match="touches more than 10 elements"):
        count(walk, (ones(1, 11),))


def test_errors_of_the_function_stay_what_they_are():
    with pytest.raises(IndexError, match="out of bounds"):
        count(lambda x: x[5], (ones(3),))
    with pytest.raises(ValueError, match="could not broadcast|operands could not"):
        count(np.add, (ones(3), ones(4), ones(3)))
    with pytest.raises(ValueError, match="ambiguous"):
        count(lambda x: bool(x), (ones(3),))
