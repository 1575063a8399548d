"""Backends by name: this library's, and those that installed packages bring."""

import sys
import textwrap
import threading

import numpy as np
import pytest

import accel
from accel.backend import known
from accel.backend.base import BackendError, ComputeBackend
from accel.backend.known import BackendWarning

OURS = ("python", "numpy", "numba", "numba-threads")

MODULE = """
    import numpy as np
    from accel.backend.base import ComputeBackend

    class Halves(ComputeBackend):
        '''Half of what relu is, so that its answers are told from others'.'''
        name = {name!r}

        def available(self):
            return None

        def supports(self, call):
            return None if call.operation == "relu" else "it runs relu only"

        def run(self, call):
            x, out = call.arguments
            np.maximum(x, 0, out=out)
            out /= 2
"""


@pytest.fixture
def install(tmp_path, monkeypatch, policies):
    """``install(distribution, module, entry points)`` puts a distribution on sys.path."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def installed(distribution, code, **entries):
        (tmp_path / f"{distribution}.py").write_text(textwrap.dedent(code), "utf-8")
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8"
        )
        lines = [f"{name} = {distribution}:{what}" for name, what in entries.items()]
        text = "\n".join(["[accel.backends]", *lines, ""])
        (info / "entry_points.txt").write_text(text, "utf-8")
        known._all.cache_clear()

    yield installed
    known._all.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("pretend_"):
            del sys.modules[name]


def test_this_librarys_backends_are_there():
    assert list(known.names())[:4] == list(OURS)
    for name in known.names():
        assert isinstance(known.backend(name), ComputeBackend)
        assert known.backend(name).name == name


def test_there_is_one_object_of_each_also_for_threads_that_ask_first(install):
    install("pretend_halves", MODULE.format(name="halves"), halves="Halves")
    begin, found = threading.Barrier(6), []

    def work():
        begin.wait()
        found.append(known.backend("halves"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 6 and len(set(map(id, found))) == 1


def test_a_backend_of_an_installed_package_runs_calls(install):
    install("pretend_halves", MODULE.format(name="halves"), halves="Halves")
    assert known.names()[-1] == "halves"
    x = np.array([-1, 3], "float32")
    with accel.use("halves"):
        np.testing.assert_array_equal(accel.relu(x), [0, 1.5])
        with pytest.raises(BackendError, match="halves: it runs relu only"):
            accel.exp(x)
    np.testing.assert_array_equal(accel.relu(x), [0, 3])


BROKEN = {
    "missing": ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named"),
    "empty": ("", "AttributeError: .*no attribute 'Halves'"),
    "garbled": ("class Halves(:", "SyntaxError"),
    "failing": ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
    "impatient": ("class Halves:\n    def __init__(self, port): ...", "TypeError: .*'port'"),
    "abstract": (
        "from accel.backend.base import ComputeBackend\nclass Halves(ComputeBackend): ...",
        "TypeError: Can't instantiate abstract class Halves",
    ),
    "stranger": ("class Halves: name = 'stranger'", "is no ComputeBackend but Halves"),
    "renamed": (MODULE.format(name="thirds"), "calls itself 'thirds'"),
    "nameless": (MODULE.replace("name = {name!r}", ""), "calls itself None"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_is_named_and_left_out_and_harms_nobody(install, kind):
    code, reason = BROKEN[kind]
    install(f"pretend_{kind}", code, **{kind: "Halves"})
    install("pretend_halves", MODULE.format(name="halves"), halves="Halves")
    match = rf"the backend '{kind}' \(pretend_{kind}:Halves\) .*{reason}.*; it is left out"
    with pytest.warns(BackendWarning, match=match) as said:
        names = known.names()
    assert len(said) == 1
    assert kind not in names and {"halves", *OURS} <= set(names)
    with accel.use("numpy"):
        assert accel.relu(np.array([2.0]))[0] == 2


@pytest.mark.parametrize("taken", ["numpy", "auto"])
def test_a_name_that_is_taken_stays_with_its_owner(install, taken):
    install("pretend_thief", MODULE.format(name=taken), **{taken: "Halves"})
    with pytest.warns(BackendWarning, match=rf"'{taken}' \(pretend_thief:Halves\) has a name that"):
        known.names()
    assert known.backend("numpy").__class__.__module__ == "accel.backend.ladder_backends"
    with accel.use(taken):
        assert accel.relu(np.array([2.0]))[0] == 2


def test_of_two_packages_with_one_name_the_first_is_kept(install):
    install("pretend_a", MODULE.format(name="halves"), halves="Halves")
    install("pretend_b", MODULE.format(name="halves"), halves="Halves")
    with pytest.warns(BackendWarning, match="'halves' .* has a name that is taken already"):
        known.names()
    assert known.names().count("halves") == 1
