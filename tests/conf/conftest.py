"""The extensions of the book are importable here, and small books can be built."""

import sys

import pytest
from building import CONF, Book

sys.path.insert(0, str(CONF))


@pytest.fixture
def book(tmp_path, results):
    return Book(tmp_path, {"ACCEL_RESULTS": str(results), "ACCEL_PROFILE": "quick"})
