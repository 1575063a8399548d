"""NumPy calls that kernels compute: which one is asked, and the right answer."""

import numpy as np
import pytest

import accel
from accel.backend import dispatch

sliding = np.lib.stride_tricks.sliding_window_view


def asked(function, *args, policy="numba"):
    """Return the result for `Array`, and the operations that were asked for."""
    own = [accel.asarray(x) if isinstance(x, np.ndarray) else x for x in args]
    with accel.use(policy), dispatch.watching(compute=True) as seen:
        result = function(*own)
    return result, [choice.operation for choice in seen.choices], dict(seen.fallbacks)


def exact(function, *args):
    """Return the result in float64."""
    return function(*[x.astype("float64") if isinstance(x, np.ndarray) else x for x in args])


def assert_close(got, expected, length=1, scale=1.0):
    """Compare with float64: an error of a few roundings, which add up over `length` terms."""
    assert got.shape == np.shape(expected)
    unit = np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0
    allowed = unit * (8 + 2 * np.sqrt(length)) * np.maximum(np.abs(expected), scale)
    assert (np.abs(np.asarray(got, "float64") - expected) <= allowed).all()


PRODUCTS = {
    "matrices": (np.matmul, [(200, 150), (150, 100)], "matmul"),
    "a transposed left": (lambda a, b: a.T @ b, [(150, 200), (150, 100)], "matmul"),
    "a transposed right": (lambda a, b: a @ b.T, [(200, 150), (100, 150)], "matmul"),
    "every other row": (lambda a, b: a[::2] @ b, [(200, 150), (150, 100)], "matmul"),
    "dot": (np.dot, [(200, 150), (150, 100)], "matmul"),
    "the method dot": (lambda a, b: a.dot(b), [(200, 150), (150, 100)], "matmul"),
    "stacks": (np.matmul, [(8, 64, 50), (8, 50, 60)], "matmul_batched"),
    "a stack transposed": (
        lambda a, b: a @ b.swapaxes(1, 2), [(8, 64, 50), (8, 60, 50)], "matmul_batched",
    ),
    "stacks broadcast": (np.matmul, [(4, 1, 64, 50), (3, 50, 60)], "matmul_batched"),
    "a stack and a matrix": (np.matmul, [(8, 64, 50), (50, 60)], "matmul"),
    "a matrix and a vector": (np.matmul, [(500, 400), (400,)], "matvec"),
    "a vector and a matrix": (np.matmul, [(400,), (400, 500)], "matvec"),
    "tensordot": (lambda a, b: np.tensordot(a, b, 1), [(20, 10, 150), (150, 100)], "matmul"),
    "tensordot of two axes": (
        lambda a, b: np.tensordot(a, b, ((2, 0), (0, 2))), [(15, 80, 10), (10, 90, 15)], "matmul",
    ),
    "einsum": (lambda a, b: np.einsum("ij,jk->ki", a, b), [(200, 150), (150, 100)], "matmul"),
    "einsum without arrow": (lambda a, b: np.einsum("ij,jk", a, b), [(90, 80), (80, 70)], "matmul"),
    "einsum of a stack": (
        lambda a, b: np.einsum("bid,bjd->bij", a, b), [(8, 64, 50), (8, 60, 50)], "matmul_batched",
    ),
    "einsum of heads": (
        lambda a, b: np.einsum("bihd,bjhd->bhij", a, b),
        [(2, 40, 4, 50), (2, 30, 4, 50)],
        "matmul_batched",
    ),
    "einsum with optimize": (
        lambda a, b: np.einsum("ij,jk->ik", a, b, optimize=True), [(90, 80), (80, 70)], "matmul",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("float64", marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("function, shapes, operation", PRODUCTS.values(), ids=PRODUCTS)
def test_products_are_a_kernels(function, shapes, operation, dtype, numbers):
    args = [numbers(*shape, dtype=dtype) for shape in shapes]
    got, operations, fallbacks = asked(function, *args)
    assert set(operations) == {operation} and fallbacks == {}
    assert type(got) is accel.Array and got.dtype == dtype
    assert_close(got, exact(function, *args), 400, scale=20)


def test_products_of_integers_are_a_kernels_and_exact():
    a = np.random.default_rng(0).integers(-(2**62), 2**62, (70, 60))
    got, operations, _ = asked(np.matmul, a, a.T)
    assert operations == ["matmul"]
    np.testing.assert_array_equal(np.asarray(got), a @ a.T)


def test_a_product_is_written_where_it_is_told_to_even_over_its_operand(numbers):
    a = accel.asarray(numbers(100, 100))
    expected = exact(np.matmul, numbers(100, 100), numbers(100, 100))
    with accel.use("numba"):
        assert np.matmul(a, a, out=a) is a
    assert_close(a, expected, 100, scale=10)


@pytest.mark.parametrize(
    "left, right",
    [((3, 4), (3, 4)), ((2, 3, 4), (3, 4, 5)), ((), (3, 3)), ((90, 80), (90, 80)), ((0,), (1,))],
)
def test_products_that_numpy_refuses_are_refused_in_its_words(left, right, numbers):
    a, b = numbers(*left, dtype="float64"), numbers(*right, dtype="float64")
    with pytest.raises(ValueError) as numpys:
        np.matmul(a, b)
    with pytest.raises(ValueError) as ours, accel.use("numba"):
        np.matmul(accel.asarray(a), accel.asarray(b))
    assert str(ours.value) == str(numpys.value)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (5, 3, 0)])
def test_empty_products_are_numpys(shape, numbers):
    m, k, n = shape
    got = accel.asarray(numbers(m, k)) @ accel.asarray(numbers(k, n))
    np.testing.assert_array_equal(np.asarray(got), numbers(m, k) @ numbers(k, n))


def test_a_sum_over_everything_is_a_number_where_numpy_makes_one(numbers):
    a = numbers(60, 50)
    got, operations, _ = asked(lambda a: np.einsum("ij,ij->", a, a), a)
    assert operations and type(got) is np.float32
    got, _, _ = asked(lambda a: np.tensordot(a, a, 2), a)
    assert type(got) is accel.Array and got.shape == ()


EINSUMS = ["ii->i", "ij->i", "ij,ij->ij", "ij,jk,kl->il", "...ij,jk->...ik", "ij,kl->il", "ij,j"]


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_other_sums_of_products_are_numpys(subscripts, numbers):
    count = subscripts.split("->")[0].count(",") + 1
    args = [numbers(40, 40) for _ in range(count)]
    if subscripts == "ij,j":
        args[1] = args[1][0]
    got = np.einsum(subscripts, *[accel.asarray(x) for x in args])
    expected = np.einsum(subscripts, *[x.astype("float64") for x in args])
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-3, atol=1e-3)


