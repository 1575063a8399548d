"""Images and weights in blocks of channels and filters, and back: off the clock, in NumPy.

The layout is that of `accel.kernels.convolution.nchwc`.
"""

from __future__ import annotations

import numpy as np


def blocked_images(x: np.ndarray, block: int) -> np.ndarray:
    """Return (batch, channels, height, width) in blocks of channels, zeros in the last."""
    batch, channels, height, width = x.shape
    blocks = -(-channels // block)
    filled = np.zeros((batch, blocks * block, height, width), x.dtype)
    filled[:, :channels] = x
    apart = filled.reshape(batch, blocks, block, height, width)
    return np.ascontiguousarray(apart.transpose(0, 1, 3, 4, 2))


def blocked_weights(weight: np.ndarray, block: int) -> np.ndarray:
    """Return (filters, channels, kernel, kernel) in blocks of both, zeros in the last ones."""
    filters, channels, rows, columns = weight.shape
    down, across = -(-filters // block), -(-channels // block)
    filled = np.zeros((down * block, across * block, rows, columns), weight.dtype)
    filled[:filters, :channels] = weight
    apart = filled.reshape(down, block, across, block, rows, columns)
    return np.ascontiguousarray(apart.transpose(0, 2, 4, 5, 3, 1))


def unblocked_images(x: np.ndarray) -> np.ndarray:
    """Return blocks of channels as (batch, channels, height, width), with those of zeros."""
    batch, blocks, height, width, block = x.shape
    return x.transpose(0, 1, 4, 2, 3).reshape(batch, blocks * block, height, width)


def unblocked_weights(weight: np.ndarray) -> np.ndarray:
    """Return blocks of weights as (filters, channels, kernel, kernel), with those of zeros."""
    down, across, rows, columns, inner, outer = weight.shape
    apart = weight.transpose(0, 5, 1, 4, 2, 3)
    return apart.reshape(down * outer, across * inner, rows, columns)
