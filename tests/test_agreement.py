"""What counts as the right answer."""

import numpy as np
import pytest

from accel.agreement import difference

NAN, INF = np.nan, np.inf


def compare(got, expected, tolerance=1e-6):
    return difference(np.array(got), np.array(expected), tolerance)


@pytest.mark.parametrize("value", [0.0, -1.5, 1e300, NAN, INF, -INF])
def test_equal_values_agree_whatever_they_are(value):
    assert compare([value], [value]) is None
    assert compare([value], [value], tolerance=0.0) is None


@pytest.mark.parametrize(
    ("got", "expected"),
    [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (1.0, INF), (-INF, INF), (NAN, INF), (INF, NAN)],
)
@pytest.mark.parametrize("tolerance", [0.0, 1.0, INF])
def test_values_that_are_not_finite_must_be_the_same(got, expected, tolerance):
    assert compare([got], [expected], tolerance)


def test_signed_zeros_agree():
    assert compare([-0.0], [0.0], tolerance=0.0) is None


def test_error_equal_to_the_tolerance_is_allowed_and_the_next_number_is_not():
    edge = 1.0 + 2.0**-10
    assert compare([edge], [1.0], tolerance=2.0**-10) is None
    assert compare([np.nextafter(edge, 2)], [1.0], tolerance=2.0**-10)


def test_tolerance_that_is_not_a_number_allows_nothing():
    assert compare([1.0], [1.5], tolerance=NAN)


def test_tolerance_can_differ_between_elements():
    assert compare([1.5, 1.0], [1.0, 1.0], tolerance=[1.0, 0.0]) is None
    assert "[1]" in compare([1.5, 1.5], [1.0, 1.0], tolerance=[1.0, 0.0])


def test_complaint_names_the_worst_element_and_counts_the_others():
    complaint = compare([[1.0, 2.5], [3.25, 4.0]], [[1.0, 2.0], [3.0, 4.0]], tolerance=0.1)
    assert complaint == "element [0, 1] is 2.5, expected 2 ± 0.1; 2 of 4 elements differ"


def test_missing_number_is_worse_than_a_wrong_one():
    assert compare([9e9, NAN], [0.0, 0.0]).startswith("element [1] is nan")


def test_untouched_output_fails():
    assert "3 of 3" in compare([NAN] * 3, [0.0] * 3, tolerance=1.0)


def test_difference_beyond_float64_is_an_error_not_a_warning():
    assert compare([1.7e308], [-1.7e308])


def test_different_shapes_are_both_named():
    assert compare([[1.0, 2.0]], [1.0, 2.0]) == "shape (1, 2), expected (2,)"


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_empty_answers_agree_in_any_shape(shape):
    assert difference(np.empty((0,)), np.empty(shape), 0.0) is None


def test_empty_answer_to_a_question_that_is_not_empty_fails():
    assert compare([], [1.0]) == "shape (0,), expected (1,)"


def test_float32_is_compared_in_float64():
    third = np.float32(1) / np.float32(3)
    assert difference(np.array([third]), np.array([1 / 3]), 2.0**-26) is None
    assert difference(np.array([third]), np.array([1 / 3]), 2.0**-27)


def test_integers_agree_exactly():
    assert compare([3, -4], [3, -4], tolerance=0) is None
    assert compare([3, -4], [3, -5], tolerance=0).startswith("element [1] is -4, expected -5")
