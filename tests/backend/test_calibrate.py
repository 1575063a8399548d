"""Calibration: what is measured, what is kept, and what happens when it is stopped."""

import errno
import multiprocessing

import numpy as np
import pytest

from accel.backend import calibrate, dispatch, known, race
from accel.backend import profile as profiles
from accel.backend.calibrate import CalibrationError, Step
from accel.backend.profile import Curve, ProfileError

RELU, MATMUL = Step("relu", "float32"), Step("matmul", "float32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "dispatch"
    dispatch.adopt()


def invented(functions, arguments, *, effort, failures):
    """A race in which NumPy's calls cost less, and one core's grow more slowly."""
    nbytes = max(each.nbytes for each in arguments if isinstance(each, np.ndarray))
    model = {"numpy": (100, 1.25), "numba": (1000, 1.0), "numba-threads": (20_000, 0.5)}
    times = {name: model[name][0] + model[name][1] * nbytes for name in functions}
    return race.Result(times, {name: 7 for name in functions}, {})


@pytest.fixture
def racing(monkeypatch):
    """Every race is invented; returns the steps that were measured."""
    done = []
    measured = calibrate.measured
    monkeypatch.setattr(calibrate, "WORKING_SETS", (256, 1024))

    def without_clock(step, runners, **options):
        done.append(step)
        return measured(step, runners, timed=invented)

    monkeypatch.setattr(calibrate, "measured", without_clock)
    return done


def test_each_operation_that_is_dispatched_takes_part_in_each_of_its_types():
    steps = calibrate.steps()
    assert {RELU, MATMUL, Step("matmul", "int64"), Step("conv2d_nhwc", "float64")} <= set(steps)
    assert len(set(steps)) == len(steps)


def test_float32_comes_first():
    dtypes = [step.dtype for step in calibrate.steps()]
    assert dtypes[: dtypes.count("float32")] == ["float32"] * dtypes.count("float32")


def test_all_steps_together_take_less_than_three_minutes():
    assert len(calibrate.steps()) * calibrate.STEP_S < 180


def test_operations_and_types_can_be_chosen():
    assert calibrate.steps(["matmul", "relu"], ["float64"]) == [
        Step("matmul", "float64"), Step("relu", "float64"),
    ]  # fmt: skip
    assert calibrate.steps(["relu", "relu"], ["float32"]) == [RELU]


@pytest.mark.parametrize("name", ["matmull", "window_sum"])
def test_an_operation_that_is_not_dispatched_is_refused_with_those_that_are(name):
    with pytest.raises(CalibrationError, match=f"no operation {name} .*matmul.*relu"):
        calibrate.steps([name])


def test_a_type_that_no_operation_has_is_refused_with_those_there_are():
    with pytest.raises(CalibrationError, match="no element type int64 .*float32, float64"):
        calibrate.steps(["relu"], ["int64"])


def test_backends_that_do_not_compete_take_no_part():
    names = [each.name for each in calibrate.members()]
    assert "python" not in names
    assert {"numpy", "numba", "numba-threads"} <= set(names)


def test_a_curve_goes_from_a_calls_own_cost_to_out_of_cache():
    outcome = calibrate.measured(RELU, calibrate.members(), timed=invented)
    assert set(outcome.curves) == {"numpy", "numba", "numba-threads"}
    curve = outcome.curves["numpy"]
    assert len(curve.work) >= 8
    assert curve.work[0] <= 256
    assert curve.work[-1] >= 2**25


@pytest.mark.parametrize("step", calibrate.steps(), ids=str)
def test_every_operation_has_enough_sizes(step):
    """Without running or making any: as many different ones as curves need."""
    from accel.kernels import registry

    op = registry.operation(step.operation)
    sizes = [tuple(op.sizes(size).items()) for size in calibrate.WORKING_SETS]
    assert len(set(sizes)) >= 8


def test_first_calls_are_added_up():
    outcome = calibrate.measured(RELU, calibrate.members(), timed=invented)
    assert outcome.first_ns == 3 * 7 * len(outcome.curves["numba"].work)


def test_a_series_ends_where_calls_get_long():
    def slow(functions, arguments, **options):
        return race.Result(dict.fromkeys(functions, 1e9), {}, {})

    outcome = calibrate.measured(RELU, calibrate.members(), timed=slow)
    assert len(outcome.curves["numpy"].work) == 1


def test_a_backend_far_behind_at_two_sizes_is_not_asked_about_larger_ones():
    """Short calls do not count, nor does a backend that comes back."""
    asked = []

    def timed(functions, arguments, **options):
        size = arguments[0].size
        asked.append(size)
        times = {"numba": 10.0 * size, "numba-threads": 85.0 * size, "numpy": 12.0 * size}
        if len(asked) % 2:
            times["numpy"] *= 8  # at every other size
        return race.Result({name: times[name] for name in functions}, {}, {})

    curves = calibrate.measured(RELU, calibrate.members(), timed=timed).curves
    assert len(curves["numpy"].work) == len(curves["numba"].work) == len(asked)
    enough = [size for size in asked if 10.0 * size >= calibrate.BEATEN_NS]
    assert len(enough) > 2
    assert len(curves["numba-threads"].work) == len(asked) - len(enough) + 2


def test_long_calls_whose_fastest_is_not_far_ahead_are_doubtful():
    works = (1.0, 2.0, 3.0, 4.0)
    one = Curve(works, (10_000, 100_000, 200_000, 1e9))
    all_cores = Curve(works, (10_500, 110_000, 100_000, 1e9))
    alone = Curve((5.0,), (100_000,))
    assert calibrate.doubtful({"a": one, "b": all_cores, "c": alone}) == {2.0}


def test_doubtful_sizes_are_timed_again_at_the_end_and_the_least_times_are_kept(monkeypatch):
    """What held the second core the first time is gone the second time."""
    order = []
    seen_before = set()

    def timed(functions, arguments, **options):
        size = arguments[0].size
        disturbed = size not in seen_before
        seen_before.add(size)
        order.append(size)
        times = {"numba": 50.0 * size, "numba-threads": 25.0 * size, "numpy": 70.0 * size}
        if disturbed and size > 5000:
            times["numba-threads"] = 51.0 * size
        return race.Result({name: times[name] for name in functions}, {}, {})

    measured = calibrate.measured
    monkeypatch.setattr(
        calibrate, "measured", lambda *given, **options: measured(*given, timed=timed, **options)
    )
    told = []
    profile = calibrate.calibrate(
        [RELU], calibrate.begun([RELU]), again=lambda step, done: told.append((step, done))
    )
    assert told == [(RELU, 0)]
    assert len(order) > len(set(order))
    curves = profile.curves[RELU.key]
    for work, one, both in zip(
        curves["numba"].work, curves["numba"].ns, curves["numba-threads"].ns, strict=False
    ):
        if calibrate.DOUBTFUL_NS < one < calibrate.TOO_LONG_NS:
            assert both == one / 2, work


def test_a_backend_that_fails_has_no_curve_and_is_named():
    def failing(functions, arguments, **options):
        found = invented(functions, arguments, **options)
        times = {name: ns for name, ns in found.ns.items() if name != "numba"}
        failures = {"numba": "OSError: lost"} if "numba" in functions else {}
        return race.Result(times, found.first_ns, failures)

    outcome = calibrate.measured(RELU, calibrate.members(), timed=failing)
    assert set(outcome.curves) == {"numpy", "numba-threads"}
    assert outcome.failures == {"numba": "OSError: lost"}


def test_if_all_backends_fail_the_calibration_does():
    def failing(functions, arguments, **options):
        return race.Result({}, {}, {name: "OSError: lost" for name in functions})

    with pytest.raises(CalibrationError, match="relu, float32 .*numpy: OSError: lost"):
        calibrate.measured(RELU, calibrate.members(), timed=failing)


def test_what_is_measured_is_kept_and_used_from_then_on(racing):
    found = calibrate.calibrate([RELU], calibrate.begun([RELU]))
    assert profiles.load() == found
    assert dispatch.current_profile().origin == str(profiles.path())


def test_what_was_measured_is_not_measured_again(racing):
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    calibrate.calibrate([RELU, MATMUL], calibrate.begun([RELU, MATMUL]))
    assert racing == [RELU, MATMUL]


def test_measured_anew_means_again_but_only_what_was_asked_for(racing):
    calibrate.calibrate([RELU, MATMUL], calibrate.begun([RELU, MATMUL]))
    calibrate.calibrate([RELU, MATMUL], calibrate.begun([RELU], anew=True))
    assert racing == [RELU, MATMUL, RELU]


def test_old_curves_serve_until_they_are_replaced(racing):
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    calibrate.begun([RELU], anew=True)
    assert set(profiles.load().curves) == {RELU.key}


def test_other_kernels_are_measured_again(racing, monkeypatch):
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    monkeypatch.setattr(calibrate, "kernels_digest", lambda: "of other kernels")
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    assert racing == [RELU, RELU]


def test_what_cannot_be_used_is_kept_beside_the_new_profile(racing, cache):
    cache.mkdir(parents=True)
    text = '{"kind": "accel-dispatch-profile", "schema": 99}'
    profiles.path().write_text(text)
    with pytest.warns(profiles.ProfileWarning):
        found = calibrate.begun([RELU])
    calibrate.calibrate([RELU], found)
    assert profiles.path().with_suffix(".aside").read_text() == text
    assert profiles.load().curves


def test_a_backend_that_came_later_is_measured_too(racing, monkeypatch):
    class Later(type(known.backend("numba"))):
        name = "later"

    everyone = calibrate.members()
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    monkeypatch.setattr(calibrate, "members", lambda: [*everyone, Later()])
    assert calibrate.missing(RELU, profiles.load())


def test_a_calibration_that_was_stopped_goes_on_where_it_stood(racing):
    def stop(step, done):
        if step == MATMUL:
            raise KeyboardInterrupt

    wanted = [RELU, MATMUL, Step("sum", "float32")]
    with pytest.raises(KeyboardInterrupt):
        calibrate.calibrate(wanted, calibrate.begun(wanted), begins=stop)
    assert set(profiles.load().curves) == {RELU.key}
    calibrate.calibrate(wanted, calibrate.begun(wanted))
    assert racing == wanted


def test_a_full_disk_loses_nothing_that_was_kept(racing, monkeypatch):
    calibrate.calibrate([RELU], calibrate.begun([RELU]))
    found = calibrate.begun([MATMUL])

    def full(new, where):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(profiles.os, "replace", full)
    with pytest.raises(ProfileError, match="No space left"):
        calibrate.calibrate([MATMUL], found)
    assert set(profiles.load().curves) == {RELU.key}


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(
    racing, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACCEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(CalibrationError, match="set ACCEL_CACHE"), calibrate.alone(
        profiles.folder()
    ):
        pass
    with pytest.raises(ProfileError, match="set ACCEL_CACHE"):
        calibrate.begun([RELU])
    assert racing == []


def _hold(folder, held, release):
    with calibrate.alone(folder):
        held.set()
        release.wait(30)


def test_a_second_process_is_told_who_calibrates(cache):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(cache, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(CalibrationError, match=f"process {other.pid} is calibrating already"):
            with calibrate.alone(cache):
                pytest.fail("both were let in")
    finally:
        release.set()
        other.join()
    with calibrate.alone(cache):  # the lock is free again
        assert (cache / "calibrating").read_text() != f"process {other.pid}"


def test_the_lock_of_a_process_that_was_killed_is_free(cache):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(cache, held, release))
    other.start()
    assert held.wait(30)
    other.kill()
    other.join()
    with calibrate.alone(cache):
        pass


def test_crossovers_tell_who_is_the_fastest_from_where_on():
    flat, steep = Curve((1.0, 1e4), (100.0, 100.0)), Curve((1.0, 1e4), (1.0, 10_000.0))
    (least, first), (at, second) = calibrate.crossovers({"flat": flat, "steep": steep})
    assert (least, first, second) == (1.0, "steep", "flat")
    assert at == pytest.approx(100, rel=0.13)


def test_one_backend_has_no_crossover():
    assert calibrate.crossovers({"numpy": Curve((5.0,), (1.0,))}) == [(5.0, "numpy")]


def test_a_real_calibration_measures_what_is_dispatched(monkeypatch):
    """One operation, two sizes, real kernels: only that times are there is judged."""
    monkeypatch.setattr(calibrate, "WORKING_SETS", (256, 1024))
    outcome = calibrate.measured(
        RELU, calibrate.members(), effort=race.Effort(sample_ns=1000, budget_ns=1, rounds=1)
    )
    assert all(len(curve.ns) == 2 for curve in outcome.curves.values())
    assert outcome.elapsed_ns > outcome.first_ns > 0
