"""The task of page 17: how much may a call move, and still gain?"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from accel.findings.offload import Device, largest_share


def check_affordable(function: Callable[[float, float, float, Device], float]) -> list[str]:
    """Try a function that says how many bytes a call may move, and still gain as wanted.

    Parameters
    ----------
    function : callable
        ``function(cpu_ns, faster, wanted, device)`` returns the most bytes, or 0 if latency
        alone is too long: every computation takes ``cpu_ns / faster`` on the device.

    Returns
    -------
    complaints : list of str
        One line for each call for which it is wrong; empty if it never is.
    """
    chance = random.Random(17)
    complaints = []
    for _ in range(40):
        device = Device(
            "a device", "the check", 1e4, 1e3, chance.choice((4.0, 16.0, 64.0)),
            chance.choice((0.0, 5e3, 2e4)),
        )  # fmt: skip
        cpu_ns, faster = 10 ** chance.uniform(3, 9), chance.choice((1.2, 3.0, 10.0, 100.0))
        wanted = chance.choice((1.0, 1.5, 2.0, 5.0))
        most = device.link_gb_s * (largest_share(faster, wanted) * cpu_ns - device.latency_ns)
        expected = max(0.0, most)
        call = f"cpu_ns={cpu_ns:.4g}, faster={faster}, wanted={wanted}, {device}"
        try:
            got = float(function(cpu_ns, faster, wanted, device))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            complaints.append(f"{call}: raised {type(error).__name__}: {error}")
            continue
        if not math.isclose(got, expected, rel_tol=1e-6, abs_tol=1.0):
            complaints.append(f"{call}: expected {expected:.6g} bytes, got {got:.6g}")
    return complaints
