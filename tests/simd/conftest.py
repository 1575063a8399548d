"""Every width of register, for all tests of this folder."""

import numpy as np
import pytest

from accel.simd import vector


def _tokens(dtypes, sizes):
    """Return parameters: a token of each element type that fills each size, in bytes."""
    made = [vector(each, size // np.dtype(each).itemsize) for each in dtypes for size in sizes]
    return [pytest.param(token, id=f"{token.lanes}x{token.dtype}") for token in made]


REAL = _tokens(("float32", "float64"), (16, 32, 64))
WHOLE = [
    *_tokens(("uint8", "int32", "int64"), (16, 32, 64)),
    *_tokens(("int8", "int16", "uint16", "uint32", "uint64"), (64,)),
]


@pytest.fixture(scope="session", params=REAL)
def V(request):
    """The token of a register of 128, 256 or 512 bits, of real numbers."""
    return request.param


@pytest.fixture(scope="session", params=WHOLE)
def integer_V(request):
    """The token of a register of integers: of the common ones in every width."""
    return request.param


@pytest.fixture(scope="session", params=[*REAL, *WHOLE])
def any_V(request):
    """The token of a register of any numbers."""
    return request.param


@pytest.fixture(scope="session", params=[*REAL, *_tokens(("uint8", "int32"), (64,))])
def memory_V(request):
    """The token of a register of real numbers, of the shortest integers, or of common ones."""
    return request.param
