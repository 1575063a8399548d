"""What is measured: one file per operation family, each a ladder of kernels."""

from accel.kernels.registry import (
    Kernel,
    Operation,
    best,
    case,
    check,
    kernel,
    ladder,
    operation,
)

__all__ = ["Kernel", "Operation", "best", "case", "check", "kernel", "ladder", "operation"]
