"""Rivals: what the users of an operation would call otherwise, one module per library.

A library that is not installed is named with the reason, never passed over. Each module
has ``NAME``, ``available() -> reason or None``, ``version()``, ``hold() -> str`` (how its
threads are fixed, in words) and ``RIVALS``, a table of operations. Only `available` and
`version` may be called without loading the library.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

#: Library -> module; NumPy is always there.
MODULES = {
    "NumPy": "accel.bench.peers.numpy_peer",
    "SciPy": "accel.bench.peers.scipy_peer",
    "numexpr": "accel.bench.peers.numexpr_peer",
    "PyTorch": "accel.bench.peers.torch_peer",
    "JAX": "accel.bench.peers.jax_peer",
}

#: Variables that make a rival slower than it can be, beside those that workers drop anyway.
OVERRIDES = {
    "ATEN_CPU_CAPABILITY": "PyTorch uses no instructions newer than the set named",
    "DNNL_MAX_CPU_ISA": "oneDNN, in PyTorch, uses no instructions newer than the set named",
    "ONEDNN_MAX_CPU_ISA": "oneDNN, in PyTorch, uses no instructions newer than the set named",
    "DNNL_VERBOSE": "oneDNN prints a line for each call",
    "ONEDNN_VERBOSE": "oneDNN prints a line for each call",
    "JAX_DISABLE_JIT": "JAX leaves every function to the interpreter",
    "JAX_DEBUG_NANS": "JAX looks for NaN after each call",
    "XLA_FLAGS": "can take optimisations and threads from JAX",
    "VML_ACCURACY": "numexpr's vector library takes other code paths",
}


def module(name: str) -> ModuleType:
    """Return the module of a library, without loading the library."""
    return import_module(MODULES[name])


def installed() -> dict[str, str | None]:
    """Return for each library why it cannot be used here; None if it can."""
    return {name: module(name).available() for name in MODULES}
