"""The way to the device and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def on_host(x: Any) -> bool:
    """Return whether an array lies in the host's memory."""
    return isinstance(x, np.ndarray)


def to_device(*arguments: Any) -> tuple:
    """Return arrays on the device: copies of ndarrays, and others where they are.

    Parameters
    ----------
    *arguments : ndarray, or array with ``__cuda_array_interface__``
        An ndarray that is not contiguous is made so first.
    """
    return tuple(_sent(x) for x in arguments)


def _sent(x: Any):
    from numba import cuda

    if on_host(x):
        return cuda.to_device(np.ascontiguousarray(x))
    return x if hasattr(x, "copy_to_host") else cuda.as_cuda_array(x)  # numba-cuda's own, others


@contextmanager
def staged(*arguments: Any) -> Iterator[tuple]:
    """Have a call's arrays on the device, and in the end its result where it was asked for.

    The block launches; leaving it waits for the device. An ndarray is then copied back, whole;
    nothing of it was written before.

    Parameters
    ----------
    *arguments : ndarray, or array with ``__cuda_array_interface__``
        The last one is written.

    Yields
    ------
    tuple
        The same arrays, on the device.
    """
    from numba import cuda

    *read, out = arguments
    there = cuda.device_array(out.shape, out.dtype) if on_host(out) else to_device(out)[0]
    yield *to_device(*read), there
    if not on_host(out):
        cuda.synchronize()
    elif out.flags.c_contiguous:
        there.copy_to_host(out)
    else:
        out[...] = there.copy_to_host()


def extent(x: Any) -> tuple[int, int]:
    """Return first address and end of an array's memory, on the host or on the device."""
    if on_host(x):
        return np.lib.array_utils.byte_bounds(x)
    described = x.__cuda_array_interface__
    address, _ = described["data"]
    size = np.dtype(described["typestr"]).itemsize
    strides = described.get("strides")
    if strides is None:  # in C order
        return address, address + size * int(np.prod(described["shape"]))
    reach = [step * (n - 1) for n, step in zip(described["shape"], strides, strict=True)]
    low, high = sum(min(0, r) for r in reach), sum(max(0, r) for r in reach)
    return address + low, address + high + size


def overlap(x: Any, out: Any) -> bool:
    """Return whether an input on the device may share memory with a result there.

    Of an ndarray the device has a copy of its own.
    """
    if on_host(x) or on_host(out) or not hasattr(x, "__cuda_array_interface__"):
        return False
    (first, end), (begins, ends) = extent(x), extent(out)
    return first < ends and begins < end
