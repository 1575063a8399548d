"""NumPy's inner loops on the threads of parallel kernels: NumPy's results, and its errors."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.arrays import errors, inner_loops, loops
from accel.arrays.inner_loops import inner_loop

pytestmark = pytest.mark.skipif(
    inner_loop(np.add, [np.ones(1, "float32")] * 2) is None,
    reason="NumPy's inner loops cannot be called here",
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(inner_loops, "GRAIN", 1)


def computed(ufunc, *inputs, parts=3):
    """Return what a loop computes in parts, and the bits of errors."""
    loop = inner_loop(ufunc, inputs)
    operands = loop.taken(inputs, None)
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    out = np.empty(shape, loop.dtypes[-1])
    met = loop.run([*operands, out], parts)
    return out, met


def number(dtype):
    rng = np.random.default_rng(7)
    kinds = {"b": [0, 1], "c": rng.standard_normal(999) * 1j, "f": rng.standard_normal(999)}
    return np.resize(kinds.get(np.dtype(dtype).kind, np.arange(1, 100)), 999).astype(dtype)


@pytest.mark.parametrize("dtype", "? i1 u4 i8 f2 f4 f8 c8 c16".split())
@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.less], ids=str)
def test_two_arrays_give_what_numpy_gives_bit_for_bit(ufunc, dtype):
    x, y = number(dtype), number(dtype)[::-1].copy()
    got, met = computed(ufunc, x, y)
    expected = ufunc(x, y)
    assert got.dtype == expected.dtype and got.tobytes() == expected.tobytes() and met == 0


@pytest.mark.parametrize("ufunc", [np.tanh, np.sqrt, np.sin, np.negative, np.isnan], ids=str)
def test_functions_of_one_array_too(ufunc):
    x = np.abs(number("f4"))
    assert computed(ufunc, x)[0].tobytes() == ufunc(x).tobytes()


@st.composite
def broadcast_pairs(draw):
    """Draw two arrays of up to four dimensions that broadcast, of any strides, and the parts."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    pair = []
    for _ in range(2):
        begin = draw(st.integers(0, len(shape)))
        own = [draw(st.sampled_from([n, n, 1])) for n in shape[begin:]]
        steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in own]
        order = draw(st.permutations(range(len(own))))
        room = np.zeros([own[axis] * abs(steps[axis]) for axis in order])
        room.flat = np.arange(room.size) + 0.5
        turned = room.transpose(np.argsort(order)) if own else room
        pair.append(turned[tuple(slice(None, None, step) for step in steps)])
    return (*pair, draw(st.integers(1, 7)))


@given(broadcast_pairs())
def test_all_shapes_and_strides_that_broadcast(pair):
    x, y, parts = pair
    got, _ = computed(np.subtract, x, y, parts=parts)
    np.testing.assert_array_equal(got, np.subtract(x, y))


@pytest.mark.parametrize("number", [2, 0.1, np.float32(3), -1.5])
def test_numbers_take_the_type_that_numpy_gives_them(number):
    x = np.linspace(1, 2, 100, dtype="float32")
    expected = x * number
    got, _ = computed(np.multiply, x, number)
    assert got.dtype == expected.dtype and got.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "inputs",
    [
        (np.ones(9, "f4"), np.ones(9, "f8")),
        (np.ones(9, "f4"), np.float64(2)),
        (np.ones(9, ">f4"), 2.0),
        (np.ones(9, "f4"), 1e300),
        (np.ones(9, "u1"), 300),
        (np.frombuffer(bytes(37), "f4", 9, 1), 2.0),
    ],
    ids="promotion scalar swapped infinite unfit unaligned".split(),
)
def test_what_must_be_converted_first_is_not_taken(inputs):
    loop = inner_loop(np.add, inputs)
    assert loop is None or loop.taken(inputs, None) is None


def test_a_result_of_another_type_is_not_taken():
    x = np.ones(9, "f4")
    loop = inner_loop(np.add, [x, x])
    assert loop.taken([x, x], (np.empty(9, "f8"),)) is None
    assert loop.taken([x, x], (np.empty(9, "f4"),)) is not None


@pytest.mark.parametrize(
    "ufunc, inputs",
    [
        (np.power, (np.arange(9), np.arange(9))),
        (np.add, (np.array(["a"]), np.array(["b"]))),
        (np.add, (np.array([{}]), np.array([{}]))),
        (np.divmod, (np.arange(9), 2)),
        (np.frompyfunc(lambda x: x, 1, 1), (np.arange(9),)),
        (np.add, (np.array(["2020"], "M8[D]"), np.array([1.5]))),
    ],
    ids="raises text objects two-results foreign impossible".split(),
)
def test_there_is_no_loop_of_what_needs_the_interpreter(ufunc, inputs):
    assert inner_loop(ufunc, inputs) is None


