"""How many digits of an answer are right: what a cheaper algorithm may cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from accel.kernels.registry import kernel, operation


def right_digits(
    name: str, steps: Sequence[str], *, part: slice = slice(None), **parameters
) -> dict[str, float]:
    """Return how many decimal digits of the worst element are right, step by step.

    The largest error, relative to the root mean square of the right answer, as a number
    of digits: 3.0 means that it is a thousandth.

    Parameters
    ----------
    name : str
        Operation.
    steps : sequence of str
        Kernels.
    part : slice
        The elements that are looked at.
    **parameters
        Passed to the operation's `inputs`.

    Returns
    -------
    dict
        Kernel to digits, infinite if nothing differs.

    Raises
    ------
    KeyError
        If there is no such operation or kernel.
    ValueError
        If the answer has no element in `part`, or is all zeros there.
    """
    op = operation(name)
    arguments = op.inputs(**parameters)
    expected = op.oracle(*arguments)[0][part]
    scale = math.sqrt(float(np.mean(expected**2))) if expected.size else 0.0
    if scale == 0:
        raise ValueError(
            f"right_digits: {name} has {expected.size} elements in {part}, expected some that "
            "are not zero; choose other parameters"
        )
    found = {}
    for step in steps:
        entry = kernel(name, step)
        own = entry.adapt(*arguments) if entry.adapt else arguments
        entry.function(*own)
        error = float(np.max(np.abs(np.asarray(own[-1])[part] - expected)))
        found[step] = -math.log10(error / scale) if error else math.inf
    return found
