"""augment_image: any part of any image, mirrored or not, and nothing beside it touched."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.agreement import difference
from accel.kernels import check, ladder, operation

STEPS = [pytest.param(step, id=step.name) for step in ladder("augment_image")]
COMPILED = [param for param in STEPS if param.values[0].instrument == "compiled"]
few = settings(deadline=None, max_examples=30)  # the first call compiles
BORDER = 64


@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_is_right_on_every_edge_case(step):
    assert check(step.function, "augment_image", adapt=step.adapt) == []


@pytest.mark.parametrize("step", STEPS)
def test_every_kernel_can_be_imported_by_its_target(step):
    module, _, name = step.target.partition(":")
    assert getattr(import_module(module), name) is step.function


def bordered(values, value):
    host = np.full(values.size + 2 * BORDER, value, values.dtype)
    inside = host[BORDER : BORDER + values.size].reshape(values.shape)
    inside[...] = values
    return inside, host


@pytest.mark.parametrize("step", COMPILED)
@few
@given(data=st.data(), flip=st.booleans(), height=st.integers(0, 4), width=st.integers(0, 90))
def test_any_part_agrees_with_the_formula_and_nothing_beside_it_is_touched(
    step, data, flip, height, width
):
    top, left = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    rows, columns = data.draw(st.integers(0, height - top)), data.draw(st.integers(0, width - left))
    pixels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), "u1")
    image, _ = bordered(pixels, 99)
    mean, std = np.array([0.5, 0.25, 0.125], "f4"), np.array([0.25, 0.5, 1.0], "f4")
    out, host = bordered(np.zeros((3, rows, columns), "f4"), 7.5)
    step.function(image, top, left, flip, mean, std, out)
    oracle = operation("augment_image").oracle(image, top, left, flip, mean, std, out)
    assert difference(out, *oracle) is None
    np.testing.assert_array_equal(host[:BORDER], 7.5)
    np.testing.assert_array_equal(host[-BORDER:], 7.5)


def test_all_steps_agree_on_a_large_image():
    arguments = operation("augment_image").inputs(side=401, width=333)
    for param in COMPILED:
        arguments[-1][...] = np.nan
        param.values[0].function(*arguments)
        oracle = operation("augment_image").oracle(*arguments)
        assert difference(arguments[-1], *oracle) is None, param.id


@pytest.mark.parametrize("step", COMPILED)
@pytest.mark.parametrize(
    ("shape", "top", "left", "constants", "out", "words"),
    [
        ((5, 6, 3), 1, 0, 3, (3, 5, 6), "inside the image"),
        ((5, 6, 3), 0, 1, 3, (3, 5, 6), "inside the image"),
        ((5, 6, 3), -1, 0, 3, (3, 5, 6), "inside the image"),
        ((5, 6, 3), 0, -1, 3, (3, 5, 6), "inside the image"),
        ((5, 6, 4), 0, 0, 3, (3, 5, 6), "three channels"),
        ((5, 6, 3), 0, 0, 3, (4, 5, 6), "three channels"),
        ((5, 6, 3), 0, 0, 2, (3, 5, 6), "three channels"),
    ],
)
def test_compiled_kernels_refuse_what_does_not_fit(step, shape, top, left, constants, out, words):
    numbers = np.ones(constants, "f4")
    with pytest.raises(ValueError, match=f"^augment_image: .*{words}"):
        step.function(np.zeros(shape, "u1"), top, left, True, numbers, numbers, np.zeros(out, "f4"))


@pytest.mark.parametrize("working_set_bytes", [1 << 14, 1 << 20, 1 << 28])
def test_sizes_keep_about_so_many_bytes(working_set_bytes):
    op = operation("augment_image")
    got = op.compulsory_bytes(**op.sizes(working_set_bytes))
    assert 0.9 * working_set_bytes <= got <= working_set_bytes
