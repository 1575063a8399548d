"""Copies of functions whose NumPy counts.

A kernel refers to `np` and `math` by name. Its copy is the same code with other things
behind those names, so that arrays it makes and functions it calls are counted too.
"""

from __future__ import annotations

import dis
import math
import sys
from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from accel.timing.counting.arrays import made_here
from accel.timing.counting.log import CountError, Log
from accel.timing.counting.numbers import CountedFunctions

#: Functions of NumPy that make an array, and whether they write its elements.
MAKERS = {
    "empty": False, "zeros": True, "ones": True, "full": True, "arange": True,
    "linspace": True, "eye": True, "array": True,
}  # fmt: skip


class Copies:
    """Copies of functions in which NumPy, `math` and the functions they call count too."""

    def __init__(self, log: Log):
        self.log = log
        self.made: dict[int, FunctionType] = {}

    def of(self, function: Callable) -> Callable:
        """Return the copy of a function; a function of NumPy's is its own."""
        original = _original(function)
        if id(original) in self.made:  # it calls itself
            return self.made[id(original)]
        if _of_numpy(original):
            return original
        if not isinstance(original, FunctionType):
            raise CountError(
                f"{function!r} cannot be counted: expected a Python function, one compiled by "
                f"Numba, or one of NumPy, got {type(function).__name__}"
            )
        name, namespace = original.__name__, dict(original.__globals__)
        cells = [CellType() for _ in original.__closure__ or ()]
        copy = FunctionType(
            original.__code__, namespace, name, original.__defaults__, tuple(cells) or None
        )
        copy.__kwdefaults__ = original.__kwdefaults__
        self.made[id(original)] = copy
        for each in sorted(set(_globals_of(original.__code__)) & set(namespace)):
            namespace[each] = self.twin(namespace[each], each, name)
        for cell, old, each in zip(
            cells, original.__closure__ or (), original.__code__.co_freevars, strict=True
        ):
            cell.cell_contents = self.twin(old.cell_contents, each, name)
        return copy

    def twin(self, value: Any, name: str, user: str) -> Any:
        """Return what stands in for something that a function refers to."""
        if value is np:
            return CountingNumPy(self.log)
        if value is math:
            return CountedFunctions(math, self.log)
        if _compiled_only(value):
            raise CountError(
                f"{user} uses {name}, vector registers or other instructions that exist in "
                "compiled code only; count a kernel of plain loops"
            )
        if isinstance(value, np.ndarray):
            raise CountError(
                f"{user} uses the array {name}, which is no argument: its accesses would not be "
                "counted; pass it to the function"
            )
        own_name = getattr(value, "__name__", "")
        if own_name in MAKERS and value is getattr(np, own_name):  # imported by name
            return getattr(CountingNumPy(self.log), own_name)
        if isinstance(value, ModuleType) and own_name.startswith("numpy."):
            raise CountError(
                f"{user} uses {own_name}: what its functions touch is not known; use functions "
                "of numpy itself, or loops"
            )
        if isinstance(value, ModuleType) and _ours(value):
            return CountingModule(self, value, user)
        original = _original(value) if callable(value) and not isinstance(value, type) else None
        copied = isinstance(original, FunctionType) and _ours(original)
        return self.of(original) if copied else value


def _original(function: Any) -> Any:
    """Return the Python function inside decorators and compilers."""
    while not _of_numpy(function):
        inner = getattr(function, "py_func", None) or getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function


def _of_numpy(function: Any) -> bool:
    return isinstance(function, np.ufunc | type(np.sum))


def _compiled_only(value: Any) -> bool:
    """Return whether this cannot run as Python: `accel.simd`, and Numba's intrinsics."""
    if _room(value).startswith("accel.simd"):
        return True
    return type(value).__module__.startswith("numba") and not hasattr(value, "py_func")


def _ours(value: Any) -> bool:
    """Return whether code may use arrays in ways of its own: whatever is no library below us."""
    return _room(value).partition(".")[0] not in {"numpy", "numba", *sys.stdlib_module_names}


def _room(value: Any) -> str:
    """Return the module something comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    return getattr(value, "__module__", None) or type(value).__module__


def _globals_of(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function and those inside it use."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


class CountingModule:
    """A module whose functions are copies that count."""

    def __init__(self, copies: Copies, module: ModuleType, user: str):
        self._copies = copies
        self._module = module
        self._user = user

    def __getattr__(self, name: str) -> Any:
        return self._copies.twin(getattr(self._module, name), name, self._user)


class CountingNumPy:
    """NumPy in a counted run: arrays it makes are temporaries, the rest is its own."""

    def __init__(self, log: Log):
        self._log = log

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name in MAKERS:
            return lambda *sizes, **how: self._adopted(found(*sizes, **how), MAKERS[name])
        if isinstance(found, type(np.sum)):  # may be given plain numbers only, and make an array
            return lambda *inputs, **how: self._adopted(found(*inputs, **how), True)
        if isinstance(found, type | np.ufunc | float | int | None.__class__):
            return found
        raise CountError(
            f"np.{name} in a counted function: which elements it touches is not known; write it "
            "with indices, operators, ufuncs, or np." + ", np.".join(MAKERS)
        )

    def _adopted(self, made: Any, written: bool) -> Any:
        return made_here(made, self._log, written) if type(made) is np.ndarray else made
