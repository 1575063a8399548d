"""How long calls take on this machine, by operation, element type, backend and work.

A profile holds curves: for an operation and a backend, the time of a call at a few amounts of
work, measured by `accel calibrate`. Between them time is read off a straight line on two
logarithmic scales, on which most kernels are nearly straight; beyond the largest it grows in
proportion to the work; below the smallest it is constant, since that is the cost of the call.

Profiles are kept per machine, set of libraries and number of threads: one file each, below
the cache folder. One that belongs to another machine is not trusted. One that cannot be read
is set aside, not deleted. Where there is none, the one that comes with the library is used.
It is made by ``accel calibrate --anew`` on a quiet machine, and then::

    python -m accel.backend.shipping
"""

from __future__ import annotations

import bisect
import errno
import functools
import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs

from accel.timing import json_files, machine

KIND, SCHEMA = "accel-dispatch-profile", 1


class ProfileError(ValueError):
    """A profile cannot be used or kept; the message says why, and what to do."""


class OtherSchema(ProfileError):
    """A profile was written by a version of this library that keeps other things in it."""


class ProfileWarning(UserWarning):
    """A profile was found that is not used; the message says why, and what happens instead."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Time of a call against work.

    Parameters
    ----------
    work : tuple of float
        Amounts of work, rising; see `Operation.work`.
    ns : tuple of float
        Time of a call at each, in ns.

    Raises
    ------
    ProfileError
        If they are not as many, not positive and finite, or work does not rise.
    """

    work: tuple[float, ...]
    ns: tuple[float, ...]

    def __post_init__(self):
        if not self.work or len(self.work) != len(self.ns):
            raise ProfileError(
                f"a curve needs as many times as amounts of work, and one at least, got "
                f"{len(self.work)} and {len(self.ns)}"
            )
        if not all(a < b for a, b in zip(self.work, self.work[1:], strict=False)):
            raise ProfileError(f"work must rise along a curve, got {self.work}")
        if not all(math.isfinite(x) and x > 0 for x in (*self.work, *self.ns)):
            raise ProfileError("work and times of a curve must be positive and finite")

    def time_ns(self, work: float) -> float:
        """Return the predicted time of a call of so much work, in ns."""
        if work <= self.work[0]:
            return self.ns[0]
        if work >= self.work[-1]:
            return self.ns[-1] * work / self.work[-1]
        right = bisect.bisect_right(self.work, work)
        x0, x1 = self.work[right - 1], self.work[right]
        y0, y1 = self.ns[right - 1], self.ns[right]
        share = math.log(work / x0) / math.log(x1 / x0)
        return y0 * (y1 / y0) ** share


@dataclass(frozen=True, slots=True)
class Source:
    """What the curves of an operation and an element type were measured with.

    Parameters
    ----------
    code : str
        Digest of this library then; empty if they are to be measured again.
    backends : frozenset of str
        Those that were asked, also if they did not take the calls.
    """

    code: str
    backends: frozenset[str]


@dataclass(frozen=True)
class Profile:
    """Curves of one machine.

    Parameters
    ----------
    fingerprint : str
        Of machine, libraries and threads; see `here`.
    created : str
        When it was begun, as ISO 8601.
    curves : mapping
        ``(operation, dtype)`` to backend to `Curve`.
    origin : str
        Where it comes from, for `accel.explain`: a path, or "shipped".
    machine : str
        The machine in words.
    sources : mapping
        ``(operation, dtype)`` to `Source`.
    """

    fingerprint: str
    created: str
    curves: Mapping[tuple[str, str], Mapping[str, Curve]]
    origin: str = "memory"
    machine: str = ""
    sources: Mapping[tuple[str, str], Source] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "machine": self.machine,
            "created": self.created,
            "curves": [self._entry(key) for key in sorted(self.curves)],
        }

    def _entry(self, key: tuple[str, str]) -> dict[str, Any]:
        source = self.sources.get(key, Source("", frozenset()))
        return {
            "operation": key[0],
            "dtype": key[1],
            "code": source.code,
            "backends": sorted(source.backends),
            "times": {
                name: {"work": list(curve.work), "ns": list(curve.ns)}
                for name, curve in sorted(self.curves[key].items())
            },
        }

    def having(
        self, key: tuple[str, str], curves: Mapping[str, Curve], source: Source
    ) -> Profile:
        """Return this profile with the curves of an operation and element type replaced."""
        return replace(
            self, curves={**self.curves, key: curves}, sources={**self.sources, key: source}
        )


def parsed(document: Any, origin: str = "memory") -> Profile:
    """Return the profile that plain data describe.

    Raises
    ------
    ProfileError
        If they describe none that this version can read.
    """
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ProfileError("it is no dispatch profile")
    if document.get("schema") != SCHEMA:
        raise OtherSchema(f"it has schema {document.get('schema')!r}, this version reads {SCHEMA}")
    curves: dict[tuple[str, str], dict[str, Curve]] = {}
    sources: dict[tuple[str, str], Source] = {}
    try:
        for each in document["curves"]:
            key = str(each["operation"]), str(each["dtype"])
            sources[key] = Source(str(each["code"]), frozenset(map(str, each["backends"])))
            curves[key] = {
                str(name): Curve(tuple(map(float, c["work"])), tuple(map(float, c["ns"])))
                for name, c in each["times"].items()
            }
        texts = [document[name] for name in ("fingerprint", "created", "machine")]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProfileError(f"it is damaged ({type(error).__name__}: {error})") from error
    if not all(isinstance(text, str) for text in texts):
        raise ProfileError("it is damaged: fingerprint, created and machine must be text")
    return Profile(texts[0], texts[1], curves, origin, texts[2], sources)


