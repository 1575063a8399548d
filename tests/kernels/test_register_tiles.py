"""Every tile computes the product, and refuses what is not whole."""

import numpy as np
import pytest

from accel.kernels import check, kernel, ladder, operation
from accel.timing.counting import count

STEPS = [pytest.param(step, id=step.name) for step in ladder("panels")]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step):
    assert check(step.function, "panels") == []


@pytest.mark.parametrize("name", ["tile_8x2", "packed_8x2"])
def test_double_precision_has_tiles_too(name):
    (step,) = (step for step in ladder("panels") if step.name == name)
    assert check(step.function, "panels", dtype="float64") == []


@pytest.mark.parametrize("step", STEPS)
def test_shapes_that_do_not_agree_are_refused_before_anything_is_written(step):
    a, b, out = operation("panels").inputs(k=4)
    for wrong in ((a[:, :3].copy(), b, out), (a, b, out[:-1]), (a, b[:, :-1].copy(), out)):
        with pytest.raises(ValueError, match="panels: expected a"):
            step.function(*wrong)
    assert np.isnan(out).all()


@pytest.mark.parametrize("name", ["array", "tile_8x2", "packed_8x2"])
def test_a_size_that_is_no_whole_number_of_tiles_is_refused(name):
    (step,) = (step for step in ladder("panels") if step.name == name)
    a, b, out = operation("panels").inputs(k=4, m=7)
    with pytest.raises(ValueError, match="whole numbers of tiles"):
        step.function(a, b, out)


def test_declared_costs_are_what_the_loop_in_memory_does():
    op, sizes = operation("panels"), {"k": 3, "m": 24}
    counts = count(kernel("panels", "memory").function, op.inputs(**sizes))
    assert counts.unique_bytes == op.compulsory_bytes(**sizes)
    assert counts.flops == op.flops(**sizes)
