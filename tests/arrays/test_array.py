"""What NumPy promises holds for `Array`, whoever computes."""

import asyncio
import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import accel
from accel.backend import dispatch

# Not arctan2: NumPy rounds it by one or another loop, as its operands happen to lie in memory.
UFUNCS = [
    np.add, np.subtract, np.multiply, np.true_divide, np.maximum, np.minimum, np.less, np.equal,
    np.hypot, np.sqrt, np.tanh, np.exp, np.negative, np.absolute, np.square,
    np.logical_and, np.isfinite, np.floor_divide, np.power,
]  # fmt: skip
DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool", "complex64"]


def each(x):
    """Return arrays as `Array`."""
    return accel.asarray(x) if isinstance(x, np.ndarray) else x


def outcome(function, *args, **keywords):
    """Return the result, or the class of the error and its message."""
    with np.errstate(all="ignore"):
        try:
            return function(*args, **keywords)
        except (TypeError, ValueError, OverflowError, np.exceptions.ComplexWarning) as error:
            return type(error), str(error)


def assert_same(got, expected):
    if isinstance(expected, tuple):
        assert got == expected
        return
    assert type(got) is (accel.Array if isinstance(expected, np.ndarray) else type(expected))
    assert got.dtype == expected.dtype and got.shape == expected.shape
    if expected.size:
        long = [axis for axis, length in enumerate(expected.shape) if length > 1]
        assert [got.strides[axis] for axis in long] == [expected.strides[axis] for axis in long]
    np.testing.assert_array_equal(np.asarray(got), expected)


@st.composite
def operands(draw, count):
    """Arrays that broadcast, in various types and layouts, and numbers."""
    shapes = draw(arrays_of.mutually_broadcastable_shapes(num_shapes=count, max_dims=3))
    return [draw(operand(shape)) for shape in shapes.input_shapes]


