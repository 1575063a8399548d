"""Convolution and pooling to call: any array is understood, errors are in words."""

import numpy as np
import pytest

import accel
from accel.agreement import difference
from accel.kernels.convolution import shapes

RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((2, 4, 9, 11)).astype("float32")
W = RANDOM.standard_normal((6, 4, 3, 3)).astype("float32")
B = np.arange(6, dtype="float32")
DEPTHWISE = RANDOM.standard_normal((4, 1, 3, 3)).astype("float32")


def expected(x, weight, bias=0.0, stride=1, padding=0):
    """The answer and the error allowed, with another rounding for the bias."""
    down, across = (
        shapes.places(side, k, stride, padding)
        for side, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    )
    answer, error = shapes.answer(x, weight, stride, padding, (len(x), len(weight), down, across))
    answer = answer + np.reshape(bias, (-1, 1, 1))
    return answer, error + np.finfo(x.dtype).eps * np.abs(answer)


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1}, {"stride": 2}, {"stride": 3, "padding": 2}, {"bias": B}],
    ids=str,
)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_conv2d_is_right_in_both_layouts(layout, options):
    last = layout == "NHWC"
    x = X.transpose(0, 2, 3, 1) if last else X
    got = accel.conv2d(x, W, layout=layout, **options)
    got = got.transpose(0, 3, 1, 2) if last else got
    assert difference(got, *expected(X, W, **options)) is None


@pytest.mark.parametrize(
    "x",
    [X[:, :, ::-1], X[:, :, :, ::2], np.asfortranarray(X), X.astype(">f4"), X[:0]],
    ids=["backwards", "strided", "F", "big-endian", "no images"],
)
def test_any_layout_of_memory_is_understood(x):
    native = np.ascontiguousarray(x).astype("float32")
    assert difference(accel.conv2d(x, W, padding=1), *expected(native, W, padding=1)) is None


def test_weights_may_be_a_view():
    flipped = W[:, :, ::-1, ::-1]
    assert difference(accel.conv2d(X, flipped), *expected(X, flipped)) is None


def test_float64_stays_float64():
    got = accel.conv2d(X.astype("f8"), W.astype("f8"), B.astype("f8"))
    assert difference(got, *expected(X.astype("f8"), W.astype("f8"), B)) is None
    assert got.dtype == "f8"


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_see_their_own_channels(groups):
    channels = 4 // groups
    weight = RANDOM.standard_normal((8, channels, 3, 3)).astype("float32")
    got = accel.conv2d(X, weight, padding=1, groups=groups)
    for g in range(groups):
        own, seen = (
            slice(8 // groups * g, 8 // groups * (g + 1)),
            slice(channels * g, channels * (g + 1)),
        )
        assert difference(got[:, own], *expected(X[:, seen], weight[own], padding=1)) is None


def test_as_many_groups_as_channels_are_the_depthwise_convolution():
    got = accel.conv2d(X, DEPTHWISE, groups=4, padding=1, bias=B[:4])
    np.testing.assert_array_equal(got, accel.depthwise_conv2d(X, DEPTHWISE, B[:4], padding=1))
    first = expected(X[:, 2:3], DEPTHWISE[2:3], 2.0, padding=1)
    assert difference(got[:, 2:3], *first) is None


def test_blocked_arrays_give_blocked_results():
    from accel.kernels.convolution import nchwc

    for block in (2, 16):
        x, weight = nchwc.blocked_images(X, block), nchwc.blocked_weights(W, block)
        got = nchwc.unblocked_images(accel.conv2d_nchwc(x, weight, padding=1))[:, :6]
        assert difference(got, *expected(X, W, padding=1)) is None


@pytest.mark.parametrize("out", ["C", "F", "strided", "overlapping"])
def test_any_out_takes_the_answer_and_comes_back(out):
    host = np.zeros((2, 4, 18, 22), "float32")
    host[:, :, ::2, ::2] = X
    x = host[:, :, ::2, ::2]
    weight = W[:4]
    target = {
        "C": np.empty((2, 4, 9, 11), "f4"), "F": np.empty((2, 4, 9, 11), "f4", order="F"),
        "strided": np.empty((2, 4, 18, 11), "f4")[:, :, ::2], "overlapping": x,
    }[out]  # fmt: skip
    wanted = expected(X, weight, padding=1)
    assert accel.conv2d(x, weight, padding=1, out=target) is target
    assert difference(target, *wanted) is None


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((X[0], W), {}, ValueError, r"conv2d: x must have 4 dimensions, got shape \(4, 9, 11\)"),
        ((X, W[:, :3]), {}, ValueError, "conv2d: weight must have 4 channels.*got 3"),
        ((X, W.astype("f8")), {}, TypeError, "conv2d: weight must be float32"),
        ((X.astype(int), W), {}, TypeError, "conv2d: x must be float32 or float64, got int64"),
        ((X, W, B[:5]), {}, ValueError, r"conv2d: bias must have shape \(6,\), got \(5,\)"),
        ((X, W), {"stride": 0}, ValueError, "conv2d: stride must be at least 1, got 0"),
        ((X, W), {"padding": -1}, ValueError, "conv2d: padding must be at least 0, got -1"),
        ((X, W), {"stride": 1.5}, TypeError, "conv2d: stride must be a whole number, got float"),
        ((X, W), {"groups": 3}, ValueError, "conv2d: groups must divide the 4 channels"),
        ((X, W), {"layout": "CHWN"}, ValueError, 'conv2d: layout must be "NCHW" or "NHWC"'),
        ((X, W), {"layout": "NHWC"}, ValueError, "conv2d: weight must have 11 channels"),
        ((X.transpose(0, 2, 3, 1), W), {"layout": "NHWC", "groups": 2}, ValueError, "groups must be 1"),
        ((X[:, :, :2], W), {}, ValueError, "window of 3 x 3 must fit the padded image, which is 2 x 11"),
        ((X, W[:, :, :0]), {}, ValueError, "a filter must have a row and a column"),
        ((X, W), {"out": np.empty((2, 6, 9, 9), "f4")}, ValueError, "out must have shape"),
    ],
)  # fmt: skip
def test_what_conv2d_cannot_take_is_refused_in_words(arguments, options, error, words):
    with pytest.raises(error, match=words):
        accel.conv2d(*arguments, **options)


