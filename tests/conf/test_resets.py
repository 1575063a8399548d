"""Each script starts from the same state."""

import gc
import os
import warnings

import matplotlib
import numpy as np
import pytest
import resets
import synthetic

from accel import figures
from accel.figures import look
from accel.timing.records import Record


@pytest.fixture
def script():
    """The state between "before" and "after" of a script."""
    resets.reset({}, "plot_x.py", "before")
    yield
    resets.reset({}, "plot_x.py", "after")


def after():
    resets.reset({}, "plot_x.py", "after")


def test_environment_variables_are_put_back(script, monkeypatch):
    kept = os.environ["PATH"]
    os.environ["ACCEL_TEST_VARIABLE"] = "1"
    os.environ["PATH"] = ""
    after()
    assert "ACCEL_TEST_VARIABLE" not in os.environ
    assert os.environ["PATH"] == kept


def test_the_garbage_collector_runs_again(script):
    gc.disable()
    after()
    assert gc.isenabled()


def test_floating_point_errors_are_handled_as_before(script):
    before = np.geterr()
    np.seterr(all="raise")
    after()
    assert np.geterr() == before


def test_warning_filters_are_put_back(script):
    before = list(warnings.filters)
    warnings.simplefilter("ignore")
    after()
    assert warnings.filters == before


def test_matplotlib_settings_are_put_back(script):
    before = matplotlib.rcParams["lines.linewidth"]
    matplotlib.rcParams["lines.linewidth"] = 77
    after()
    assert matplotlib.rcParams["lines.linewidth"] == before


def test_pictures_left_behind_do_not_reach_the_next_page(script, monkeypatch):
    monkeypatch.setattr(look, "_collecting", True)
    figures.sweep(Record(synthetic.sweep()), prefix="blocked_", alt="Shown.")
    after()
    assert look.take() == []


def test_a_script_that_failed_before_its_end_is_cleaned_up_by_the_next():
    resets.reset({}, "plot_a.py", "before")
    os.environ["ACCEL_TEST_VARIABLE"] = "1"
    resets.reset({}, "plot_b.py", "before")
    assert "ACCEL_TEST_VARIABLE" not in os.environ
    resets.reset({}, "plot_b.py", "after")
