"""Kernels, and how to measure them.

`accel.kernels` holds what is measured, `accel.timing` how, `accel.simd` the
vector registers that the fastest kernels are written with. The operations of
`accel.ops` are attributes here too: ``accel.gelu(x)``. Who computes them, `accel.use` says;
`accel.asarray` makes NumPy code that knows nothing of this library call them. Each is loaded
when it is first asked for: ``import accel`` itself imports nothing heavy.
"""

from importlib import import_module
from typing import Any

_ROOMS = ("agreement", "arrays", "backend", "bench", "figures", "kernels", "ops", "simd", "timing")

#: What is more than an operation, and where it lives.
_DOORS = {
    "Array": "accel.arrays",
    "BackendError": "accel.backend",
    "asarray": "accel.arrays",
    "explain": "accel.arrays",
    "use": "accel.backend",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"accel.{name}")
    if name in _DOORS:
        globals()[name] = getattr(import_module(_DOORS[name]), name)
        return globals()[name]
    if name == "__version__":
        from importlib.metadata import version

        return version("accel-book")
    operations = import_module("accel.ops")
    if name in operations.__all__:
        globals()[name] = getattr(operations, name)  # the next lookup costs nothing
        return globals()[name]
    raise AttributeError(f"module 'accel' has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return [*_ROOMS, *_DOORS, *import_module("accel.ops").__all__, "__version__"]
