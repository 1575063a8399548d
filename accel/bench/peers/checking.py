"""Does every library that is installed give the right answers?

Tried on the edge cases of each operation, as kernels are, and judged by the same oracle.
A rival that computes something else would be compared with for nothing.
"""

from __future__ import annotations

import numpy as np

from accel.agreement import difference
from accel.bench import peers
from accel.kernels import operation
from accel.kernels.registry import FAMILIES

#: What a library may raise where an operation is not for it.
FAILURES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RuntimeError,
            TypeError, ValueError)  # fmt: skip


def cases(name: str) -> list[dict]:
    """Return the edge cases of an operation that have something in every array."""
    op = operation(name)
    found = []
    for parameters in op.edges:
        arrays = [a for a in op.inputs(**parameters) if isinstance(a, np.ndarray)]
        plain = all(a.flags.c_contiguous for a in arrays)  # layouts are the front door's business
        if all(a.size for a in arrays) and plain and "values" not in parameters:
            found.append(dict(parameters))
    return found


def complaint(library: str, name: str, parameters: dict, dtype: str = "float32") -> str | None:
    """Return what is wrong with a library's answer in one case; None if nothing is."""
    op = operation(name)
    arguments = op.inputs(**{**parameters, "dtype": dtype})
    expected, tolerance = op.oracle(*arguments)
    originals = [np.copy(a) if isinstance(a, np.ndarray) else None for a in arguments]
    adapt = peers.module(library).RIVALS[name]
    try:
        own = adapt(*arguments)
        for i in op.mutates:  # choosing the fastest way may have made calls
            np.copyto(arguments[i], originals[i])
        adapt.target(*own)
        got = np.asarray(own[-1])
    except FAILURES as error:
        return f"raised {type(error).__name__}: {error}"
    return difference(got, expected, tolerance)


def complaints(library: str, dtype: str = "float32") -> dict[str, list[str]]:
    """Return for each operation of a library that is registered here what is wrong with it.

    Raises
    ------
    ValueError
        If the library is not installed.
    """
    module = peers.module(library)
    if module.available():
        raise ValueError(module.available())
    found: dict[str, list[str]] = {}
    for name in module.RIVALS:
        if name not in FAMILIES or dtype not in _dtypes(name):
            continue
        found[name] = []
        for parameters in cases(name):
            wrong = complaint(library, name, parameters, dtype)
            if wrong:
                where = ", ".join(f"{key}={value}" for key, value in parameters.items())
                found[name].append(f"{where}: {wrong}")
    return found


def _dtypes(name: str) -> set[str]:
    from accel.kernels import ladder

    return {dtype for kernel in ladder(name) for dtype in kernel.dtypes}
