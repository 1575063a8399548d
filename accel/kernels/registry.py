"""The one list of kernels.

An `Operation` says what must be computed: how to make inputs, what the right
answer is, how many FLOPs and bytes it takes. A `Kernel` is one way to compute
it. Tests, tables, figures, exercises and dispatch all read this list, so a new
kernel is one function and one `register` call next to it.

Every kernel has the same calling convention: it takes the operation's arguments
and writes its answer into the last one, `out`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from accel.agreement import difference

#: The three instruments of the book. Gains of one are never multiplied into another's.
INSTRUMENTS = ("interpreter", "NumPy", "compiled")

#: Module that completes each operation family; importing it fills the registry.
FAMILIES = {
    "matmul": "accel.kernels.matmul",
    "relu": "accel.kernels.activation",
    "gelu": "accel.kernels.activation.chunks",
    "saxpy": "accel.kernels.activation",
    "gelu_erf": "accel.kernels.activation",
    "sigmoid": "accel.kernels.activation",
    "silu": "accel.kernels.activation",
    "exp": "accel.kernels.activation",
    "polynomial": "accel.kernels.activation",
    "normalise_image": "accel.kernels.augmentation.normalise",
    "augment_image": "accel.kernels.augmentation.image",
    "transpose": "accel.kernels.layout.transpose",
    "nchw_to_nhwc": "accel.kernels.layout.channels",
    "nhwc_to_nchw": "accel.kernels.layout.channels",
    "nchw_to_nchwc": "accel.kernels.layout.blocks",
    "nchwc_to_nchw": "accel.kernels.layout.blocks",
    "aos_to_soa": "accel.kernels.layout.records",
    "soa_to_aos": "accel.kernels.layout.records",
    "sgd": "accel.kernels.optimizer.sgd",
    "momentum": "accel.kernels.optimizer.momentum",
    "adam": "accel.kernels.optimizer.adam",
    "adamw": "accel.kernels.optimizer.adamw",
    "layernorm": "accel.kernels.normalisation",
    "rmsnorm": "accel.kernels.normalisation",
    "softmax": "accel.kernels.normalisation",
    "log_softmax": "accel.kernels.normalisation",
    "batchnorm": "accel.kernels.normalisation",
    "sum": "accel.kernels.reduction",
    "max": "accel.kernels.reduction",
    "argmax": "accel.kernels.reduction",
    "mean_variance": "accel.kernels.reduction",
    "prefix_sum": "accel.kernels.reduction",
    "matmul_nt": "accel.kernels.matmul.nt",
    "matmul_batched": "accel.kernels.matmul.batched",
    "linear_relu": "accel.kernels.matmul.linear",
    "linear_gelu": "accel.kernels.matmul.linear",
    "matvec": "accel.kernels.matmul.matvec",
    "conv2d": "accel.kernels.convolution",
    "conv2d_nhwc": "accel.kernels.convolution.nhwc",
    "conv2d_nchwc": "accel.kernels.convolution.nchwc",
    "depthwise_conv2d": "accel.kernels.convolution.depthwise",
    "max_pool2d": "accel.kernels.convolution.pooling",
    "avg_pool2d": "accel.kernels.convolution.pooling",
    "window_sum": "accel.kernels.windows",
    "convolve1d": "accel.kernels.signal",
    "strassen": "accel.kernels.matmul.strassen",
    "attention": "accel.kernels.attention",
    "attention_causal": "accel.kernels.attention",
    "chain": "accel.kernels.matmul.chain",
    "strided_sum": "accel.kernels.access",
    "column_sums": "accel.kernels.access",
    "page_walk": "accel.kernels.access",
    "embedding": "accel.kernels.gather",
    "scatter_add": "accel.kernels.gather",
    "histogram": "accel.kernels.gather",
    "panels": "accel.kernels.matmul.panels",
    "larger": "accel.kernels.allocation",
    "row_sums": "accel.kernels.tables",
    "lengths": "accel.kernels.tables",
    "image_layouts": "accel.kernels.layout.image_layouts",
}


def bytes_of(*arguments: Any) -> int:
    """Return how many bytes the arrays among the arguments have together."""
    return sum(each.nbytes for each in arguments if isinstance(each, np.ndarray))


@dataclass(frozen=True)
class Operation:
    """What is computed, independent of how.

    Parameters
    ----------
    name : str
        Name used in records and on pages, such as ``"matmul"``.
    inputs : callable
        ``inputs(**parameters) -> tuple``; the arguments of every kernel, the
        last of which is `out`. Seeded: the same parameters give the same arrays.
        Must be a module-level function.
    oracle : callable
        ``oracle(*arguments) -> (expected, tolerance)``: the answer in float64
        (or exact integers) and the absolute error allowed in each element,
        derived from dtype and reduction length. Must be a module-level function.
    flops, compulsory_bytes : callable
        ``f(**parameters) -> int``: arithmetic operations, and bytes that must
        cross the memory interface once even with an infinite cache.
    edges : tuple of dict
        Parameter sets at the edges (0, 1, odd, 127/128/129) that every kernel
        must compute correctly.
    sizes : callable or None
        ``sizes(working_set_bytes) -> parameters`` of a case that keeps about so many
        bytes in use, from a few KiB to the memory's size. `accel bench` chooses by it.
    awkward : tuple of dict
        Parameters whose shapes suit no block, register or cache line.
    mutates : tuple of int
        Positions of arguments that kernels change and that the next call needs as they were.
    work : callable
        ``work(*arguments) -> number`` to which the time of a large call is proportional: the
        bytes of its arrays, or FLOPs where those are the limit.
    signature : tuple of int
        Positions of arguments that say how large a call is: arrays, by their shapes, and
        numbers. A plan of `accel.backend` holds for all calls that share them.
    """

    name: str
    inputs: Callable[..., tuple]
    oracle: Callable[..., tuple]
    flops: Callable[..., int]
    compulsory_bytes: Callable[..., int]
    edges: tuple[Mapping[str, Any], ...]
    sizes: Callable[[int], Mapping[str, Any]] | None = None
    awkward: tuple[Mapping[str, Any], ...] = ()
    mutates: tuple[int, ...] = ()
    work: Callable[..., float] = bytes_of
    signature: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Kernel:
    """One way to compute an operation: a step of its ladder.

    Parameters
    ----------
    operation, name : str
        ``kernel(operation, name)`` finds it again.
    function : callable
        Takes the operation's arguments and writes the last one, `out`.
    instrument : {"interpreter", "NumPy", "compiled"}
        Who executes the inner loop.
    story : str
        One line for tables: what this step removes.
    dtypes : tuple of str
        Element types it accepts.
    adapt : callable or None
        Turns the operation's arguments into this kernel's own, off the clock
        (arrays to nested lists, say). A module-level function.
    tags : frozenset of str
        "ladder" for the steps that pages show; "best" for the one to call on one core,
        "threads" for the one to call on all of them, "numpy" for the one that is NumPy at its
        best, where that is not the ladder's last of NumPy; "fewer_flops" if it reaches the answer
        with less arithmetic than the operation declares, so that no roof is above its rate.
    """

    operation: str
    name: str
    function: Callable[..., Any]
    instrument: str
    story: str
    dtypes: tuple[str, ...]
    adapt: Callable[..., tuple] | None = None
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def target(self) -> str:
        """``module:function``, the name by which a worker process imports it."""
        return target_of(self.function)


_operations: dict[str, Operation] = {}
_kernels: dict[str, dict[str, Kernel]] = {}


def target_of(function: Callable) -> str:
    """Return ``module:function`` for a module-level function or Numba dispatcher."""
    return f"{function.__module__}:{function.__name__}"


def register_operation(operation: Operation) -> Operation:
    """Add an operation to the list.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if operation.name in _operations:
        raise ValueError(f"operation {operation.name!r} is registered already; choose another name")
    _operations[operation.name] = operation
    _kernels[operation.name] = {}
    return operation