def test_what_einsum_refuses_is_refused(numbers):
    x = accel.asarray(numbers(40, 40))
    for subscripts in ("ij,jk->il", "ijk,jk->i", "ij,jk->ii"):
        with pytest.raises(ValueError):
            np.einsum(subscripts, x, x)


CONVOLUTIONS = {
    "einsum": lambda w, f: np.einsum("nchwij,kcij->nkhw", w, f, optimize=True),
    "einsum with filters first": lambda w, f: np.einsum("kcij,nchwij->nkhw", f, w),
    "einsum in another order": lambda w, f: np.einsum("nchwij,kcij->hwkn", w, f),
    "tensordot": lambda w, f: np.tensordot(w, f, ((1, 4, 5), (1, 2, 3))),
    "tensordot with filters first": lambda w, f: np.tensordot(f, w, ((1, 2, 3), (1, 4, 5))),
}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("window", [(3, 3), (2, 5), (1, 3)])
@pytest.mark.parametrize("convolve", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_sums_over_windows_are_convolutions(convolve, window, stride, numbers):
    x, f = numbers(2, 4, 29, 33), numbers(8, 4, *window)

    def whole(x, f):
        return convolve(sliding(x, window, axis=(2, 3))[:, :, ::stride, ::stride], f)

    got, operations, fallbacks = asked(whole, x, f)
    assert operations == ["conv2d"] and fallbacks == {}
    assert_close(got, exact(whole, x, f), 4 * window[0] * window[1], scale=40)


def test_windows_of_images_with_channels_last_are_convolutions(numbers):
    def whole(x, f):
        return np.einsum("nhwcij,ijck->nhwk", sliding(x, (3, 3), axis=(1, 2)), f)

    x, f = numbers(2, 19, 23, 4), numbers(3, 3, 4, 6)
    got, operations, _ = asked(whole, x, f)
    assert operations == ["conv2d"]
    assert_close(got, exact(whole, x, f), 36, scale=40)


def test_patches_are_convolutions_that_step_over_them(numbers):
    def whole(x, f):
        n, c, height, width = x.shape
        patches = x.reshape(n, c, height // 4, 4, width // 4, 4)
        return np.einsum("nchiwj,kcij->nhwk", patches, f)

    x, f = numbers(2, 3, 32, 32), numbers(10, 3, 4, 4)
    got, operations, _ = asked(whole, x, f)
    assert operations == ["conv2d"]
    assert_close(got, exact(whole, x, f), 48, scale=40)


def test_six_axes_that_are_no_windows_are_a_product(numbers):
    def whole(x, f):
        return np.einsum("nchwij,kcij->nkhw", x, f)

    x, f = numbers(2, 4, 8, 19, 3, 3), numbers(6, 4, 3, 3)
    got, operations, _ = asked(whole, x, f)
    assert operations == ["matmul"]
    assert_close(got, exact(whole, x, f), 36, scale=40)


def test_what_numpy_alone_was_asked_for_is_not_remembered_as_short(numbers):
    """A policy that leaves all to NumPy says nothing about what the others would do."""

    def whole(x):
        return x.reshape(2, 8, 16, 2, 20, 2).max(axis=(3, 5))

    x = numbers(2, 8, 32, 40)
    with accel.use("numpy"):
        whole(accel.asarray(x))
    _, operations, _ = asked(whole, x, policy="auto")
    assert operations == ["max_pool2d"]


@pytest.mark.parametrize("size", [2, 3])
def test_a_maximum_over_split_axes_is_pooling(size, numbers):
    def whole(x):
        n, c, height, width = x.shape
        return x.reshape(n, c, height // size, size, width // size, size).max(axis=(3, 5))

    x = numbers(2, 8, 24, 36)
    x[0, 0, 0, 0] = np.nan
    got, operations, _ = asked(whole, x)
    assert operations == ["max_pool2d"]
    np.testing.assert_array_equal(np.asarray(got), whole(x))


WHOLE = {
    "sum": (np.sum, "sum"), "max": (np.max, "max"), "argmax": (np.argmax, "argmax"),
    "mean": (np.mean, "sum"), "var": (np.var, "mean_variance"), "std": (np.std, "mean_variance"),
    "cumsum": (np.cumsum, "prefix_sum"), "exp": (np.exp, "exp"),
    "relu": (lambda x: np.maximum(x, 0), "relu"),
    "relu backwards": (lambda x: np.maximum(0.0, x), "relu"),
    "the method sum": (lambda x: x.sum(), "sum"), "the method max": (lambda x: x.max(), "max"),
    "the method mean": (lambda x: x.mean(), "sum"),
    "the method var": (lambda x: x.var(ddof=1), "mean_variance"),
    "sum that keeps dims": (lambda x: x.sum(keepdims=True), "sum"),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["auto", "numba", "numba-threads"])
@pytest.mark.parametrize("function, operation", WHOLE.values(), ids=WHOLE)
def test_whole_arrays_are_a_kernels(function, operation, policy, numbers):
    x = numbers(800, 700)
    got, operations, fallbacks = asked(function, x, policy=policy)
    assert operation in operations and fallbacks == {}
    expected = exact(function, x)
    assert got.dtype == function(x).dtype
    assert_close(got, expected, x.size, scale=10)


def test_under_python_loops_of_the_interpreter_compute(numbers):
    x = numbers(9, 8)
    got, operations, fallbacks = asked(lambda x: np.maximum(x, 0) @ x.T + 1, x, policy="python")
    assert operations == ["relu", "matmul"]
    assert fallbacks == {}
    assert_close(got, exact(lambda x: np.maximum(x, 0) @ x.T + 1, x), 8, scale=10)


def test_under_python_long_loops_are_said_to_be_numpys(numbers):
    _, operations, fallbacks = asked(lambda x: x + 1, numbers(1 << 20), policy="python")
    assert operations == [] and fallbacks == {("add", "python has no kernel of it"): 1}


def test_rows_of_a_table_are_an_embedding(numbers):
    table, rows = numbers(500, 64), np.random.default_rng(0).integers(0, 500, (20, 30))
    for take in (lambda t, i: np.take(t, i, axis=0), lambda t, i: t.take(i, axis=0)):
        got, operations, _ = asked(take, table, rows)
        assert operations == ["embedding"]
        np.testing.assert_array_equal(np.asarray(got), table[rows])


def test_negative_indices_and_missing_rows_are_numpys(numbers):
    table, rows = numbers(500, 64), np.arange(-400, 400)
    got, _, fallbacks = asked(lambda t, i: np.take(t, i, axis=0), table, rows)
    np.testing.assert_array_equal(np.asarray(got), table[rows])
    assert fallbacks == {("take", "an index is negative, or there is no such row"): 1}
    with pytest.raises(IndexError):
        np.take(accel.asarray(table), rows + 200, axis=0)


@pytest.mark.parametrize(
    "shape, axes, operation",
    [
        ((300, 200), (1, 0), "transpose"),
        ((2, 16, 30, 40), (0, 2, 3, 1), "nchw_to_nhwc"),
        ((2, 30, 40, 16), (0, 3, 1, 2), "nhwc_to_nchw"),
    ],
)
def test_a_copy_of_a_transposed_array_is_a_kernels(shape, axes, operation, numbers):
    x = numbers(*shape)
    got, operations, _ = asked(lambda x: x.transpose(axes).copy(), x)
    assert operations == [operation]
    np.testing.assert_array_equal(np.asarray(got), x.transpose(axes))
    assert got.flags.c_contiguous and not np.shares_memory(got, x)


@pytest.mark.parametrize("exponent", [3, 4, 3.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_are_products_as_near_as_said(exponent, dtype, in_parts):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(100_000) * 10.0 ** rng.integers(-9, 9, 100_000)).astype(dtype)
    with np.errstate(all="ignore"):
        got = np.asarray(accel.asarray(x) ** exponent)
        expected = x.astype(np.longdouble) ** int(exponent)
        unit = np.spacing(np.abs(expected).astype(dtype)).astype(np.longdouble)
        finite = np.isfinite(expected.astype(dtype))
        assert (np.isfinite(got) == finite).all()
        units = np.abs(got[finite] - expected[finite]) / unit[finite]
    assert units.max() <= (2.5 if exponent == 4 else 1.5)


def test_powers_of_transposed_arrays_and_in_place_are_right(in_parts, numbers):
    x = numbers(30, 40)
    np.testing.assert_allclose(np.asarray(accel.asarray(x).T ** 3), x.T**3, rtol=1e-6)
    y = accel.asarray(x.copy())
    y **= 3
    np.testing.assert_allclose(np.asarray(y), x**3, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_results_that_are_not_finite_are_numpys(numbers):
    x = numbers(700_000)
    x[17] = np.inf
    for function in (np.sum, np.cumsum, np.exp, np.max, np.var):
        got, _, _ = asked(function, x)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(np.asarray(got), function(x), rtol=1e-5)


def test_a_backend_that_cannot_leaves_it_to_numpy(numbers, monkeypatch):
    from accel.backend.ladder_backends import NumbaBackend

    monkeypatch.setattr(NumbaBackend, "supports", lambda self, call: "it is Sunday")
    x = numbers(117, 119)
    with accel.use("numba"), dispatch.watching(compute=True) as seen:
        got = accel.asarray(x) @ x.T
    np.testing.assert_allclose(np.asarray(got), x @ x.T, rtol=1e-4, atol=1e-4)
    ((function, why),) = seen.fallbacks
    assert function == "matmul" and "it is Sunday" in why
