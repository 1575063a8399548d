"""accel.attention: any layout and leading dimensions, clear errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.agreement import difference
from accel.kernels import operation

NUMBERS = np.random.default_rng(1).standard_normal((3, 2, 6, 9, 8))
Q, K, V = NUMBERS


def expected(q, k, v, causal=False):
    """The oracle's answer, for any leading dimensions."""
    q, k, v = (np.ascontiguousarray(x, x.dtype.newbyteorder("=")) for x in (q, k, v))
    out = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    flat = [x.reshape(-1, *x.shape[-2:]) for x in (q, k, v, out)]
    answer, tolerance = operation("attention_causal" if causal else "attention").oracle(*flat)
    return answer.reshape(out.shape), tolerance.reshape(out.shape)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x.astype("float32"),
        lambda x: x[0, 0],
        lambda x: x[..., ::-1, :],
        lambda x: x[::-1, ::2, 1::2, ::3],
        lambda x: x.swapaxes(1, 2),
        lambda x: x.swapaxes(-1, -2),
        lambda x: x.astype(">f4"),
        np.asfortranarray,
    ],
    ids=["C", "float32", "matrix", "backwards", "strided", "heads inside", "T", "big-endian", "F"],
)
@pytest.mark.parametrize("causal", [False, True])
def test_any_layout_gives_the_same_answer(change, causal):
    q, k, v = map(change, NUMBERS)
    assert difference(accel.attention(q, k, v, causal=causal), *expected(q, k, v, causal)) is None


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_strides_give_the_same_answer(data):
    step = st.sampled_from([-2, -1, 1, 2, 3])
    cuts = [tuple(slice(None, None, data.draw(step)) for _ in range(2)) for _ in range(2)]
    depth, width = (slice(None, None, data.draw(step)) for _ in range(2))
    q, k, v = Q[0][:, cuts[0][0], depth], K[0][:, cuts[1][0], depth], V[0][:, cuts[1][0], width]
    out = np.empty((*q.shape[:-1], 2 * v.shape[-1]))[..., ::2]
    assert accel.attention(q, k, v, out=out) is out
    assert difference(out, *expected(q, k, v)) is None


def test_lists_and_read_only_arrays_are_understood():
    fixed = [x[0].copy() for x in NUMBERS]
    for x in fixed:
        x.flags.writeable = False
    right = expected(*fixed)
    assert difference(accel.attention(*fixed), *right) is None
    assert difference(accel.attention(*(x.tolist() for x in fixed)), *right) is None


def test_out_may_be_an_input():
    for place in range(3):
        arguments = [x.copy() for x in NUMBERS]
        out = arguments[place]
        assert accel.attention(*arguments, out=out) is out
        assert difference(out, *expected(Q, K, V)) is None


def test_scale_takes_the_place_of_the_root():
    got = accel.attention(Q, K, V, scale=0)
    np.testing.assert_allclose(got, np.broadcast_to(V.mean(axis=-2, keepdims=True), got.shape))
    usual = accel.attention(Q, K, V, scale=1 / np.sqrt(8))
    np.testing.assert_array_equal(usual, accel.attention(Q, K, V))


def test_keys_and_values_may_be_of_other_sizes():
    q, k, v = Q[..., :2, :], K, V[..., :3]
    got = accel.attention(q, k, v)
    assert got.shape == (2, 6, 2, 3)
    assert difference(got, *expected(q, k, v)) is None


@pytest.mark.parametrize("shape", [(0, 9, 8), (2, 0, 8)])
def test_nothing_to_do_is_done(shape):
    empty = np.empty(shape)
    keys = np.empty((shape[0], 4, 8))
    assert accel.attention(empty, keys, keys).shape == shape


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((Q[0, 0, 0], K, V), ValueError, r"q must have 2 or more dimensions, got shape \(8,\)"),
        ((Q, K[0], V), ValueError, r"k must have the leading dimensions of q, \(2, 6\), got shape"),
        ((Q, K, V[:1]), ValueError, r"v must have the leading dimensions of q"),
        (
            (Q, K[..., :5], V),
            ValueError,
            r"k must have the depth of q, 8, got shape \(2, 6, 9, 5\)",
        ),
        ((Q, K, V[..., :5, :]), ValueError, "v must have a row for each of 9 keys, got shape"),
        ((Q[..., :0], K[..., :0], V), ValueError, "q must have a depth of at least 1"),
        ((Q, K[..., :0, :], V[..., :0, :]), ValueError, "k must have at least one key"),
        ((Q, K.astype("f4"), V), TypeError, "k must be float64 as the first argument is"),
        ((Q.astype(int), K, V), TypeError, "q must be float32 or float64, got int64"),
        ((Q, K, V, False, "1"), TypeError, "scale must be a number, got str"),
        ((Q, K, V, False, None, Q[0]), ValueError, "out must have shape"),
        ((Q, K, V, False, None, Q.astype("f4")), TypeError, "out must be float64"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(arguments, error, words):
    with pytest.raises(error, match=f"^attention: {words}"):
        accel.attention(*arguments)
