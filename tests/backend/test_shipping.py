"""The profile that comes with the library is one that was measured, rounded."""

import json
import os

import pytest

from accel.backend import calibrate, dispatch, shipping
from accel.backend import profile as profiles
from accel.backend.profile import Curve, Profile, ProfileError, Source

CURVES = {"numpy": Curve((123.4, 123456.7), (1234.5, 98765.4))}
SOURCE = Source("abc", frozenset({"numpy"}))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "dispatch"
    dispatch.adopt()


def measured(steps):
    """Keep a profile with these steps."""
    keys = [step.key for step in steps]
    sources = dict.fromkeys(keys, SOURCE)
    curves = dict.fromkeys(keys, CURVES)
    profiles.save(Profile(profiles.here(), "then", curves, machine="one", sources=sources))


def test_times_and_work_are_rounded_to_three_digits(tmp_path):
    measured(calibrate.steps())
    shipping.ship(tmp_path / "shipped.json")
    document = json.loads((tmp_path / "shipped.json").read_text())
    assert document["machine"] == "one"
    assert len(document["curves"]) == len(calibrate.steps())
    times = document["curves"][0]["times"]["numpy"]
    assert times == {"work": [123.0, 123000.0], "ns": [1230.0, 98800.0]}


def test_everybody_may_read_it(tmp_path):
    measured(calibrate.steps())
    shipping.ship(tmp_path / "shipped.json")
    assert os.stat(tmp_path / "shipped.json").st_mode & 0o777 == 0o644


def test_points_that_rounding_makes_one_are_one():
    curve = shipping.rounded_curve(Curve((1000.1, 1000.2, 2000.0), (1.0, 1.0, 2.0)))
    assert curve == Curve((1000.0, 2000.0), (1.0, 2.0))


def test_part_of_a_calibration_is_not_shipped(tmp_path):
    measured(calibrate.steps()[:-1])
    with pytest.raises(ProfileError, match=f"lacks {calibrate.steps()[-1]}; run accel calibrate"):
        shipping.ship(tmp_path / "shipped.json")
    assert not (tmp_path / "shipped.json").exists()


def test_without_a_calibration_nothing_is_shipped(tmp_path):
    with pytest.raises(ProfileError, match="no profile; run accel calibrate"):
        shipping.ship(tmp_path / "shipped.json")


def test_what_is_shipped_is_complete():
    assert set(profiles.shipped().curves) == {step.key for step in calibrate.steps()}
