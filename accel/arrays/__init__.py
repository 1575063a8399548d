"""Arrays that make NumPy code that knows nothing of this library call its kernels.

`accel.asarray` returns an `Array`. It is an ``ndarray``; what NumPy code does with it goes to
the kernels of `accel.ops` where there is one for it, to NumPy's loops on all cores where they
are long, and else to NumPy as it is. `accel.explain` says which.
"""

from importlib import import_module
from typing import Any

#: What is here, and in which file.
_HOMES = {"Array": "array", "asarray": "array", "explain": "explaining"}

__all__ = ["Array", "asarray", "explain"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        globals()[name] = getattr(import_module(f"accel.arrays.{_HOMES[name]}"), name)
        return globals()[name]
    raise AttributeError(
        f"module 'accel.arrays' has no attribute {name!r}; it has {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return __all__
