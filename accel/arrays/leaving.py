"""What NumPy computes itself: with its own arrays, and counted with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from accel.backend.dispatch import Policy

ND = np.ndarray

#: Numbers that a ufunc takes as they are, by type.
NUMBERS = frozenset(
    {bool, int, float, complex, *(np.dtype(each).type for each in "?bBhHiIlLqQefdgFDG")}
)


class Left(NamedTuple):
    """A call that is left to NumPy.

    Parameters
    ----------
    why : str
        As after "because"; empty where NumPy is as fast as anything, and nobody need know.
    """

    why: str


#: Elements from which a function is worth a thought, where its loop has not been timed yet.
LONG = 4096

#: Function, or function and "out" -> the same, where its loop is slow, or was timed.
long_from: dict = {
    np.power: 64,
    np.exp: 1 << 15,
    np.maximum: 1 << 15,
    np.matmul: 1 << 14,
    (np.power, "out"): 64,
    (np.exp, "out"): 1 << 15,
    (np.maximum, "out"): 1 << 15,
    (np.matmul, "out"): 1 << 14,
}

#: Reductions that were found to be short, by function, method, shape, strides and axis; at most
#: so many are remembered.
short_reductions: set[tuple] = set()
MOST_REMEMBERED = 4096

#: A call that is too short for anything but NumPy to pay, or that NumPy will refuse.
SHORT = Left("")


def plain(x: Any, array: type[ND]) -> Any:
    """Return NumPy's own view of an `Array`, in lists, tuples and dicts too; else the argument.

    Parameters
    ----------
    x
    array : type
        `accel.arrays.Array`, which is made of this.
    """
    if isinstance(x, array):
        return x.view(ND)
    kind = type(x)
    if kind is list or kind is tuple:
        return kind([plain(each, array) for each in x])
    if kind is dict:
        return {key: plain(each, array) for key, each in x.items()}
    return x


def wrapped(result: Any, array: type[ND]) -> Any:
    """Return a result of NumPy with its arrays, also those in tuples and lists, as `Array`."""
    kind = type(result)
    if kind is ND:
        return result.view(array)
    if kind is list or kind is tuple:
        return kind([wrapped(each, array) for each in result])
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return kind(*[wrapped(each, array) for each in result])
    return result


def computed_by_numpy(
    function: Callable, args: tuple, keywords: dict[str, Any], array: type[ND]
) -> Any:
    """Call a function of NumPy with plain arrays, and wrap what it returns.

    An argument that the function returns, `out` above all, is returned as it was given.
    """
    own = plain(list(args), array), plain(keywords, array)
    result = function(*own[0], **own[1])
    if type(result) is ND:
        given = [*zip(own[0], args, strict=True), *((own[1][k], keywords[k]) for k in keywords)]
        for mine, original in given:
            if result is mine:
                return original
    return wrapped(result, array)


def count(policy: Policy, function: Callable, method: str, left: Left) -> None:
    """Note that NumPy computes a call, for `accel.explain`."""
    if left.why:
        policy.fallbacks[name(function, method), left.why] += 1


def name(function: Callable, method: str = "__call__") -> str:
    """Return the name that users know a function of NumPy by."""
    module = getattr(function, "__module__", None) or ""
    inner = module.removeprefix("numpy.").removeprefix("numpy")
    path = "" if not inner or inner.startswith(("_", "lib", "ma")) else f"{inner}."
    return f"{path}{function.__name__}" + ("" if method == "__call__" else f".{method}")
