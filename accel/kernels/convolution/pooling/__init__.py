"""Pooling: the largest number, or the mean, under a window that moves over each channel.

`max_pool2d` and `avg_pool2d` take `x` of shape (batch, channels, height, width) and write `out`
(batch, channels, places down, places across). A window of ``kernel`` x ``kernel`` numbers moves
`stride` numbers at a time over an image with `padding` numbers around it, at most half of the
kernel. Windows that would end beyond the padding are left out (PyTorch's ``ceil_mode=False``).
For the largest number padding counts as minus infinity, so that it never is one. For the mean it
counts as zeros *among* the ``kernel**2`` numbers divided by (PyTorch's
``count_include_pad=True``). NaN under a window gives NaN.

Arrays are contiguous, of one element type; `out` must not overlap `x`. FLOPs count
``kernel**2 - 1`` comparisons or additions per result, and a division.

Source
------
Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 9.3. PyTorch documentation,
``torch.nn.MaxPool2d`` and ``torch.nn.AvgPool2d``, for borders.
"""

from accel.kernels.convolution.pooling.plain import (
    avg_pool2d_compiled,
    avg_pool2d_loop,
    avg_pool2d_numpy,
    check_pool,
    max_pool2d_compiled,
    max_pool2d_loop,
    max_pool2d_numpy,
)
from accel.kernels.convolution.pooling.vector import (
    avg_pool2d_in_parts,
    avg_pool2d_threads,
    avg_pool2d_vector,
    max_pool2d_in_parts,
    max_pool2d_threads,
    max_pool2d_vector,
)

__all__ = [
    "avg_pool2d_compiled",
    "avg_pool2d_in_parts",
    "avg_pool2d_loop",
    "avg_pool2d_numpy",
    "avg_pool2d_threads",
    "avg_pool2d_vector",
    "check_pool",
    "max_pool2d_compiled",
    "max_pool2d_in_parts",
    "max_pool2d_loop",
    "max_pool2d_numpy",
    "max_pool2d_threads",
    "max_pool2d_vector",
]
