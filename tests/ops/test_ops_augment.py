"""Images to call operations on: the formula, part and mirror image, errors in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.kernels.augmentation.normalise import MEAN, STD

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
NORMAL = (IMAGE / 255.0 - MEAN) / STD


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_normalised_image_is_the_formula(dtype):
    out = np.empty(IMAGE.shape, dtype)
    assert accel.normalise_image(IMAGE, out=out) is out
    np.testing.assert_allclose(out, NORMAL, atol=8 * np.finfo(dtype).eps)


@settings(deadline=None, max_examples=30)
@given(data=st.data(), flip=st.booleans())
def test_part_and_mirror_image(data, flip):
    top, left = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 8))
    size = data.draw(st.integers(0, 9 - top)), data.draw(st.integers(0, 8 - left))
    part = NORMAL[top : top + size[0], left : left + size[1]]
    expected = (part[:, ::-1] if flip else part).transpose(2, 0, 1)
    got = accel.augment_image(IMAGE, top=top, left=left, size=size, flip=flip)
    np.testing.assert_allclose(got, expected, atol=2e-6)
    assert got.dtype == np.float32 and got.flags.c_contiguous


def test_all_of_the_image_by_default():
    np.testing.assert_allclose(accel.augment_image(IMAGE), NORMAL.transpose(2, 0, 1), atol=2e-6)


@pytest.mark.parametrize("image", [IMAGE[::-1, ::-2], np.asfortranarray(IMAGE), IMAGE.tolist()])
def test_any_layout_in_and_out(image):
    image = np.array(image, "u1") if isinstance(image, list) else image
    out = np.empty((*image.shape[1::-1], 3), "f4").T
    assert accel.augment_image(image, out=out) is out
    np.testing.assert_array_equal(out, accel.augment_image(image.copy()))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: accel.normalise_image(NORMAL), TypeError, "image must be uint8, got float64"),
        (lambda: accel.normalise_image(IMAGE[..., :2]), ValueError, r"\(height, width, 3\), got \(9, 8, 2\)"),
        (lambda: accel.normalise_image(IMAGE[0]), ValueError, "image must have 3 dimensions"),
        (lambda: accel.normalise_image(IMAGE, mean=(0, 0)), ValueError, r"mean must have shape \(3,\)"),
        (lambda: accel.normalise_image(IMAGE, std=(1, 0, 1)), ValueError, "std must be above 0"),
        (lambda: accel.normalise_image(IMAGE, mean="abc"), TypeError, "mean must be three numbers"),
        (lambda: accel.normalise_image(IMAGE, out=IMAGE.copy()), TypeError, "out must be float32 or float64"),
        (lambda: accel.normalise_image(IMAGE, out=[0]), TypeError, "out must be a NumPy array"),
        (lambda: accel.augment_image(IMAGE, top=2, size=(8, 8)), ValueError, "part must lie inside"),
        (lambda: accel.augment_image(IMAGE, left=9), ValueError, "part must lie inside"),
        (lambda: accel.augment_image(IMAGE, top=-1), ValueError, "top must be at least 0, got -1"),
        (lambda: accel.augment_image(IMAGE, left=1.0), TypeError, "left must be an integer"),
        (lambda: accel.augment_image(IMAGE, size=5), ValueError, "size must be rows and columns"),
        (lambda: accel.augment_image(IMAGE, size=(5, -1)), ValueError, "columns of size must be at least"),
        (lambda: accel.augment_image(IMAGE, out=NORMAL), TypeError, "out must be float32, got float64"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()
