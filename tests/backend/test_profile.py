"""Profiles: curves, the file they live in, and which of them are trusted."""

import errno
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.backend import profile as profiles
from accel.backend.profile import Curve, Profile, ProfileError, ProfileWarning, Source

KEY = ("matmul", "float32")
CURVES = {"numpy": Curve((10.0, 1000.0), (500.0, 2000.0)), "numba": Curve((10.0,), (300.0,))}
SOURCE = Source("abc", frozenset({"numpy", "numba"}))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dispatch"


@pytest.fixture
def profile():
    machine = "a processor; NumPy 2"
    created = "2026-11-23T08:00:00+00:00"
    return Profile(profiles.here(), created, {KEY: CURVES}, machine=machine, sources={KEY: SOURCE})


def test_times_between_two_points_lie_on_a_line_on_logarithmic_scales():
    curve = Curve((10.0, 1000.0), (500.0, 2000.0))
    assert curve.time_ns(100.0) == pytest.approx(1000.0)


def test_below_the_smallest_a_call_costs_what_the_smallest_does():
    assert Curve((10.0, 1000.0), (500.0, 2000.0)).time_ns(0) == 500.0


def test_beyond_the_largest_time_grows_with_the_work():
    assert Curve((10.0, 1000.0), (500.0, 2000.0)).time_ns(5000.0) == 10_000.0


points = st.lists(
    st.tuples(st.floats(1, 1e15), st.floats(1, 1e12)),
    min_size=1, max_size=8, unique_by=lambda point: point[0],
)  # fmt: skip


@given(points, st.floats(0, 1e17))
def test_a_prediction_never_leaves_the_times_around_it(found, work):
    found.sort()
    curve = Curve(*zip(*found, strict=True))
    predicted = curve.time_ns(work)
    assert math.isfinite(predicted)
    if work <= curve.work[-1]:
        around = [i for i, x in enumerate(curve.work) if x <= work][-1:] or [0]
        near = curve.ns[around[0] : around[0] + 2]
        assert min(near) * 0.999 <= predicted <= max(near) * 1.001


@pytest.mark.parametrize(
    ("work", "ns", "complaint"),
    [
        ((), (), "one at least"),
        ((1.0, 2.0), (1.0,), "got 2 and 1"),
        ((2.0, 2.0), (1.0, 1.0), "must rise"),
        ((0.0, 2.0), (1.0, 1.0), "positive and finite"),
        ((1.0, 2.0), (1.0, math.inf), "positive and finite"),
        ((1.0, 2.0), (1.0, math.nan), "positive and finite"),
    ],
)
def test_a_curve_that_is_none_is_refused(work, ns, complaint):
    with pytest.raises(ProfileError, match=complaint):
        Curve(work, ns)


def test_a_profile_comes_back_from_disk_as_it_was(profile):
    where = profiles.save(profile)
    assert where == profiles.path()
    found = profiles.load()
    assert found == Profile(**{**vars(profile), "origin": str(where)})


def test_nothing_but_the_profile_is_left_in_the_folder(profile, cache):
    profiles.save(profile)
    profiles.save(profile)
    assert [each.name for each in cache.iterdir()] == [f"{profiles.here()}.json"]


def test_without_a_file_there_is_no_profile_and_no_warning():
    assert profiles.load() is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ('{"kind": "accel-dispa', "Unterminated"),
        ("[]", "no dispatch profile"),
        ('{"kind": "accel-record"}', "no dispatch profile"),
        ('{"kind": "accel-dispatch-profile", "schema": 1}', "damaged .KeyError: 'curves'"),
        ('{"kind": "accel-dispatch-profile", "schema": 1, "curves": [3]}', "damaged .TypeError"),
        (
            '{"kind": "accel-dispatch-profile", "schema": 1, "curves": [], "fingerprint": 1,'
            ' "created": "", "machine": ""}',
            "must be text",
        ),
    ],
)
def test_a_damaged_file_is_set_aside_and_said(text, why, cache):
    cache.mkdir(parents=True)
    profiles.path().write_text(text)
    with pytest.warns(ProfileWarning, match=why):
        assert profiles.load() is None
    assert [each.suffix for each in cache.iterdir()] == [".aside"]
    assert profiles.path().with_suffix(".aside").read_text() == text