def test_what_the_others_cannot_take_is_refused_in_words():
    with pytest.raises(ValueError, match=r"depthwise_conv2d: weight must have shape \(4, 1,"):
        accel.depthwise_conv2d(X, W)
    with pytest.raises(ValueError, match="conv2d_nchwc: weight must have 2 blocks of 2 channels"):
        accel.conv2d_nchwc(np.zeros((1, 2, 5, 5, 2)), np.zeros((1, 3, 3, 3, 2, 2)))
    with pytest.raises(ValueError, match="max_pool2d: kernel_size must be at least 1, got 0"):
        accel.max_pool2d(X, 0)
    with pytest.raises(ValueError, match="avg_pool2d: padding must be at most half.*1, got 2"):
        accel.avg_pool2d(X, 3, padding=2)
    with pytest.raises(ValueError, match="max_pool2d: a window of 12 x 12 must fit"):
        accel.max_pool2d(X, 12)


def test_max_pool2d_takes_the_largest():
    got = accel.max_pool2d(X, 3, stride=2, padding=1)
    wide = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    seen = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(got, seen.max(axis=(4, 5)))


@pytest.mark.parametrize("included", [True, False])
def test_avg_pool2d_counts_padding_or_not(included):
    x = np.ones((1, 1, 4, 4), "float32")
    got = accel.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=included)
    corner, side = (4 / 9, 6 / 9) if included else (1.0, 1.0)
    np.testing.assert_allclose(got[0, 0, 0], [corner, side, side, corner], rtol=1e-6)


def test_pools_step_by_their_kernel_unless_told():
    assert accel.max_pool2d(X, 3).shape == (2, 4, 3, 3)
    assert accel.avg_pool2d(X, 2).shape == (2, 4, 4, 5)


@pytest.mark.parametrize("included", [True, False])
def test_avg_pool2d_may_write_over_what_it_reads(included):
    x = X.copy()
    wanted = accel.avg_pool2d(X, 3, 1, 1, count_include_pad=included)
    assert accel.avg_pool2d(x, 3, 1, 1, count_include_pad=included, out=x) is x
    np.testing.assert_array_equal(x, wanted)