def register(
    operation: str,
    *,
    instrument: str,
    story: str,
    dtypes: tuple[str, ...] = ("float32", "float64"),
    adapt: Callable[..., tuple] | None = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
) -> Callable[[Callable], Callable]:
    """Decorate a kernel to put it on the list; the order of calls is the ladder.

    Raises
    ------
    KeyError
        If the operation is unknown.
    ValueError
        If the instrument is unknown or the name is taken.
    """
    if instrument not in INSTRUMENTS:
        raise ValueError(f"instrument must be one of {INSTRUMENTS}, not {instrument!r}")
    if operation not in _operations:
        raise KeyError(f"no operation {operation!r} to register a kernel for; register it first")
    ladder = _kernels[operation]

    def add(function: Callable) -> Callable:
        key = name or function.__name__
        if key in ladder:
            raise ValueError(f"kernel {operation}.{key} is registered already; choose another name")
        ladder[key] = Kernel(
            operation, key, function, instrument, story, dtypes, adapt, frozenset(tags)
        )
        return function

    return add


def operation(name: str) -> Operation:
    """Return the operation called `name`, importing its family if needed.

    Raises
    ------
    KeyError
        If there is none; the message lists those there are.
    """
    if name in FAMILIES:  # one that spans several files may be there in part
        import_module(FAMILIES[name])
    if name not in _operations:
        raise KeyError(f"no operation {name!r}; there are {', '.join(sorted(FAMILIES))}")
    return _operations[name]


