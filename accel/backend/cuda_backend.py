"""The backend of devices that run CUDA: this library's device kernels, and the vendor's BLAS.

Arrays of the host go to the device for each call, and the result comes back: a calibration
measures that with the call, so that "auto" offloads only what is worth its way. Arrays that
lie on a device stay there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from accel.backend.base import BackendError, Call, ComputeBackend
from accel.kernels import cuda
from accel.kernels.registry import bytes_of

#: CUDA's number for a device that has no room left.
_OUT_OF_MEMORY = 2

#: Its numbers for faults after which a process can use the device no more: an illegal
#: address, a hardware fault, an assertion, a failed launch.
_LOST = frozenset((700, 709, 710, 714, 715, 716, 717, 718, 719))


class CudaBackend(ComputeBackend):
    """Device kernels of `accel.kernels.cuda`; matrix products by cuBLAS where CuPy is.

    Parameters
    ----------
    missing : callable
        Why there is no device to compute on; None if there is one.
    room_bytes : callable
        Bytes that the device has in all.
    """

    name = "cuda"

    def __init__(
        self,
        missing: Callable[[], str | None] = cuda.missing,
        room_bytes: Callable[[], float] | None = None,
    ):
        self._missing = missing
        self._room_bytes = room_bytes or _device_bytes

    @property
    def competes(self) -> bool:
        """Whether there is a device."""
        return self.available() is None

    def available(self) -> str | None:
        """Return None if there is a device, else the reason and what to do."""
        return self._missing()

    def supports(self, call: Call) -> str | None:
        """Return None if there is a device kernel for it, and room for its arrays."""
        if cuda.best(call.operation, call.dtype) is None:
            return f"{call.operation} has no device kernel for {call.dtype}"
        needed = bytes_of(*call.arguments)
        try:
            room = self._room_bytes()
        except device_errors() as error:
            return f"the device does not answer ({type(error).__name__}: {error})"
        if needed > room:
            return f"its arrays take {_gb(needed)}, and the device has {_gb(room)} in all"
        return None

    def run(self, call: Call) -> None:
        """Call the step, with the way there and back for arrays of the host."""
        step = cuda.best(call.operation, call.dtype)
        try:
            step.function(*call.arguments)
        except device_errors() as error:
            raise BackendError(explained(error, call)) from error


def explained(error: Exception, call: Call) -> str:
    """Return what failed on the device, and what can be done about it."""
    said = f"{type(error).__name__}: {error}"
    if _is_out_of_memory(error):
        return (
            f"the device has no room for {call.operation} with {_gb(bytes_of(*call.arguments))} "
            f"of arrays from the host ({said}); free arrays on the device, or compute in parts"
        )
    if getattr(error, "code", None) in _LOST:
        return (
            f"the device failed in {call.operation}, and this process can use it no more "
            f"({said}); start a new process, or go on with accel.use('numba-threads')"
        )
    return (
        f"{call.operation} failed on the device ({said}); check nvidia-smi, or go on with "
        "accel.use('numba-threads')"
    )


def _is_out_of_memory(error: Exception) -> bool:
    return getattr(error, "code", None) == _OUT_OF_MEMORY or "OutOfMemory" in type(error).__name__


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


@functools.cache
def device_errors() -> tuple[type[Exception], ...]:
    """Return what driver, compiler and libraries of a device raise."""
    from numba.cuda.cudadrv import driver, error

    names = ("CudaDriverError", "CudaRuntimeError", "CudaSupportError", "NvvmError", "NvrtcError")
    ours = [getattr(error, name) for name in names if hasattr(error, name)]
    return (driver.CudaAPIError, *ours, *_cupy_errors())


def _cupy_errors() -> tuple[type[Exception], ...]:
    if cuda.cupy_missing() is not None:
        return ()
    import cupy

    return (
        cupy.cuda.memory.OutOfMemoryError,
        cupy.cuda.runtime.CUDARuntimeError,
        cupy.cuda.driver.CUDADriverError,
        cupy.cuda.cublas.CUBLASError,
    )


@functools.cache
def _device_bytes() -> float:
    from numba import cuda as numba_cuda

    return numba_cuda.current_context().get_memory_info().total
