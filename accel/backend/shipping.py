"""Make this machine's profile the one that comes with the library.

``accel calibrate --anew`` on a quiet machine, then ``python -m accel.backend.shipping``. Times
are rounded to three digits: no more of them holds elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from accel.backend import profile as profiles
from accel.backend.calibrate import steps
from accel.backend.profile import Curve, Profile, ProfileError

SHIPPED = Path(__file__).with_name("shipped.json")


def rounded(profile: Profile) -> Profile:
    """Return a profile with times and work to three digits."""
    curves = {
        key: {name: rounded_curve(curve) for name, curve in backends.items()}
        for key, backends in profile.curves.items()
    }
    return replace(profile, curves=curves)


def rounded_curve(curve: Curve) -> Curve:
    """Return a curve with times and work to three digits."""
    pairs = zip(curve.work, curve.ns, strict=True)
    points = {float(f"{work:.3g}"): float(f"{ns:.3g}") for work, ns in pairs}
    return Curve(tuple(points), tuple(points.values()))


def ship(where: Path = SHIPPED) -> Path:
    """Write this machine's profile, rounded, to where `accel.backend.profile.shipped` reads it.

    Raises
    ------
    ProfileError
        If this machine has no complete profile, or the file cannot be written.
    """
    found = profiles.load()
    if found is None:
        raise ProfileError("this machine has no profile; run accel calibrate first")
    lacking = [str(step) for step in steps() if step.key not in found.curves]
    if lacking:
        raise ProfileError(
            f"this machine's profile lacks {', '.join(lacking)}; run accel calibrate first"
        )
    return profiles.save(rounded(found), where)


if __name__ == "__main__":
    print(ship())