def test_another_numpy_has_none(monkeypatch):
    monkeypatch.setattr(inner_loops, "CAPSULE", b"numpy_9.9_ufunc_call_info")
    monkeypatch.setattr(inner_loops, "_known", {})
    assert inner_loop(np.add, [np.ones(3)] * 2) is None


ERRORS = {
    "divide by zero": (np.divide, (1.0, 0.0), 1),
    "overflow": (np.multiply, (1e30, 1e30), 2),
    "underflow": (np.multiply, (1e-30, 1e-30), 4),
    "invalid value": (np.subtract, (np.inf, np.inf), 8),
    "invalid and divide": (np.divide, ([0.0, 1.0], 0.0), 9),
}


@pytest.mark.parametrize("ufunc, values, bits", ERRORS.values(), ids=ERRORS)
def test_errors_that_any_part_met_are_told(ufunc, values, bits):
    x, y = [np.ones(100, "f4") for _ in values]
    x[70:72], y[70:72] = values
    assert computed(ufunc, x, y, parts=4)[1] == bits


def test_integers_divided_by_zero_are_told():
    assert computed(np.floor_divide, np.arange(9), np.zeros(9, int))[1] == 1


def test_told_errors_are_numpys_warnings_or_exceptions():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        errors.tell("divide", 9)
        errors.tell("divide", 0)
    assert [str(each.message) for each in caught] == [
        "divide by zero encountered in divide", "invalid value encountered in divide",
    ]  # fmt: skip
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow .* in add"):
        errors.tell("add", 2)


def test_arrays_long_enough_are_shared_so(monkeypatch, numbers):
    """And the same array as argument and result too, as in place."""
    monkeypatch.setattr(loops, "WORTH_WAKING_NS", 0)
    monkeypatch.setattr(loops.chunks, "cores", lambda policy: 2)
    ran = []
    run = inner_loops.InnerLoop.run
    monkeypatch.setattr(
        inner_loops.InnerLoop, "run", lambda self, *args: ran.append(args) or run(self, *args)
    )
    x, y = numbers(300, 2000), numbers(2000)
    mine = accel.asarray(x.copy())
    with accel.use("auto"):
        got = mine / y
        mine -= y
    assert len(ran) == 2
    np.testing.assert_array_equal(got, x / y)
    np.testing.assert_array_equal(mine, x - y)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 9, 127, 128, 129, 1000])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8"])
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum"])
def test_rows_are_reduced_as_numpy_does_bit_for_bit(name, dtype, width, in_parts):
    ufunc = getattr(np, name)
    x = np.resize(number(dtype), (2, 11, width))
    x[0, 3], x[1, 5] = -0.0, 0.0
    for keepdims in (False, True):
        with accel.use("auto"):
            got = ufunc.reduce(accel.asarray(x), axis=-1, keepdims=keepdims)
        expected = ufunc.reduce(x, axis=-1, keepdims=keepdims)
        assert got.shape == expected.shape and got.tobytes() == expected.tobytes()


def test_a_row_that_overflows_is_told_as_numpy_tells_it(in_parts):
    x = np.full((9, 9), 3e38, "f4")
    with accel.use("auto"), pytest.warns(RuntimeWarning, match="^overflow encountered in reduce$"):
        assert np.isinf(accel.asarray(x).sum(axis=-1)).all()


FORKED = """
import os, numba, numpy as np, accel
from accel.arrays import inner_loops, loops
loops.WORTH_WAKING_NS = 0
x = np.random.default_rng(0).standard_normal((1500, 1500)).astype("f4")
def computed():
    mine = accel.asarray(x)
    return np.asarray(np.maximum(mine @ mine, 0) / 3)
with accel.use("numba-threads"):
    accel.relu(x)
here = computed()
if os.fork():
    _, status = os.wait()
    assert status == 0, status
else:
    assert np.abs(computed() - here).max() < 1e-3
    try:
        with accel.use("numba-threads"):
            accel.relu(x)
    except accel.BackendError as error:
        print(error)
    assert inner_loops.inner_loop(np.add, [x, x]) is None or numba.threading_layer() != "omp"
    print("child ends")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_computes_on_one_core_where_the_threads_are_lost():
    """GNU's OpenMP ends a forked process that asks for threads which only its parent has."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "child ends" in done.stdout