def ladder(name: str, *, dtype: str | None = None, tag: str | None = None) -> list[Kernel]:
    """Return the kernels of an operation, slowest version first.

    Parameters
    ----------
    name : str
        Operation.
    dtype, tag : str, optional
        Keep only kernels that accept this element type, or carry this tag.
    """
    operation(name)
    return [
        kernel
        for kernel in _kernels[name].values()
        if (dtype is None or dtype in kernel.dtypes) and (tag is None or tag in kernel.tags)
    ]


def kernel(name: str, step: str) -> Kernel:
    """Return one kernel of an operation.

    Raises
    ------
    KeyError
        If there is none; the message lists the ladder.
    """
    operation(name)
    if step not in _kernels[name]:
        raise KeyError(f"no kernel {name}.{step}; there are {', '.join(_kernels[name])}")
    return _kernels[name][step]


def best(name: str, dtype: str, threads: int = 1) -> Kernel:
    """Return the kernel to call for elements of this type.

    Parameters
    ----------
    name : str
        Operation.
    dtype : str
        Element type.
    threads : int
        With more than one, the kernel that uses them, where there is one.

    Raises
    ------
    KeyError
        If there is no such operation, or none of its kernels is the one to call.
    """
    for tag in ("threads", "best") if threads > 1 else ("best",):
        chosen = ladder(name, dtype=dtype, tag=tag)
        if chosen:
            return chosen[-1]
    raise KeyError(f"no kernel of {name!r} for {dtype} is tagged 'best'; tag one where it stands")


def case(name: str, steps: list[str], **parameters: Any) -> dict[str, Any]:
    """Describe one measurement as the plain data that `accel.timing.Case` takes.

    Parameters
    ----------
    name : str
        Operation.
    steps : list of str
        Kernels to compare.
    **parameters
        Passed to the operation's `inputs`; sizes, dtype, layout.
    """
    op = operation(name)
    return {
        "operation": name,
        "parameters": parameters,
        "inputs": target_of(op.inputs),
        "oracle": target_of(op.oracle),
        "flops": int(op.flops(**parameters)),
        "compulsory_bytes": int(op.compulsory_bytes(**parameters)),
        "mutates": list(op.mutates),
        "kernels": {step: _describe(kernel(name, step)) for step in steps},
    }


def _describe(entry: Kernel) -> dict[str, Any]:
    return {
        "target": entry.target,
        "adapt": target_of(entry.adapt) if entry.adapt else None,
        "instrument": entry.instrument,
        "story": entry.story,
    }


def check(function: Callable, name: str, *, dtype: str = "float32", adapt=None) -> list[str]:
    """Try a function on every edge case of an operation.

    Parameters
    ----------
    function : callable
        Takes the operation's arguments and writes the last one, `out`.
    name : str
        Operation.
    dtype : str
        Element type of the inputs.
    adapt : callable, optional
        Turns the operation's arguments into the function's own, as in `Kernel`.

    Returns
    -------
    complaints : list of str
        One line for each edge case that fails: on which input, what was
        expected, what came back. Empty if all pass.
    """
    op = operation(name)
    complaints = []
    for parameters in op.edges:
        arguments = op.inputs(**{**parameters, "dtype": dtype})
        expected, tolerance = op.oracle(*arguments)
        own = adapt(*arguments) if adapt else arguments
        where = ", ".join(f"{key}={value}" for key, value in parameters.items())
        try:
            function(*own)
            got = np.asarray(own[-1])  # lists that the function made ragged have no shape
        except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
            complaints.append(f"{where}: raised {type(error).__name__}: {error}")
            continue
        complaint = difference(got, expected, tolerance)
        if complaint:
            complaints.append(f"{where}: {complaint}")
    return complaints
