"""Backends that do as they are told, and profiles that say what they are told."""

import threading

import numpy as np

from accel.backend import dispatch
from accel.backend.base import BackendError, Call, ComputeBackend
from accel.backend.profile import Curve, Profile


class Copies(ComputeBackend):
    """Runs relu as NumPy does, and counts how often."""

    def __init__(self, name, *, competes=True, unavailable=None, unsupported=None, failing=None):
        self.name, self.competes = name, competes
        self.unavailable, self.unsupported, self.failing = unavailable, unsupported, failing
        self.runs = 0

    def available(self):
        return self.unavailable

    def supports(self, call):
        return self.unsupported

    def run(self, call):
        self.runs += 1
        if self.failing is not None:
            raise self.failing
        if call.operation == "sgd":
            gradient, rate, parameters = call.arguments
            parameters -= rate * gradient
        else:
            x, out = call.arguments
            np.maximum(x, 0, out=out)


class Device(Copies):
    """One that takes an option."""

    def configure(self, **options):
        if set(options) != {"number"}:
            raise BackendError(f"backend {self.name!r} takes number, got {', '.join(options)}")
        self.number, self.failing = options["number"], None


def flat_profile(**curves):
    """Return a profile of relu for float32: ``backend=((work, ns), ...)``."""
    lines = {
        name.replace("_", "-"): Curve(*zip(*points, strict=True)) for name, points in curves.items()
    }
    return Profile("here", "today", {("relu", "float32"): lines} if lines else {}, "a test")


def relu(x, out=None):
    """Call relu of float32 by whom the policy chooses, as `accel.ops` does."""
    x = np.asarray(x, "float32")
    out = np.full_like(x, np.nan) if out is None else out
    dispatch.runner("relu", "float32")(x, out)
    return out


def call(n=3, operation="relu"):
    x = np.linspace(-1, 1, n, dtype="float32")
    return Call(operation, "float32", (x, np.full_like(x, np.nan)))


def in_thread(function):
    """Return what a function returns in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