def folder() -> Path:
    """Return where profiles are kept: below ``$ACCEL_CACHE`` or the user's cache folder."""
    return Path(os.environ.get("ACCEL_CACHE") or platformdirs.user_cache_dir("accel")) / "dispatch"


@functools.cache
def here() -> str:
    """Return what a profile must say to belong to this machine, these libraries and threads.

    The BLAS is the one that NumPy was built with: which others a process has loaded by now
    changes no time.

    Cost
    ----
    Some milliseconds, once.
    """
    import numpy as np

    software = machine.software()
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    blas = [{"name": built.get("name"), "version": built.get("version")}]
    number = machine.fingerprint(machine.describe(), {**software, "blas": blas})
    return f"{number}-{'-'.join(map(str, _threads(software)))}"


def _threads(software: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many threads compiled kernels use, and how many NumPy's products."""
    import numba

    return numba.config.NUMBA_NUM_THREADS, max(each["threads"] or 1 for each in software["blas"])


def words_for_here() -> str:
    """Return this machine in words: processor, threads, NumPy and its BLAS."""
    facts, software = machine.describe(), machine.software()
    numba_threads, blas_threads = _threads(software)
    blas = software["blas"][0]
    return (
        f"{facts['model'] or facts['architecture']}; Numba {software['numba']}, "
        f"{machine.counted(numba_threads, 'thread')}; NumPy {software['numpy']} with "
        f"{blas['name']} {blas['version']}, {machine.counted(blas_threads, 'thread')}"
    )


def path() -> Path:
    """Return where the profile of this machine is, or would be."""
    return folder() / f"{here()}.json"


def save(profile: Profile, where: Path | None = None) -> Path:
    """Write a profile: into a temporary file first, which then takes the other's place.

    Raises
    ------
    ProfileError
        If it cannot be written; the one that was there is as it was.
    """
    from accel.timing.records import replace_text  # heavier than a first dispatch need load

    where = path() if where is None else where
    text = json.dumps(profile.document(), allow_nan=False)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        replace_text(where, text)
    except OSError as error:
        remedy = "set ACCEL_CACHE to a folder that can be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space and run accel calibrate again: it goes on where it stood"
        raise ProfileError(
            f"cannot keep the profile in {where.parent} ({error.strerror}); {remedy}"
        ) from error
    return where


def load(where: Path | None = None) -> Profile | None:
    """Return the profile of this machine, or None if there is none that can be used.

    A damaged file is set aside under another name, with a warning; one of another machine or
    schema is left to whom it serves. The profile says in `origin` where it is.
    """
    where = path() if where is None else where
    if not where.exists():
        _warn_of_others(where.parent)
        return None
    try:
        profile = parsed(json_files.read(where), str(where))
    except json_files.Unreadable as error:
        _warn(f"{where} cannot be read ({error})")
        return None
    except OtherSchema as error:
        _warn(f"{where} is not used: {error}")
        return None
    except (ProfileError, json_files.Damaged) as error:
        _warn(f"{where} cannot be used: {error}; {set_aside(where)}")
        return None
    if profile.fingerprint != here():
        _warn(
            f"{where} was measured on another machine, or with other libraries or threads "
            f"({profile.fingerprint}, this is {here()}), and is not used"
        )
        return None
    return profile


def shipped() -> Profile:
    """Return the profile that comes with this library, measured on another machine.

    Where one backend overtakes another differs less between machines than how long either
    takes; it is better than none.
    """
    text = resources.files("accel.backend").joinpath("shipped.json").read_text("utf-8")
    return parsed(json.loads(text), "shipped")


def _warn_of_others(where: Path) -> None:
    """Say so if there are profiles, but of other machines."""
    others = sorted(each.stem for each in where.glob("*.json"))
    if others:
        _warn(
            f"{where} has {machine.counted(len(others), 'profile')} of another machine, or of "
            f"other libraries or threads ({', '.join(others)}; this is {here()}), which "
            f"{'is' if len(others) == 1 else 'are'} not used"
        )


def set_aside(where: Path) -> str:
    """Give a file that cannot be used another name that is free, and say what became of it."""
    aside, number = where.with_suffix(".aside"), 1
    while aside.exists():
        number += 1
        aside = where.with_suffix(f".aside-{number}")
    try:
        os.replace(where, aside)
    except OSError as error:
        return f"it could not be set aside ({error.strerror})"
    return f"it is set aside as {aside.name}"


def _warn(what: str) -> None:
    warnings.warn(
        f"{what}; the shipped defaults are used until accel calibrate has run",
        ProfileWarning,
        stacklevel=3,
    )