@st.composite
def operand(draw, shape):
    dtype = draw(st.sampled_from(DTYPES))
    if not shape and draw(st.booleans()):
        return draw(st.sampled_from([0, 3, -2, 2.5, True, np.float32(1.5), np.int8(4), 1 + 2j]))
    x = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 9, shape).astype(dtype)
    layout = draw(st.sampled_from(["C", "F", "every other", "reversed", "transposed"]))
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "every other" and shape:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if layout == "reversed" and shape:
        return x[::-1]
    if layout == "transposed" and len(shape) > 1:
        return np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1)
    return x


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_ufuncs_give_what_numpy_gives(in_parts, data):
    ufunc = data.draw(st.sampled_from(UFUNCS))
    given = data.draw(operands(ufunc.nin))
    if not any(isinstance(x, np.ndarray) for x in given):
        return
    expected = outcome(ufunc, *given)
    got = outcome(ufunc, *[each(x) for x in given])
    if ufunc in (np.exp, np.power) and isinstance(expected, np.ndarray | np.generic):
        # A kernel's exponential and NumPy's are rounded differently, and so are products.
        np.testing.assert_allclose(np.asarray(got), expected, rtol=2e-6)
        assert got.dtype == expected.dtype
        return
    assert_same(got, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_ufuncs_write_where_they_are_told_to(in_parts, data):
    ufunc = data.draw(st.sampled_from([np.add, np.multiply, np.maximum, np.hypot]))
    a, b = data.draw(operands(2))
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return
    shape = np.broadcast_shapes(a.shape, b.shape)
    out = np.full(shape, 7, data.draw(st.sampled_from(DTYPES)))
    where = data.draw(st.one_of(st.none(), arrays_of.arrays(bool, shape)))
    keywords = {} if where is None else {"where": where}
    mine = accel.asarray(out.copy())
    expected = outcome(ufunc, a, b, out=out, **keywords)
    got = outcome(ufunc, each(a), each(b), out=mine, **keywords)
    assert isinstance(expected, tuple) or got is mine
    assert_same(got, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_reductions_give_what_numpy_gives(in_parts, data):
    shape = data.draw(arrays_of.array_shapes(max_dims=4, max_side=6))
    x = data.draw(operand(shape))
    if not isinstance(x, np.ndarray):
        return
    ufunc = data.draw(st.sampled_from([np.add, np.maximum, np.minimum, np.multiply]))
    axes = st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1))
    keywords = {"axis": data.draw(axes), "keepdims": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        keywords["initial"] = 2
    if data.draw(st.booleans()):
        keywords["dtype"] = data.draw(st.sampled_from(["float64", "int64"]))
    expected = outcome(ufunc.reduce, x, **keywords)
    got = outcome(ufunc.reduce, each(x), **keywords)
    assert_same(got, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_running_sums_and_places_give_what_numpy_gives(in_parts, data):
    x = data.draw(operand(data.draw(arrays_of.array_shapes(max_dims=3, max_side=6))))
    if not isinstance(x, np.ndarray):
        return
    axis = data.draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    sums = np.cumsum(each(x), axis=axis)
    np.testing.assert_array_equal(np.asarray(sums), np.cumsum(x, axis=axis))
    assert sums.dtype == np.cumsum(x, axis=axis).dtype and type(sums) is accel.Array
    assert_same(np.argmax(each(x), axis=axis), np.argmax(x, axis=axis))


def test_in_place_operations_change_the_array_and_its_views(in_parts, numbers):
    base = numbers(40, 30)
    x, view = accel.asarray(base), base[::2]
    before = x
    x *= 2
    x -= x[0].copy()
    assert x is before and np.shares_memory(x, base) and np.shares_memory(view, x)
    expected = numbers(40, 30) * 2
    np.testing.assert_array_equal(base, expected - expected[0])


def test_an_array_that_overlaps_its_result_is_read_before_it_is_written(in_parts):
    x = np.arange(1000.0)
    expected = x[:-1] + x[1:]
    y = accel.asarray(x)
    np.add(y[:-1], y[1:], out=y[1:])
    np.testing.assert_array_equal(x[1:], expected)


def test_results_do_not_share_memory(in_parts, numbers):
    x = accel.asarray(numbers(100, 100))
    results = [x + 1, x + 1, x * 2, x * 2, np.exp(x), np.exp(x), x @ x, x @ x]
    for i, first in enumerate(results):
        assert not any(np.shares_memory(first, other) for other in results[i + 1 :])


def test_numbers_of_python_do_not_widen_and_those_of_numpy_do(in_parts, numbers):
    x = accel.asarray(numbers(10))
    assert (x * 2.5).dtype == "float32" and (x * np.float64(2.5)).dtype == "float64"
    assert np.maximum(x, np.float64(0)).dtype == "float64"
    with pytest.raises(OverflowError):
        accel.asarray(np.zeros(10, "uint8")) + 300


def test_a_cast_that_is_not_safe_is_refused(in_parts):
    x = accel.asarray(np.arange(10))
    with pytest.raises(np._core._exceptions._UFuncOutputCastingError):
        x += 0.5
    assert x.tolist() == list(range(10))


@pytest.mark.parametrize("state", ["warn", "raise", "call", "ignore"])
@pytest.mark.parametrize(
    "function, x",
    [
        (np.exp, np.full(3000, 1000.0, "float32")),
        (np.log, np.zeros(3000)),
        (np.sqrt, np.full(3000, -1.0)),
        (np.multiply.reduce, np.full(3000, 1e10)),
        (np.sum, np.array([np.inf, -np.inf] * 1500)),
        (np.cumsum, np.array([np.inf, -np.inf] * 1500)),
        (lambda x: np.divide(x, 0), np.arange(3000.0)),
        (lambda x: x**3, np.full(3000, 1e30, "float32")),
    ],
)
def test_floating_point_errors_are_told_as_numpy_tells_them(in_parts, function, x, state):
    def told(x):
        calls = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with np.errstate(all=state, under="ignore", call=lambda *told: calls.append(told)):
                try:
                    function(x)
                except FloatingPointError as error:
                    return str(error)
        return sorted(str(each.message) for each in caught), calls

    assert told(accel.asarray(x)) == told(x)


def test_a_warning_of_a_long_loop_names_the_line_that_asked(in_parts):
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in divide") as caught:
        accel.asarray(np.ones(3000)) / 0
    assert caught[0].filename == __file__


def test_a_product_under_raising_errors_is_numpys(numbers):
    x = accel.asarray(numbers(100, 100))
    with accel.use("numba"), np.errstate(invalid="raise"), dispatch.watching(compute=True) as seen:
        x @ x
    assert seen.choices == []
    assert seen.fallbacks == {("matmul", "floating-point errors are to be reported"): 1}


def test_masked_arrays_keep_their_mask(in_parts):
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    result = accel.asarray(np.ones(3)) + masked
    assert isinstance(result, np.ma.MaskedArray) and result.mask.tolist() == [False, True, False]
    with pytest.raises(TypeError, match="mask"):
        accel.asarray(masked)


def test_objects_are_added_by_their_own_methods(in_parts):
    x = accel.asarray(np.array([1, "a", None], object))
    assert (x == x).tolist() == [True, True, True]
    assert (x[:2] * 2).tolist() == [2, "aa"]


def test_a_class_with_its_own_way_is_asked(numbers):
    class Own:
        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            return ufunc.__name__, type(inputs[0])

        def __array_function__(self, function, types, args, keywords):
            return function.__name__

    x = accel.asarray(numbers(3))
    assert np.add(x, Own()) == ("add", np.ndarray)
    assert np.concatenate([x, Own()]) == "concatenate"


def test_a_class_that_wants_no_ufuncs_is_left_alone(numbers):
    class Shy:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert accel.asarray(numbers(3)) + Shy() == "mine"
    with pytest.raises(TypeError):
        np.add(accel.asarray(numbers(3)), Shy())


def test_a_class_made_of_array_stays_itself(in_parts, numbers):
    class Named(accel.Array):
        def __array_finalize__(self, source):
            self.name = getattr(source, "name", "none")

    x = accel.asarray(numbers(30)).view(Named)
    x.name = "x"
    assert type(x + 1) is Named and (x + 1).name == "x"


def test_arrays_are_copied_and_pickled_as_what_they_are(numbers):
    x = accel.asarray(numbers(3, 4))
    for other in (x.copy(), copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(other) is accel.Array and not np.shares_memory(other, x)
        np.testing.assert_array_equal(np.asarray(other), x)


def test_asarray_shares_memory_and_copies_only_when_told_to(numbers):
    x = numbers(3, 4)
    y = accel.asarray(x)
    assert np.shares_memory(x, y) and accel.asarray(y) is y
    assert not np.shares_memory(accel.asarray(x, copy=True), x)
    assert accel.asarray(y, "float64").dtype == "float64"
    assert type(accel.asarray([1, 2])) is accel.Array
    with pytest.raises(ValueError, match="copy"):
        accel.asarray([1, 2], copy=False)


FUNCTIONS = {
    "concatenate": lambda x: np.concatenate([x, x]),
    "where": lambda x: np.where(x > 0, x, 0),
    "pad": lambda x: np.pad(x, 1),
    "linalg.norm": lambda x: np.linalg.norm(x),
    "linalg.eigh": lambda x: np.linalg.eigh(x @ x.T).eigenvalues,
    "sort": np.sort,
    "einsum": lambda x: np.einsum("ij->j", x),
    "split": lambda x: np.split(x, 2)[1],
    "stack": lambda x: np.stack([x, x], axis=1),
    "percentile": lambda x: np.percentile(x, 30),
    "clip": lambda x: np.clip(x, -1, 1),
    "nonzero": lambda x: np.nonzero(x > 0)[0],
    "mean": lambda x: np.mean(x, axis=0),
    "std": lambda x: x.std(axis=1, ddof=1),
    "modf": lambda x: np.modf(x)[1],
    "outer": lambda x: np.add.outer(x[0], x[1]),
    "fft.rfft": lambda x: np.fft.rfft(x),
    "interp": lambda x: np.interp(x[0], [0, 1], [0, 1]),
    "a list of lists": lambda x: np.block([[x, x], [x, x]]),
    "trace": lambda x: x.trace(),
    "full_like": lambda x: np.full_like(x, 2),
}


@pytest.mark.parametrize("policy", ["auto", "numpy", "numba", "numba-threads"])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_what_is_not_covered_numpy_computes(function, policy, numbers):
    x = numbers(6, 8)
    with accel.use(policy):
        got = function(accel.asarray(x))
    expected = function(x)
    assert type(got) is (accel.Array if isinstance(expected, np.ndarray) else type(expected))
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-6)


def test_functions_that_write_to_their_argument_do_so(numbers):
    x = accel.asarray(numbers(4, 4))
    np.copyto(x, 3)
    np.fill_diagonal(x, 5)
    np.add.at(x, 0, 1)
    out = accel.asarray(np.empty((8, 4), "float32"))
    assert np.concatenate([x, x], out=out) is out
    assert x[0].tolist() == [6, 4, 4, 4] and out[4].tolist() == [6, 4, 4, 4]


def test_what_numpy_computed_is_counted_with_the_reason(numbers):
    with dispatch.watching(compute=True) as seen:
        x = accel.asarray(numbers(200, 200))
        np.sort(x), np.sort(x)
        np.reshape(x, -1), x.T, x[3]
        np.matmul(x, x, axes=[(0, 1), (0, 1), (0, 1)])
    assert seen.fallbacks == {
        ("sort", "there is no kernel of it"): 2,
        ("matmul", "of the keyword axes"): 1,
    }


def test_under_numpy_all_is_numpys_own(numbers, in_parts):
    x = accel.asarray(numbers(300, 300))
    with accel.use("numpy"), dispatch.watching(compute=True) as seen:
        result = np.exp(x) + x @ x
        result.sum(), np.sort(result), np.maximum(result, 0)
    assert seen.choices == [] and seen.fallbacks == {}
    plain = numbers(300, 300)
    np.testing.assert_array_equal(np.asarray(result), np.exp(plain) + plain @ plain)


def test_the_policy_holds_in_its_block_and_task_alone(numbers):
    x = accel.asarray(numbers(200, 200))

    async def product(policy):
        with accel.use(policy), dispatch.watching(compute=True) as seen:
            await asyncio.sleep(0)
            x @ x
        return [choice.backend for choice in seen.choices]

    async def both():
        return await asyncio.gather(product("numba"), product("numba-threads"), product("numpy"))

    assert asyncio.run(both()) == [["numba"], ["numba-threads"], []]


def test_two_results_are_written_where_they_are_asked_for():
    x, q, r = (accel.asarray(np.arange(1.0, 9)) for _ in range(3))
    assert np.divmod(x, 3, out=(q, r))[1] is r
    np.testing.assert_array_equal(q, [0, 0, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(r, [1, 2, 0, 1, 2, 0, 1, 2])
