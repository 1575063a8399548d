"""Orders of memory, for rivals that compute in the one they like best.

A library is given its images in the order it is fastest with, and its answer is turned into
the order of `out` only when somebody looks: neither is on the clock.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accel.bench.peers.calling import Answer


def channels_first(x, weight):
    """Return views of channels-last images, and of their filters, with channels first."""
    return x.transpose(0, 3, 1, 2), weight.transpose(3, 2, 0, 1)


def unblocked(x, weight):
    """Return images and filters that lie in blocks of channels with channels first."""
    from accel.kernels.convolution.nchwc import unblocked_images, unblocked_weights

    return unblocked_images(x), unblocked_weights(weight)


def blocked_like(out) -> Callable:
    """Return a reader that shows a channels-first answer in blocks as those of `out`."""
    from accel.kernels.convolution.nchwc import blocked_images

    return lambda y: blocked_images(np.asarray(y), out.shape[4])


def unblocked_shape(out):
    """Return the channels-first shape of an answer in blocks of channels."""
    n, blocks, h, w, block = out.shape
    return n, blocks * block, h, w


def first(shape):
    """Return the channels-first shape of channels-last images."""
    n, h, w, c = shape
    return n, c, h, w


def last(y) -> np.ndarray:
    """Return a channels-first answer with channels last."""
    return np.asarray(y).transpose(0, 2, 3, 1)


def told(run: Callable[[], None], answer: np.ndarray, read: Callable) -> tuple:
    """Return a call that writes `answer`, and the box that shows it in another order."""
    box = Answer(read)
    box.value = answer
    return run, box
