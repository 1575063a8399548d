"""attention beyond the edge cases of the registry: any shape, borders, memory, diagonal."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, kernel, ladder, operation
from accel.kernels.attention.strips import host_tile, room_for
from accel.timing.memory import account

NAMES = ("attention", "attention_causal")
DTYPES = ("float32", "float64")
STEPS = [pytest.param(step, id=f"{name}.{step.name}") for name in NAMES for step in ladder(name)]
TILED = [step for name in NAMES for step in ladder(name) if step.name == "tiled"]
unhurried = settings(deadline=None, max_examples=30)


def run(step, q, k, v):
    """Return what a kernel makes of arrays, as an array."""
    out = np.full((*q.shape[:2], v.shape[2]), np.nan, q.dtype)
    own = step.adapt(q, k, v, out) if step.adapt else (q, k, v, out)
    step.function(*own)
    return np.asarray(own[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_is_right_on_every_edge_case(step, dtype):
    assert check(step.function, step.operation, dtype=dtype, adapt=step.adapt) == []


@pytest.mark.parametrize("step", TILED, ids=lambda step: f"{step.operation}.{step.name}")
@pytest.mark.parametrize("dtype", DTYPES)
@unhurried
@given(
    heads=st.integers(1, 3),
    n=st.integers(1, 70),
    d=st.integers(1, 70),
    keys=st.integers(1, 300),
    width=st.integers(1, 70),
)
def test_any_shape_stays_within_its_roundings(step, dtype, heads, n, d, keys, width):
    arguments = operation(step.operation).inputs(heads, n, d, keys, width, dtype)
    step.function(*arguments)
    expected, tolerance = operation(step.operation).oracle(*arguments)
    assert difference(arguments[-1], expected, tolerance) is None


@pytest.mark.parametrize("name", NAMES)
def test_all_cores_give_what_one_gives(name):
    one, every = (operation(name).inputs(3, 200, 40, 210) for _ in range(2))
    kernel(name, "tiled").function(*one)
    kernel(name, "threads").function(*every)
    np.testing.assert_array_equal(one[-1], every[-1])


def bordered(shape, dtype, seed):
    """Return an array amid NaN, and the whole of it."""
    size, border = int(np.prod(shape)), 64
    host = np.full(size + 2 * border, np.nan, dtype)
    inner = host[border : border + size].reshape(shape)
    inner[...] = np.random.default_rng(seed).standard_normal(shape)
    return inner, host


@pytest.mark.parametrize("step", TILED, ids=lambda step: f"{step.operation}.{step.name}")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "keys", "d", "width"),
    [
        (1, 1, 1, 1),
        (3, 7, 5, 9),
        (33, 129, 17, 15),
        (40, 131, 8, 33),
        (127, 127, 40, 40),
        (16, 8, 16, 48),
    ],
)
def test_nothing_beyond_an_array_is_read_or_written(step, dtype, n, keys, d, width):
    q, _ = bordered((2, n, d), dtype, 1)
    k, _ = bordered((2, keys, d), dtype, 2)
    v, _ = bordered((2, keys, width), dtype, 3)
    out, host = bordered((2, n, width), dtype, 4)
    step.function(q, k, v, out)
    expected, tolerance = operation(step.operation).oracle(q, k, v, out)
    assert difference(out, expected, tolerance) is None
    assert np.isnan(host[:64]).all() and np.isnan(host[-64:]).all()


@pytest.mark.parametrize("step", STEPS)
def test_large_scores_do_not_overflow(step):
    q = np.full((1, 3, 2), 1e4, "float32")
    k = np.array([[[1e4, 0.0], [1e4, 0.0], [-1e4, 0.0]]], "float32")
    v = np.array([[[1.0], [1.0], [8.0]]], "float32")
    np.testing.assert_array_equal(run(step, q, k, v), np.ones((1, 3, 1)))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("place", [0, 1, 17, 40, 199])
def test_a_key_with_score_minus_infinity_has_no_weight(step, place):
    q, k, v, _ = operation("attention").inputs(1, 201, 3)
    q[..., 0] = 1
    k[0, place, 0] = -np.inf
    without = (slice(None), np.arange(201) != place)
    got = run(step, q, k, v)
    shown = operation("attention").oracle(q[:, -1:], k[without], v[without], q[:, -1:])
    assert difference(got[:, -1:], *shown) is None


@pytest.mark.parametrize("step", STEPS)
def test_a_query_that_sees_nothing_but_minus_infinity_is_nan_and_no_other(step):
    q, k, v, _ = operation("attention").inputs(1, 20, 3)
    k[0, 0] = (-np.inf, 0, 0)
    q[..., 0] = np.arange(1, 21)
    k[0, 1:, 0] = -np.inf if step.operation == "attention" else 0
    got = run(step, q, k, v)
    hidden = slice(None) if step.operation == "attention" else slice(1)
    assert np.isnan(got[0, hidden]).all()
    assert np.isfinite(got[0, 1:]).all() == (step.operation == "attention_causal")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_makes_its_row_nan_and_no_other(step, value):
    q, k, v, _ = operation("attention").inputs(1, 40, 3)
    k[...] = np.abs(k)
    q[0, 35] = value
    got = run(step, q, k, v)
    assert np.isnan(got[0, 35]).all()
    assert np.isfinite(np.delete(got[0], 35, axis=0)).all()


@pytest.mark.parametrize("step", ladder("attention_causal"), ids=lambda step: step.name)
def test_what_comes_later_changes_nothing(step):
    q, k, v, _ = operation("attention").inputs(1, 150, 5)
    before = run(step, q, k, v)
    k[0, 77:] *= 50
    v[0, 77:] *= 50
    np.testing.assert_array_equal(run(step, q, k, v)[0, :77], before[0, :77])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", ["online", "tiled", "threads"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda q, k, v, out: (q, k[:1], v, out), "equally many heads"),
        (lambda q, k, v, out: (q, k[..., :3], v, out), "k must be as deep as q"),
        (lambda q, k, v, out: (q[..., :0], k[..., :0], v, out), "not of depth 0"),
        (lambda q, k, v, out: (q, k[:, :4], v, out), "v must have as many rows as k"),
        (lambda q, k, v, out: (q, k[:, :0], v[:, :0], out), "and not none"),
        (lambda q, k, v, out: (q, k, v, out[:, :2]), "out must have the rows of q"),
        (lambda q, k, v, out: (q, k, v, out[..., :2]), "and the width of v"),
    ],
)
def test_compiled_kernels_refuse_shapes_that_do_not_fit(name, step, change, words):
    arguments = change(*operation(name).inputs(2, 5, 4))
    with pytest.raises(ValueError, match=f"^attention: .*{words}"):
        kernel(name, step).function(*map(np.ascontiguousarray, arguments))


@pytest.mark.parametrize("name", NAMES)
def test_the_tiled_kernel_needs_no_memory_that_grows_with_the_length(name):
    function = kernel(name, "tiled").function
    few, many = (operation(name).inputs(1, n, 16) for n in (256, 4096))
    function(*few)
    scores = 4 * 4096 * 4096
    assert room_bytes(many) == room_bytes(few)
    grown = account(function, many)["resident_growth_bytes"]
    assert grown is None or grown < scores / 16


def room_bytes(arguments):
    q, _, v, _ = arguments
    return sum(
        part.nbytes
        for part in room_for(host_tile(q.dtype.name), q.dtype, q.shape[2], v.shape[1], v.shape[2])
    )


def test_the_materialised_steps_hold_their_scores():
    arguments = operation("attention").inputs(3, 100, 8)
    scores = 4 * 100 * 100
    all_heads = account(kernel("attention", "numpy").function, arguments)["peak_alloc_bytes"]
    one_head = account(kernel("attention", "numpy_out").function, arguments)["peak_alloc_bytes"]
    assert 3 * scores <= all_heads
    assert scores <= one_head < 2 * scores


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_the_arrays_that_the_kernels_name(name):
    expected = list(inspect.signature(operation(name).oracle).parameters)
    for step in ladder(name):
        function = getattr(step.function, "py_func", step.function)
        assert list(inspect.signature(function).parameters) == expected


def test_causal_flops_count_the_pairs_that_see_each_other():
    for n, keys in [(0, 0), (1, 1), (5, 5), (3, 8), (8, 3)]:
        pairs = sum(min(i + 1, keys) for i in range(n))
        assert operation("attention_causal").flops(2, n, 4, keys, 6) == 2 * 2 * pairs * (4 + 6)


def test_inputs_refuse_values_they_do_not_know():
    with pytest.raises(ValueError, match='values must be "normal" or "special"'):
        operation("attention").inputs(1, 2, 3, values="odd")


def test_sizes_give_about_the_bytes_asked_for():
    op = operation("attention")
    for working_set in (2**16, 2**20, 2**26):
        assert 0.5 < op.compulsory_bytes(**op.sizes(working_set)) / working_set <= 1.5
