"""GELU in chunks is GELU, wherever the cuts fall."""

import numpy as np
import pytest

from accel.kernels import check, ladder, operation
from accel.kernels.activation.chunks import gelu_in_chunks

STEPS = [pytest.param(step, id=step.name) for step in ladder("gelu", tag="chunks")]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_right_on_every_edge_case(step):
    assert check(step.function, "gelu") == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 127, 128, 129, 1000])
def test_cuts_change_no_bit(chunk):
    x, out = operation("gelu").inputs(n=257)
    whole = np.empty_like(out)
    gelu_in_chunks(x, whole, 1000)
    gelu_in_chunks(x, out, chunk)
    np.testing.assert_array_equal(out, whole)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="gelu: out must be as long as x"):
        gelu_in_chunks(np.ones(4), np.empty(5), 2)
