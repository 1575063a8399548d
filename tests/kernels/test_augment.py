"""normalise_image: bytes to numbers around zero, whatever the shape of the image."""

import re

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import ladder, operation
from accel.kernels.augmentation import normalise

STEPS = [pytest.param(step, id=step.name) for step in ladder("normalise_image", tag="ladder")]
FAST = [param for param in STEPS if param.values[0].instrument != "interpreter"]
unhurried = settings(deadline=None)  # the first call compiles, and no test asserts a time


def run(step, image, mean, std, dtype):
    out = np.full(image.shape, np.nan, dtype)
    own = step.adapt(image, mean, std, out) if step.adapt else (image, mean, std, out)
    step.function(*own)
    return np.asarray(own[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", FAST)
@unhurried
@given(height=st.integers(0, 5), width=st.integers(0, 40), statistics=st.data())
def test_any_image_and_any_statistics_agree_with_the_formula(
    step, dtype, height, width, statistics
):
    image = np.random.default_rng([height, width]).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    three = st.lists(st.floats(0.125, 1, width=32), min_size=3, max_size=3)
    mean, std = (np.array(statistics.draw(three), dtype) for _ in range(2))
    oracle = operation("normalise_image").oracle(image, mean, std, np.empty(0, dtype))
    assert difference(run(step, image, mean, std, dtype), *oracle) is None


@pytest.mark.parametrize("step", STEPS)
def test_each_channel_gets_its_own_statistics(step):
    image = np.zeros((2, 5, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 0, 255, 51
    mean, std = np.array([0.5, 0.5, 0.25]), np.array([0.5, 0.25, 0.125])
    got = run(step, image, mean, std, "float64")
    np.testing.assert_allclose(got[1, 4], [-1, 2, -0.4], rtol=1e-14)


@pytest.mark.parametrize("step", STEPS)
def test_image_is_left_as_it_was(step):
    image, mean, std, _ = operation("normalise_image").inputs(side=7)
    before = image.copy()
    run(step, image, mean, std, "float32")
    np.testing.assert_array_equal(image, before)


def test_image_holds_every_byte():
    image, *_ = operation("normalise_image").inputs(side=64)
    assert np.unique(image).size == 256


def test_width_defaults_to_the_side():
    shapes = [operation("normalise_image").inputs(side=7, width=w)[0].shape for w in (None, 7, 3)]
    assert shapes == [(7, 7, 3), (7, 7, 3), (7, 3, 3)]


def test_rows_refuse_an_output_that_is_not_contiguous():
    image, mean, std, out = operation("normalise_image").inputs(side=4)
    with pytest.raises(ValueError, match="out must be contiguous"):
        normalise.normalise_image_rows(image, mean, std, np.asfortranarray(out))


@pytest.mark.parametrize(
    ("image", "constants", "out", "message"),
    [
        ((4, 4, 3), 3, (4, 5, 3), "the shape of the image"),
        ((4, 4, 4), 3, (4, 4, 4), "three channels"),
        ((4, 4, 3), 1, (4, 4, 3), "three channels"),
    ],
)
def test_compiled_refuses_shapes_that_do_not_fit(image, constants, out, message):
    numbers = np.ones(constants, "float32")
    with pytest.raises(ValueError, match=message):
        normalise.normalise_image_compiled(
            np.zeros(image, np.uint8), numbers, numbers, np.zeros(out, "float32")
        )


def test_compiler_finds_vector_instructions_in_the_loop_over_a_row():
    image, numbers, out = numba.uint8[:, :, ::1], numba.float32[::1], numba.float32[:, :, ::1]
    plain = normalise.normalise_image_compiled.py_func
    fresh = numba.njit([(image, numbers, numbers, out)])(plain)
    assert re.search(r"uitofp <\d+ x i8>", fresh.inspect_llvm(fresh.signatures[0]))
