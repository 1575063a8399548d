"""Steps to call: in place whatever the layout, as PyTorch defines them, errors in words."""

import numpy as np
import pytest

import accel

ONES = np.ones(4, "f4")


def arrays(count, shape=(3, 5), dtype="f4"):
    return [np.random.default_rng(k).standard_normal(shape).astype(dtype) for k in range(count)]


def test_first_steps_by_hand():
    p = np.array([1.0, 2.0])
    assert accel.sgd(p, [0.5, -1.0], lr=0.1) is p
    np.testing.assert_allclose(p, [0.95, 2.1], rtol=1e-15)
    v = np.zeros(2)
    accel.momentum(p, np.array([1.0, 1.0]), v, lr=0.1, momentum=0.5)
    accel.momentum(p, np.array([1.0, 1.0]), v, lr=0.1, momentum=0.5)
    np.testing.assert_allclose(p, [0.95 - 0.1 - 0.15, 2.1 - 0.25], rtol=1e-15)
    np.testing.assert_allclose(v, [1.5, 1.5])


def test_first_step_of_adam_is_the_learning_rate_whatever_the_gradient():
    p, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    assert accel.adam(p, np.array([1e-3, -5.0, 100.0]), m, v, step=1, lr=0.01) is p
    np.testing.assert_allclose(p, [-0.01, 0.01, -0.01], rtol=1e-4)
    np.testing.assert_allclose(m, [1e-4, -0.5, 10.0])


def test_decay_shrinks_parameters_apart_from_the_gradient():
    p, m, v = np.full(3, 2.0), np.zeros(3), np.zeros(3)
    accel.adamw(p, np.zeros(3), m, v, step=1, lr=0.1, weight_decay=0.5)
    np.testing.assert_allclose(p, 2.0 * 0.95)


def place(values, layout):
    """Return the values in an array laid out in some way."""
    rows, columns = values.shape
    return {
        "C": lambda: values.copy(),
        "F": lambda: np.asfortranarray(values),
        "strided": lambda: np.repeat(np.repeat(values, 2, 0), 2, 1)[::2, ::2],
        "backwards": lambda: values[::-1].copy()[::-1],
        "big-endian": lambda: values.astype(values.dtype.newbyteorder(">")),
        "misaligned": lambda: (
            np.frombuffer(bytearray(b"\0" + values.tobytes()), "u1")[1:]
            .view(values.dtype)
            .reshape(rows, columns)
        ),
    }[layout]()


@pytest.mark.parametrize("layout", ["C", "F", "strided", "backwards", "big-endian", "misaligned"])
def test_arrays_are_changed_where_they_are(layout):
    g, p, m, v = arrays(4)
    v = np.abs(v)
    mine = [place(each, layout) for each in (p, g, m, v)]
    accel.adamw(*mine, step=2)
    accel.adamw(p, g, m, v, step=2)
    for changed, expected in zip(mine, (p, g, m, v), strict=True):
        np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (7, 3)])
def test_any_shape(shape):
    g, p, v = arrays(3, shape, "f8")
    g, p, v = np.array(g), np.array(p), np.array(v)
    expected = p - 0.1 * (0.9 * v + g)
    np.testing.assert_allclose(accel.momentum(p, g, v, lr=0.1), expected, rtol=1e-14)


def test_gradient_may_be_the_parameters_or_overlap_them():
    p = np.arange(10.0)
    accel.sgd(p, p, lr=0.5)
    np.testing.assert_array_equal(p, np.arange(10.0) / 2)
    x = np.arange(40, dtype="f4")
    expected = x[1:] - np.float32(0.5) * x[:-1]
    accel.sgd(x[1:], x[:-1], lr=0.5)
    np.testing.assert_allclose(x[1:], expected)


def test_gradient_may_be_the_state():
    m, v, p = np.ones(20), np.ones(20), np.ones(20)
    accel.adam(p, m, m, v, step=1)
    np.testing.assert_allclose(m, 1.0)
    assert (p < 1).all()


def test_state_may_lie_between_the_parameters():
    host = np.ones((20, 2))
    accel.momentum(host[:, 0], np.ones(20), host[:, 1], lr=0.5, momentum=1.0)
    np.testing.assert_allclose(host, np.tile([0.0, 2.0], (20, 1)))


def frozen():
    x = np.ones(4, "f4")
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.sgd([1.0], [1.0]), TypeError, "sgd: parameters must be a NumPy array, got list"),
        (lambda: accel.sgd(np.ones(3, int), ONES), TypeError, "parameters must be float32 or float64"),
        (lambda: accel.sgd(ONES.copy(), np.ones(4)), TypeError, "gradient must be float32"),
        (lambda: accel.sgd(ONES.copy(), ONES[:3]), ValueError, r"gradient must have shape \(4,\), got"),
        (lambda: accel.sgd(frozen(), ONES), ValueError, "sgd: parameters is read-only"),
        (lambda: accel.sgd(ONES.copy(), ONES, lr=-1), ValueError, "lr must be at least 0 and finite"),
        (lambda: accel.sgd(ONES.copy(), ONES, lr=np.nan), ValueError, "lr must be .*, got nan"),
        (lambda: accel.sgd(ONES.copy(), ONES, lr="1"), TypeError, "lr must be a number, got str"),
        (lambda: accel.sgd(np.ma.ones(4), np.ones(4)), TypeError, "parameters is a masked array"),
        (lambda: accel.momentum(x := ONES.copy(), ONES, x), ValueError, "parameters and velocity share"),
        (lambda: accel.momentum(ONES.copy(), ONES, frozen()), ValueError, "velocity is read-only"),
        (lambda: accel.momentum(ONES.copy(), ONES, np.ones(5, "f4")), ValueError, "velocity must have"),
        (lambda: step_of(step=0), ValueError, "adam: step must be at least 1, got 0"),
        (lambda: step_of(step=1.0), TypeError, "adam: step must be an integer, got float"),
        (lambda: step_of(step=1, betas=(0.9,)), ValueError, "betas must be two numbers"),
        (lambda: step_of(step=1, betas=(1.0, 0.9)), ValueError, r"betas\[0\] must be .* below 1"),
        (lambda: step_of(step=1, eps=-1), ValueError, "eps must be at least 0"),
        (lambda: step_of(accel.adamw, step=1, weight_decay=-1), ValueError, "adamw: weight_decay"),
        (lambda: step_of(accel.adamw, step=True), TypeError, "adamw: step must be an integer"),
    ],
)  # fmt: skip
def test_what_is_no_step_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def step_of(op=accel.adam, **hyperparameters):
    return op(ONES.copy(), ONES, ONES.copy(), ONES.copy(), **hyperparameters)
