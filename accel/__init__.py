"""Kernels, and how to measure them.

`accel.kernels` holds what is measured, `accel.timing` how, `accel.simd` the
vector registers that the fastest kernels are written with. The operations of
`accel.ops` are attributes here too: ``accel.gelu(x)``. Each is loaded when it is first
asked for: ``import accel`` itself imports nothing heavy.
"""

from importlib import import_module
from typing import Any

_ROOMS = ("agreement", "bench", "figures", "kernels", "ops", "simd", "timing")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"accel.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("accel-book")
    operations = import_module("accel.ops")
    if name in operations.__all__:
        globals()[name] = getattr(operations, name)  # the next lookup costs nothing
        return globals()[name]
    raise AttributeError(f"module 'accel' has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return [*_ROOMS, *import_module("accel.ops").__all__, "__version__"]
