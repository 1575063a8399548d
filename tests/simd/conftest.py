"""Every width of register, for all tests of this folder."""

import pytest

from accel.simd import vector

WIDTHS = [
    pytest.param(vector(dtype, lanes), id=f"{lanes}x{dtype}")
    for dtype, every in (("float32", (4, 8, 16)), ("float64", (2, 4, 8)))
    for lanes in every
]


@pytest.fixture(scope="session", params=WIDTHS)
def V(request):
    """The token of a register of 128, 256 or 512 bits."""
    return request.param
