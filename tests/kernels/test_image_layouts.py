"""In every layout the convolution is the same, and shows itself in the same one."""

import pytest

from accel.agreement import difference
from accel.kernels import check, ladder, operation

STEPS = [pytest.param(step, id=step.name) for step in ladder("image_layouts")]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step):
    assert check(step.function, "image_layouts", adapt=step.adapt) == []


@pytest.mark.parametrize("step", STEPS)
def test_channels_of_no_whole_block_are_right_too(step):
    op = operation("image_layouts")
    arguments = op.inputs(side=7, channels=5, filters=19, padding=1, batch=2)
    own = step.adapt(*arguments) if step.adapt else arguments
    step.function(*own)
    assert difference(own[-1].__array__(), *op.oracle(*arguments)) is None
