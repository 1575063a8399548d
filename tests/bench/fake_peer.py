"""A library that exists in tests only: right about relu, wrong about exp, and slow to sum."""

import numpy as np

from accel.bench.peers.calling import Rivals, kept

NAME = "Fake"
RIVALS = Rivals()


@RIVALS("relu")
def relu(x, out):
    return kept(np.maximum, x, 0)


@RIVALS("exp")
def exp(x, out):
    return kept(np.square, x)


@RIVALS("sgd", in_place=True)
def sgd(gradient, learning_rate, parameters):
    return kept(lambda g, p: p - p.dtype.type(learning_rate) * g, gradient, parameters)


@RIVALS("momentum", in_place=True)
def momentum(gradient, velocity, learning_rate, momentum, parameters):
    def run():
        velocity[...] = momentum * velocity + gradient
        np.subtract(parameters, learning_rate * velocity, parameters)

    return run