def test_a_profile_of_another_schema_is_left_where_it_is(cache):
    cache.mkdir(parents=True)
    text = '{"kind": "accel-dispatch-profile", "schema": 99}'
    profiles.path().write_text(text)
    with pytest.warns(ProfileWarning, match="schema 99, this version reads 1"):
        assert profiles.load() is None
    assert profiles.path().read_text() == text


def test_damaged_times_are_damage(profile, cache):
    document = profile.document()
    document["curves"][0]["times"]["numpy"]["ns"] = [1.0, -1.0]
    cache.mkdir(parents=True)
    profiles.path().write_text(json.dumps(document))
    with pytest.warns(ProfileWarning, match="positive and finite"):
        assert profiles.load() is None


def test_a_second_damaged_file_does_not_replace_the_first(cache):
    cache.mkdir(parents=True)
    for text in ("first", "second"):
        profiles.path().write_text(text)
        with pytest.warns(ProfileWarning):
            profiles.load()
    assert sorted(each.read_text() for each in cache.iterdir()) == ["first", "second"]


def test_a_profile_of_another_machine_under_this_ones_name_is_not_used(profile):
    foreign = Profile(**{**vars(profile), "fingerprint": "0123-2-2"})
    profiles.save(foreign, profiles.path())
    with pytest.warns(ProfileWarning, match="another machine.*0123-2-2.*shipped defaults"):
        assert profiles.load() is None
    assert profiles.path().exists()


def test_profiles_of_other_machines_beside_it_are_named(profile, cache):
    profiles.save(profile, cache / "0123-2-2.json")
    with pytest.warns(ProfileWarning, match="1 profile of another machine.*0123-2-2"):
        assert profiles.load() is None


def test_threads_are_part_of_what_a_profile_belongs_to(monkeypatch):
    software = {"blas": [{"threads": 2}, {"threads": None}]}
    assert profiles._threads(software)[1] == 2
    assert profiles.here().endswith("-".join(map(str, profiles._threads(_software()))))


def _software():
    from accel.timing import machine

    return machine.software()


def test_libraries_that_numpy_does_not_use_change_nothing(monkeypatch):
    """SciPy brings a BLAS of its own, which is listed as soon as SciPy is loaded."""
    from accel.timing import machine

    usual = machine.software()
    more = {**usual, "blas": [*usual["blas"], {**usual["blas"][0], "version": "another"}]}
    expected = profiles.here()
    monkeypatch.setattr(machine, "software", lambda: more)
    assert profiles.here.__wrapped__() == expected


def failing(number):
    def replace(new, where):
        raise OSError(number, os.strerror(number))

    return replace


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "Read-only file system.*set ACCEL_CACHE"),
        (errno.EACCES, "Permission denied.*set ACCEL_CACHE"),
        (errno.ENOSPC, "No space left.*goes on where it stood"),
    ],
)
def test_what_cannot_be_written_is_said_with_the_remedy(
    profile, cache, monkeypatch, number, remedy
):
    profiles.save(profile)
    monkeypatch.setattr(profiles.os, "replace", failing(number))
    with pytest.raises(ProfileError, match=remedy):
        profiles.save(Profile(**{**vars(profile), "created": "later"}))
    assert profiles.load().created == profile.created
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("moved", [False, True])
def test_one_who_interrupts_while_it_is_written_finds_a_whole_profile(
    profile, cache, monkeypatch, moved
):
    really = os.replace

    def replace(new, where):
        if moved:
            really(new, where)
        raise KeyboardInterrupt

    profiles.save(profile)
    monkeypatch.setattr(profiles.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        profiles.save(Profile(**{**vars(profile), "created": "later"}))
    assert profiles.load().created == ("later" if moved else profile.created)
    assert len(list(cache.iterdir())) == 1


def test_a_folder_that_is_a_file_is_said(profile, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(ProfileError, match="set ACCEL_CACHE"):
        profiles.save(profile)


def test_the_shipped_profile_can_be_read_and_says_where_it_was_measured():
    found = profiles.shipped()
    assert found.origin == "shipped"
    assert "NumPy" in found.machine
    assert {"numpy", "numba", "numba-threads"} <= set(found.curves["matmul", "float32"])


def test_curves_can_be_replaced_one_by_one(profile):
    new = {"numpy": Curve((1.0,), (1.0,))}
    changed = profile.having(("relu", "float32"), new, SOURCE)
    assert changed.curves == {KEY: CURVES, ("relu", "float32"): new}
    assert profile.curves == {KEY: CURVES}
