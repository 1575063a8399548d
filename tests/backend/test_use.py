"""accel.use and accel.backend.dispatch.watching: whose policy holds where, and until when."""

import asyncio
import contextvars

import numpy as np
import pytest
from pretended import Copies, Device, flat_profile, in_thread, relu

import accel
from accel.backend import dispatch
from accel.backend.base import BackendError

X = np.array([-1, 2], "float32")


@pytest.fixture
def two(backends):
    members = backends(Copies("numpy"), Copies("numba"))
    dispatch.adopt(flat_profile(numpy=((8, 1),), numba=((8, 2),)))
    return members


def now():
    return dispatch.policy().name


def alone(function):
    """Run a test in a context of its own, so that what it leaves in force ends with it."""
    return contextvars.copy_context().run(function)


def test_an_unknown_backend_is_named_with_those_there_are_and_the_nearest(two):
    with pytest.raises(
        BackendError, match="no backend 'nmupy'; there are auto, numpy, numba; did you mean 'numpy'"
    ):
        accel.use("nmupy")
    with pytest.raises(BackendError, match="no backend 'NUMBA'; .*did you mean 'numba'"):
        accel.use("NUMBA")
    assert now() == "auto"


@pytest.mark.parametrize("name", ["quantum", None, 3, ["quantum"]])
def test_what_is_near_to_no_name_is_refused_too(two, name):
    with pytest.raises(BackendError, match="there are auto, numpy, numba$"):
        accel.use(name)


def test_a_backend_that_is_not_there_says_how_to_get_it(backends):
    reason = "it needs CuPy: pip install accel-book[cuda]"
    backends(Copies("cuda", unavailable=reason), Copies("numpy"))
    with pytest.raises(BackendError) as raised:
        accel.use("cuda")
    assert str(raised.value) == f"backend 'cuda' is not available: {reason}"
    assert now() == "auto"


def test_a_block_ends_with_what_was_before(two):
    with accel.use("numpy"):
        with accel.use("numba"):
            assert now() == "numba"
            with accel.use("auto"):
                assert now() == "auto"
        assert now() == "numpy"
    assert now() == "auto"


def test_a_block_that_raises_ends_with_what_was_before(two):
    with pytest.raises(ZeroDivisionError), accel.use("numpy"):
        1 / 0  # noqa: B018
    assert now() == "auto"


def test_without_a_block_it_stays_in_force(two):
    numpy, numba = two

    def script():
        accel.use("numba")
        relu(X)
        with accel.use("numpy"):
            relu(X)
        relu(X)
        return now()

    assert alone(script) == "numba"
    assert (numpy.runs, numba.runs) == (1, 2)
    assert now() == "auto"


def test_an_object_serves_several_blocks_also_within_each_other(two):
    chosen = accel.use("numpy")
    with chosen:
        with chosen:
            assert now() == "numpy"
        assert now() == "numpy"
    assert now() == "auto"
    with chosen:
        assert now() == "numpy"
    assert now() == "auto"


def test_a_thread_begins_with_auto_and_disturbs_nobody(two):
    def work():
        before = now()
        accel.use("numba")
        return before, now()

    with accel.use("numpy"):
        assert in_thread(work) == ("auto", "numba")
        assert now() == "numpy"


def test_a_thread_that_takes_the_context_along_keeps_the_policy(two):
    with accel.use("numpy"):
        assert asyncio.run(asyncio.to_thread(now)) == "numpy"


def test_tasks_do_not_disturb_each_other(two):
    numpy, numba = two

    async def work(name, turns):
        with accel.use(name):
            for _ in range(turns):
                await asyncio.sleep(0)
                assert now() == name
                relu(X)

    async def both():
        with accel.use("numba"):
            await asyncio.gather(work("numpy", 5), work("numba", 7), work("auto", 2))
            return now()

    assert asyncio.run(both()) == "numba"
    assert (numpy.runs, numba.runs) == (7, 7)


def test_options_go_to_the_backend(backends):
    (device,) = backends(Device("device"))
    with accel.use("device", number=3):
        assert device.number == 3


def test_options_that_there_are_not_are_refused(two):
    for name in ("numpy", "auto"):
        with pytest.raises(BackendError, match=f"{name}.* takes no options, got number"):
            accel.use(name, number=3)
    assert now() == "auto"


def test_with_other_options_a_backend_may_try_again(backends):
    device, numpy = backends(Device("device", failing=OSError("gone")), Copies("numpy"))
    dispatch.adopt(flat_profile(device=((8, 1),), numpy=((8, 2),)))
    with pytest.warns(dispatch.FallbackWarning):
        relu(X)
    with accel.use("device", number=1):
        relu(X)
    relu(X)
    assert (device.runs, numpy.runs) == (3, 1)


# Watching


@pytest.mark.parametrize("compute", [True, False])
def test_who_watches_sees_each_call_and_decides_whether_it_is_computed(two, compute):
    relu(X)  # a plan that is there already is seen as well
    with dispatch.watching(compute=compute) as seen:
        answers = [relu(X), relu(X), relu(np.ones(5))]
    assert [(each.backend, each.shapes) for each in seen.choices] == [
        ("numpy", ((2,),)),
        ("numpy", ((2,),)),
        ("numpy", ((5,),)),
    ]
    np.testing.assert_array_equal(answers[0], [0, 2] if compute else [np.nan, np.nan])
    relu(X)
    assert len(seen.choices) == 3


def test_who_watches_sees_what_the_code_asks_others_to_run(two):
    numpy, numba = two
    with dispatch.watching(compute=False) as seen:
        with accel.use("numba"):
            relu(X)
        relu(X)
    assert [each.backend for each in seen.choices] == ["numba", "numpy"]
    assert (numpy.runs, numba.runs) == (0, 0)


def test_who_watches_sees_who_ran_it_in_the_end(two):
    numpy, numba = two
    numpy.failing = RuntimeError("gone")
    with dispatch.watching(compute=True) as seen, pytest.warns(dispatch.FallbackWarning):
        relu(X)
    assert [each.backend for each in seen.choices] == ["numba"]
    relu(X)
    assert (numpy.runs, numba.runs) == (1, 2)


def test_of_two_who_watch_both_see_it_and_nothing_is_computed_unless_both_agree(two):
    with dispatch.watching(compute=False) as outer:
        relu(X)
        with dispatch.watching(compute=True) as inner:
            relu(X)
    assert (len(outer.choices), len(inner.choices)) == (2, 1)
    assert [each.runs for each in two] == [0, 0]


def test_watching_ends_with_the_block_whatever_happens(two):
    with pytest.raises(ZeroDivisionError), dispatch.watching(compute=False):
        1 / 0  # noqa: B018
    np.testing.assert_array_equal(relu(X), [0, 2])


def test_what_numpy_computed_itself_is_counted_within_the_block_only(two):
    dispatch.policy().fallbacks["sort", "nobody can"] += 1
    with dispatch.watching(compute=True) as seen:
        dispatch.policy().fallbacks["median", "nobody can"] += 2
        accel.use("numba")
    assert seen.fallbacks == {("median", "nobody can"): 2}
    assert now() == "auto"
