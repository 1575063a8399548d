"""The list of device kernels: what there is for an operation, and which one to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accel.kernels import registry
from accel.kernels.cuda import fused, products
from accel.kernels.cuda.devices import cupy_missing
from accel.kernels.cuda.staging import to_device

FLOATS = ("float32", "float64")


@dataclass(frozen=True)
class Step:
    """One way to compute an operation on a device.

    Parameters
    ----------
    operation, name : str
        ``step(operation, name)`` finds it again.
    function : callable
        Takes the operation's arguments and writes the last one.
    story : str
        One line for tables: what this step removes.
    dtypes : tuple of str
        Element types it accepts.
    missing : callable
        Returns None if what it needs beside a device is there, else the reason in words.
    """

    operation: str
    name: str
    function: Callable[..., None]
    story: str
    dtypes: tuple[str, ...] = FLOATS
    missing: Callable[[], str | None] = lambda: None


#: Slowest first.
_STEPS = (
    Step("matmul", "naive", products.matmul_naive, "one thread for each element of the result"),
    Step(
        "matmul", "tiled", products.matmul_tiled,
        "tiles in shared memory: an element is fetched once for a whole tile",
    ),
    Step(
        "matmul", "register_tiled", products.matmul_register_tiled,
        "a patch of sums in the registers of each thread; the next slab is fetched meanwhile",
    ),
    Step(
        "matmul", "cublas", products.matmul_cublas, "the vendor's library, through CuPy",
        missing=cupy_missing,
    ),
    Step(
        "softmax", "online", fused.softmax_online,
        "a block for each row; largest number and sum in one pass",
    ),
    Step(
        "layernorm", "rows", fused.layernorm_rows,
        "a block for each row; nothing is kept between the steps of the formula",
    ),
    Step("gelu", "strides", fused.gelu_strides, "one pass, in strides of the grid"),
)  # fmt: skip


def operations() -> list[str]:
    """Return the operations that have device kernels."""
    return list(dict.fromkeys(each.operation for each in _STEPS))


def ladder(operation: str, *, dtype: str | None = None) -> list[Step]:
    """Return the steps of an operation, slowest first; none where it has no device kernels.

    Parameters
    ----------
    operation : str
    dtype : str, optional
        Keep only steps that accept this element type.
    """
    return [
        each
        for each in _STEPS
        if each.operation == operation and (dtype is None or dtype in each.dtypes)
    ]


def step(operation: str, name: str) -> Step:
    """Return one step.

    Raises
    ------
    KeyError
        If there is none; the message lists the ladder.
    """
    steps = {each.name: each for each in ladder(operation)}
    if name not in steps:
        raise KeyError(f"no device kernel {operation}.{name}; there are {', '.join(steps)}")
    return steps[name]


def best(operation: str, dtype: str) -> Step | None:
    """Return the step to call: the last one that has what it needs; None if there is none."""
    able = [each for each in ladder(operation, dtype=dtype) if each.missing() is None]
    return able[-1] if able else None


def case(operation: str, steps: list[str], *, stay: bool = False, **parameters: Any) -> dict:
    """Describe one measurement as the plain data that `accel.timing.Case` takes.

    Parameters
    ----------
    operation : str
    steps : list of str
        Device kernels to compare.
    stay : bool
        Whether arrays are on the device before the clock starts, and results stay there; else
        every call takes them there and back.
    **parameters
        Passed to the operation's `inputs`.
    """
    described = registry.case(operation, [], **parameters)
    adapt = registry.target_of(to_device) if stay else None
    described["kernels"] = {
        name: {
            "target": registry.target_of(step(operation, name).function),
            "adapt": adapt,
            "instrument": "compiled",
            "story": step(operation, name).story,
        }
        for name in steps
    }
    return described
