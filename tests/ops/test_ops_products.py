"""matmul, matvec and linear to call: any arrays, NumPy's dimensions, errors in words."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel

few = settings(deadline=None, max_examples=40)  # the first call compiles
DTYPES = ("float32", "float64", "int64")


def whole(shape, dtype="float32", seed=1):
    """Whole numbers whose products every type holds exactly."""
    return np.random.default_rng([seed, *shape]).integers(-8, 9, shape).astype(dtype)


#: Ways to give the same numbers in another form.
FORMS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "list": lambda x: x,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "strided": lambda x: np.repeat(x, 3, axis=-1)[..., ::3],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "misaligned": lambda x: (
        np.frombuffer(b"\0" + x.tobytes(), "u1")[1:].view(x.dtype).reshape(x.shape)
    ),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (7, 4, 5)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 5)),
        ((6, 2, 3, 4), (6, 2, 4, 1)),
        ((0, 3, 4), (4, 5)),
        ((0, 3, 4), (0, 4, 5)),
        ((3, 0), (0, 5)),
        ((0, 4), (4, 0)),
        ((0,), (0,)),
        ((2, 0, 4), (2, 4, 5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dimensions_mean_what_they_mean_to_numpy(a, b, dtype):
    a, b = whole(a, dtype), whole(b, dtype, seed=2)
    got, expected = accel.matmul(a, b), np.matmul(a, b)
    np.testing.assert_array_equal(got, expected, strict=np.ndim(expected) > 0)
    assert got.dtype == dtype


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [0, 1])
def test_any_form_of_an_operand_gives_the_same_product(form, which):
    operands = [whole((33, 34)), whole((34, 35), seed=2)]
    expected = operands[0] @ operands[1]
    operands[which] = FORMS[form](operands[which])
    np.testing.assert_array_equal(accel.matmul(*operands), expected)


@few
@given(
    shape=st.tuples(*[st.integers(0, 40)] * 3),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    dtype=st.sampled_from(DTYPES),
    stack=st.integers(0, 3),
)
def test_any_shape_in_any_form_agrees_with_numpy(shape, forms, dtype, stack):
    m, k, n = shape
    lead = (stack,) * (stack > 0)
    a, b = whole((*lead, m, k), dtype), whole((k, n), dtype, seed=2)
    got = accel.matmul(FORMS[forms[0]](a), FORMS[forms[1]](b))
    np.testing.assert_array_equal(got, np.matmul(a, b))


@pytest.mark.parametrize(
    "out",
    [
        np.empty((4, 6), "f4"),
        np.empty((6, 4), "f4").T,
        np.empty((8, 12), "f4")[::2, ::2],
        np.empty((4, 6), "f4")[::-1],
        np.empty((4, 6), ">f4"),
    ],
    ids=["C", "F", "strided", "backwards", "big-endian"],
)
def test_any_out_takes_the_answer_and_comes_back(out):
    a, b = whole((4, 5)), whole((5, 6), seed=2)
    assert accel.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, a @ b)
    assert accel.linear(a, b.T, out=out) is out
    np.testing.assert_array_equal(out, a @ b)


def test_an_out_that_overlaps_an_operand_gets_the_same_answer():
    a, b = whole((9, 9)), whole((9, 9), seed=2)
    expected = a @ b
    left, right = a.copy(), b.copy()
    assert accel.matmul(left, b, out=left) is left
    accel.matmul(a, right, out=right.T)
    np.testing.assert_array_equal(left, expected)
    np.testing.assert_array_equal(right.T, expected)
    x = whole((9,))
    expected = a @ x
    accel.matvec(a, x, out=x)
    np.testing.assert_array_equal(x, expected)


def test_out_of_a_stack_with_vectors_has_no_axis_for_them():
    a, x = whole((2, 3, 4)), whole((4,))
    out = np.empty((2, 3), "float32")
    np.testing.assert_array_equal(accel.matmul(a, x, out=out), a @ x)
    np.testing.assert_array_equal(accel.matmul(x, a.transpose(0, 2, 1), out=out), a @ x)


A, B, V = np.ones((3, 4), "float32"), np.ones((4, 5), "float32"), np.ones(4, "float32")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.matmul(A, A), ValueError, r"matmul: b must have 4 rows as a has columns, got a \(3, 4\) and b \(3, 4\)"),
        (lambda: accel.matmul(A, np.float32(2)), ValueError, r"matmul: b must have 1 or more dimensions, got shape \(\)"),
        (lambda: accel.matmul(A, B.astype("f8")), TypeError, "matmul: b must be float32 as the first argument is, got float64"),
        (lambda: accel.matmul(A.astype("i4"), B), TypeError, "matmul: a must be float32, float64 or int64, got int32"),
        (lambda: accel.matmul(A.astype(object), B), TypeError, "matmul: a must be .* got object"),
        (lambda: accel.matmul(A > 0, B), TypeError, "matmul: a must be .* got bool"),
        (lambda: accel.matmul(np.ones((2, 3, 4), "f4"), np.ones((3, 4, 5), "f4")), ValueError, r"leading dimensions must be equal or 1, got \(2,\) for a and \(3,\) for b"),
        (lambda: accel.matmul(A, B, out=np.empty((3, 4), "f4")), ValueError, r"matmul: out must have shape \(3, 5\), got \(3, 4\)"),
        (lambda: accel.matmul(A, B, out=np.empty((3, 5))), TypeError, "matmul: out must be float32, got float64"),
        (lambda: accel.matmul(A, B, out=np.broadcast_to(V[:1], (3, 5))), ValueError, "matmul: out is read-only"),
        (lambda: accel.matvec(A, A), ValueError, r"matvec: x must have 1 dimension, got shape \(3, 4\)"),
        (lambda: accel.matvec(A, V[:3]), ValueError, r"matvec: x must have 4 elements as a has columns, got a \(3, 4\) and x \(3,\)"),
        (lambda: accel.matvec(V, V), ValueError, r"matvec: a must have 2 dimensions, got shape \(4,\)"),
        (lambda: accel.linear(A, B), ValueError, r"linear: x must end in 5 elements as weight has columns, got x \(3, 4\) and weight \(4, 5\)"),
        (lambda: accel.linear(A, A, V), ValueError, r"linear: bias must have 3 elements as weight has rows, got \(4,\)"),
        (lambda: accel.linear(A, A, activation="tanh"), ValueError, "linear: activation must be None, 'relu' or 'gelu', not 'tanh'"),
        (lambda: accel.linear(A.astype("i8"), A), TypeError, "linear: x must be float32 or float64, got int64"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_multiplied_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (5, 7), (129, 65), (4, 1000)], ids=str)
@pytest.mark.parametrize("form", ["C", "F", "strided", "backwards", "big-endian"])
def test_a_matrix_in_any_form_times_a_vector(shape, form, dtype):
    a, x = whole(shape, dtype), whole(shape[1:], dtype, seed=2)
    np.testing.assert_array_equal(accel.matvec(FORMS[form](a), x), a @ x)
    np.testing.assert_array_equal(accel.matvec(a, FORMS[form](x)), a @ x)


@pytest.mark.parametrize("activation", [None, "relu", "gelu"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (7,), (0, 7), (2, 0)], ids=str)
def test_a_layer_is_its_parts_one_after_the_other(shape, with_bias, activation):
    x, weight, bias = whole(shape), whole((9, shape[-1]), seed=2), whole((9,), seed=3)
    sums = x.astype("f8") @ weight.T + (bias if with_bias else 0)
    if activation == "relu":
        sums = np.maximum(sums, 0)
    elif activation == "gelu":
        sums = 0.5 * sums * (1 + np.tanh(np.sqrt(2 / np.pi) * (sums + 0.044715 * sums**3)))
    got = accel.linear(x, weight, bias if with_bias else None, activation)
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, sums, rtol=1e-6, atol=2e-5, strict=False)


def test_a_layer_spreads_nan_and_drops_what_is_below_zero():
    x, weight = np.array([[np.nan, 1], [np.inf, 1], [-np.inf, 1]], "f4"), np.ones((1, 2), "f4")
    got = accel.linear(x, weight, activation="relu")
    np.testing.assert_array_equal(got, [[np.nan], [np.inf], [0]])


def test_a_tall_stack_by_one_matrix_is_one_product(monkeypatch):
    from accel.ops import products

    asked = []
    real = products.kernel_for
    monkeypatch.setattr(
        products, "kernel_for", lambda op, dtype: asked.append(op) or real(op, dtype)
    )
    accel.matmul(whole((6, 3, 4)), whole((4, 5)))
    accel.matmul(whole((6, 3, 4)), whole((6, 4, 5)))
    assert asked == ["matmul", "matmul_batched"]


def test_shapes_beyond_32_bits_are_compared_as_they_are():
    depth = 2**31 + 9
    a = np.broadcast_to(np.float32(2), (3, depth))
    with pytest.raises(ValueError, match=re.escape(f"got a (3, {depth}) and b (2, 3)")):
        accel.matmul(a, np.ones((2, 3), "f4"))
