"""NumPy as well as it can be run: results in `out`, arithmetic in place, BLAS for products.

Whatever a user can keep between calls (scratch arrays, transposed views) is made before the
clock starts.
"""

from __future__ import annotations

import math
import os
from functools import partial

import numpy as np

from accel.bench.peers.calling import Rivals, fastest, kept

NAME = "NumPy"
RIVALS = Rivals()


def available() -> str | None:
    """Return None: nothing here works without NumPy."""
    return None


def version() -> str:
    """Return the version that is measured."""
    return np.__version__


def hold() -> str:
    """Say how many threads NumPy uses.

    Raises
    ------
    RuntimeError
        If its BLAS has more than this process was told.
    """
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    found = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    wanted = os.environ.get("OMP_NUM_THREADS")
    if wanted and found and max(found) > int(wanted):
        raise RuntimeError(f"{NAME}'s BLAS runs {max(found)} threads, expected {wanted}")
    return f"its BLAS says {max(found)}, all else one" if found else "one, but for its BLAS"


def work() -> None:
    """Keep every thread busy for some time; for whoever counts them."""
    a = np.ones((1024, 1024), np.float32)
    for _ in range(8):
        np.matmul(a, a)


# --- products of matrices ------------------------------------------------------------------------


@RIVALS("matmul")
def matmul(a, b, out):
    return partial(np.matmul, a, b, out)


@RIVALS("matmul_nt")
def matmul_nt(a, b, out):
    return partial(np.matmul, a, b.T, out)


@RIVALS("matmul_batched")
def matmul_batched(a, b, out):
    return partial(np.matmul, a, b, out)


@RIVALS("matvec")
def matvec(a, x, out):
    return partial(np.matmul, a, x, out)


@RIVALS("linear_relu")
def linear_relu(x, weight, bias, out):
    transposed, zero = weight.T, np.zeros_like(bias)

    def run():
        np.matmul(x, transposed, out)
        np.add(out, bias, out)
        np.maximum(out, zero, out=out)

    return run


@RIVALS("linear_gelu")
def linear_gelu(x, weight, bias, out):
    transposed, product = weight.T, np.empty_like(out)

    def run():
        np.matmul(x, transposed, product)
        np.add(product, bias, product)
        _gelu(product, out)

    return run


# --- each element by itself ----------------------------------------------------------------------


def _gelu(x, out):
    """Compute GELU by its tanh form in place in `out`."""
    np.multiply(x, x, out)
    np.multiply(out, 0.044715 * (2 / np.pi) ** 0.5, out)
    np.add(out, (2 / np.pi) ** 0.5, out)
    np.multiply(out, x, out)
    np.tanh(out, out)
    np.add(out, 1, out)
    np.multiply(out, 0.5, out)
    np.multiply(out, x, out)


@RIVALS("relu")
def relu(x, out):
    # Two arrays side by side are faster than an array and a number, where memory allows.
    zeros = np.zeros_like(x)
    return fastest(partial(np.maximum, x, 0, out=out), partial(np.maximum, x, zeros, out=out))


@RIVALS("gelu")
def gelu(x, out):
    return partial(_gelu, x, out)


#: Abramowitz and Stegun, *Handbook of Mathematical Functions*, formula 7.1.26: `erf` within
#: 1.5e-7, of which a float32 does not see much.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_SLOPE = 0.3275911


@RIVALS("gelu_erf")
def gelu_erf(x, out):
    """NumPy has no `erf`: an approximation for float32, Python's own for float64."""
    if x.dtype != np.float32:
        return _gelu_one_by_one(x, out)
    near, power, root = np.empty_like(x), np.empty_like(x), 0.5**0.5

    def run():  # 1 + erf(z) is 2 - tail where z > 0, and tail elsewhere
        np.absolute(x, near)
        np.multiply(near, root * _ERF_SLOPE, near)
        np.add(near, 1, near)
        np.reciprocal(near, near)
        np.multiply(x, x, power)
        np.multiply(power, -0.5, power)
        np.exp(power, power)
        out[...] = _ERF[-1]
        for number in (*_ERF[-2::-1], 0.0):
            np.multiply(out, near, out)
            np.add(out, number, out)
        np.multiply(out, power, out)
        np.subtract(1, out, out)
        np.copysign(out, x, out)
        np.add(out, 1, out)
        np.multiply(out, 0.5, out)
        np.multiply(out, x, out)

    return run


def _gelu_one_by_one(x, out):
    erf = np.frompyfunc(math.erf, 1, 1)

    def run():
        np.copyto(out, erf(x * 0.5**0.5), casting="unsafe")
        np.add(out, 1, out)
        np.multiply(out, 0.5, out)
        np.multiply(out, x, out)

    return run


def _sigmoid(x, out):
    """Compute the logistic function in place in `out`."""
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, 1, out)
    np.reciprocal(out, out)


@RIVALS("sigmoid")
def sigmoid(x, out):
    def run():
        with np.errstate(over="ignore"):
            _sigmoid(x, out)

    return run


@RIVALS("silu")
def silu(x, out):
    def run():
        with np.errstate(over="ignore", invalid="ignore"):
            np.negative(x, out)
            np.exp(out, out)
            np.add(out, 1, out)
            np.divide(x, out, out)

    return run


@RIVALS("exp")
def exp(x, out):
    return partial(np.exp, x, out)


@RIVALS("saxpy")
def saxpy(alpha, x, y, out):
    def run():
        np.multiply(x, alpha, out)
        np.add(out, y, out)

    return run


@RIVALS("polynomial")
def polynomial(coefficients, x, out):
    highest, rest = coefficients[-1], coefficients[-2::-1]

    def run():
        out[...] = highest
        for number in rest:
            np.multiply(out, x, out)
            np.add(out, number, out)

    return run


# --- rows ----------------------------------------------------------------------------------------


@RIVALS("softmax")
def softmax(x, out):
    column = np.empty((len(x), 1), x.dtype)

    def run():
        np.max(x, axis=1, keepdims=True, out=column)
        np.subtract(x, column, out)
        np.exp(out, out)
        np.sum(out, axis=1, keepdims=True, out=column)
        np.divide(out, column, out)

    return run


@RIVALS("log_softmax")
def log_softmax(x, out):
    column, powers = np.empty((len(x), 1), x.dtype), np.empty_like(x)

    def run():
        np.max(x, axis=1, keepdims=True, out=column)
        np.subtract(x, column, out)
        np.exp(out, powers)
        np.sum(powers, axis=1, keepdims=True, out=column)
        np.log(column, column)
        np.subtract(out, column, out)

    return run


def _inverse_deviation(squares, epsilon):
    """Turn mean squares into reciprocals of roots, in place."""
    np.add(squares, epsilon, squares)
    np.sqrt(squares, squares)
    np.reciprocal(squares, squares)


@RIVALS("layernorm")
def layernorm(x, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    mean, scale = np.empty((len(x), 1), x.dtype), np.empty(len(x), x.dtype)
    column, width = scale[:, None], x.dtype.type(x.shape[1])

    def run():
        np.mean(x, axis=1, keepdims=True, out=mean)
        np.subtract(x, mean, out)
        np.einsum("ij,ij->i", out, out, out=scale)
        np.divide(scale, width, scale)
        _inverse_deviation(scale, EPSILON)
        np.multiply(out, column, out)
        np.multiply(out, weight, out)
        np.add(out, bias, out)

    return run


@RIVALS("rmsnorm")
def rmsnorm(x, weight, out):
    from accel.kernels.normalisation import EPSILON

    scale = np.empty(len(x), x.dtype)
    column, width = scale[:, None], x.dtype.type(x.shape[1])

    def run():
        np.einsum("ij,ij->i", x, x, out=scale)
        np.divide(scale, width, scale)
        _inverse_deviation(scale, EPSILON)
        np.multiply(x, column, out)
        np.multiply(out, weight, out)

    return run


@RIVALS("batchnorm")
def batchnorm(x, mean, variance, weight, bias, out):
    from accel.kernels.normalisation import EPSILON

    shape = (1, -1, 1, 1)

    def run():
        scale = weight / np.sqrt(variance + x.dtype.type(EPSILON))
        shift = bias - mean * scale
        np.multiply(x, scale.reshape(shape), out)
        np.add(out, shift.reshape(shape), out)

    return run


# --- reductions ----------------------------------------------------------------------------------


@RIVALS("sum")
def total(x, out):
    return partial(np.add.reduce, x, keepdims=True, out=out)


@RIVALS("max")
def largest(x, out):
    return partial(np.maximum.reduce, x, keepdims=True, out=out)


@RIVALS("argmax")
def argmax(x, out):
    return kept(partial(np.argmax, x, keepdims=True))


@RIVALS("mean_variance")
def mean_variance(x, out):
    centred, count = np.empty_like(x), x.dtype.type(x.size)

    def run():
        mean = np.mean(x)
        np.subtract(x, mean, centred)
        out[0] = mean
        out[1] = np.dot(centred, centred) / count

    return run


@RIVALS("prefix_sum")
def prefix_sum(x, out):
    return partial(np.cumsum, x, out=out)


# --- attention -----------------------------------------------------------------------------------


def _attention(q, k, v, out, hidden):
    """Return attention by two products and a softmax in place between them."""
    scores = np.empty((*q.shape[:2], k.shape[1]), q.dtype)
    column = np.empty((*q.shape[:2], 1), q.dtype)
    turned, scale = k.transpose(0, 2, 1), q.dtype.type(q.shape[2] ** -0.5)

    def run():
        np.matmul(q, turned, scores)
        np.multiply(scores, scale, scores)
        if hidden is not None:
            np.copyto(scores, -np.inf, where=hidden)
        np.max(scores, axis=2, keepdims=True, out=column)
        np.subtract(scores, column, scores)
        np.exp(scores, scores)
        np.sum(scores, axis=2, keepdims=True, out=column)
        np.matmul(scores, v, out)
        np.divide(out, column, out)

    return run


@RIVALS("attention")
def attention(q, k, v, out):
    return _attention(q, k, v, out, None)


@RIVALS("attention_causal")
def attention_causal(q, k, v, out):
    hidden = np.triu(np.ones((q.shape[1], k.shape[1]), bool), 1)
    return _attention(q, k, v, out, hidden)


# --- convolution: unrolled into one product of matrices ------------------------------------------


def _windows(x, kernel, stride, padding, value=0.0):
    """Return what lies under a filter at each place, (n, c, rows, columns, kernel, kernel)."""
    if padding:
        around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        x = np.pad(x, around, constant_values=value)
    seen = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    return seen[:, :, ::stride, ::stride]


def _unrolled(x, weight, stride, padding, out):
    """Convolve channels first; `out` is (n, filters, rows, columns), contiguous."""
    kernel, (images, filters, *places) = weight.shape[-1], out.shape
    flat, many = weight.reshape(filters, -1), places[0] * places[1]
    room = np.empty((images, x.shape[1], kernel, kernel, *places), x.dtype)

    def run():
        np.copyto(room, _windows(x, kernel, stride, padding).transpose(0, 1, 4, 5, 2, 3))
        np.matmul(flat, room.reshape(images, -1, many), out.reshape(images, filters, many))

    return run


@RIVALS("conv2d")
def conv2d(x, weight, stride, padding, out):
    return _unrolled(x, weight, stride, padding, out)


@RIVALS("conv2d_nhwc")
def conv2d_nhwc(x, weight, stride, padding, out):
    from accel.bench.peers import layouts

    x, weight = layouts.channels_first(x, weight)
    answer = np.empty(layouts.first(out.shape), out.dtype)
    return layouts.told(_unrolled(x, weight, stride, padding, answer), answer, layouts.last)


@RIVALS("conv2d_nchwc")
def conv2d_nchwc(x, weight, stride, padding, out):
    from accel.bench.peers import layouts

    x, weight = layouts.unblocked(x, weight)
    answer = np.empty(layouts.unblocked_shape(out), out.dtype)
    return layouts.told(
        _unrolled(x, weight, stride, padding, answer), answer, layouts.blocked_like(out)
    )


@RIVALS("depthwise_conv2d")
def depthwise_conv2d(x, weight, stride, padding, out):
    taps = weight.reshape(len(weight), *weight.shape[-2:])
    scratch = np.empty_like(out)

    def run():
        seen = _windows(x, taps.shape[-1], stride, padding)
        out[...] = 0
        for i, j in np.ndindex(taps.shape[1:]):
            np.multiply(seen[..., i, j], taps[:, i, j, None, None], scratch)
            np.add(out, scratch, out)

    return run


def _pooled(combine, start, finish, x, kernel, stride, padding, out):
    def run():
        seen = _windows(x, kernel, stride, padding, start)
        np.copyto(out, seen[..., 0, 0])
        for i, j in [*np.ndindex(kernel, kernel)][1:]:
            combine(out, seen[..., i, j], out=out)
        if finish is not None:
            np.multiply(out, finish, out)

    return run


@RIVALS("max_pool2d")
def max_pool2d(x, kernel, stride, *padding_and_out):
    *padding, out = padding_and_out
    return _pooled(np.maximum, -np.inf, None, x, kernel, stride, sum(padding), out)


@RIVALS("avg_pool2d")
def avg_pool2d(x, kernel, stride, *padding_and_out):
    *padding, out = padding_and_out
    share = x.dtype.type(1 / kernel**2)
    return _pooled(np.add, 0.0, share, x, kernel, stride, sum(padding), out)


# --- layout --------------------------------------------------------------------------------------


@RIVALS("transpose")
def transpose(x, out):
    return partial(np.copyto, out, x.T)


@RIVALS("aos_to_soa")
def aos_to_soa(x, out):
    return partial(np.copyto, out, x.T)


@RIVALS("soa_to_aos")
def soa_to_aos(x, out):
    return partial(np.copyto, out, x.T)


@RIVALS("nchw_to_nhwc")
def nchw_to_nhwc(x, out):
    return partial(np.copyto, out, x.transpose(0, 2, 3, 1))


@RIVALS("nhwc_to_nchw")
def nhwc_to_nchw(x, out):
    return partial(np.copyto, out, x.transpose(0, 3, 1, 2))


def _whole_blocks(planes, blocks):
    """Return how many blocks of channels are whole, and how many channels are left over."""
    return divmod(planes.shape[1], blocks.shape[4])


@RIVALS("nchw_to_nchwc")
def nchw_to_nchwc(x, out):
    (images, _, height, width), block = x.shape, out.shape[4]
    whole, rest = _whole_blocks(x, out)
    parts = x[:, : whole * block].reshape(images, whole, block, height, width)
    turned, left = parts.transpose(0, 1, 3, 4, 2), x[:, whole * block :].transpose(0, 2, 3, 1)

    def run():
        np.copyto(out[:, :whole], turned)
        if rest:
            np.copyto(out[:, whole, :, :, :rest], left)
            out[:, whole, :, :, rest:] = 0

    return run


@RIVALS("nchwc_to_nchw")
def nchwc_to_nchw(x, out):
    (images, _, height, width, block), (whole, rest) = x.shape, _whole_blocks(out, x)
    turned = x[:, :whole].transpose(0, 1, 4, 2, 3)
    answer = out[:, : whole * block].reshape(images, whole, block, height, width)

    def run():
        np.copyto(answer, turned)
        if rest:
            np.copyto(out[:, whole * block :], x[:, whole, :, :, :rest].transpose(0, 3, 1, 2))

    return run


# --- gather --------------------------------------------------------------------------------------


@RIVALS("embedding")
def embedding(table, indices, out):
    # Without mode="clip" it writes into a buffer first, in case an index is refused.
    return fastest(
        partial(np.take, table, indices, axis=0, out=out),
        partial(np.take, table, indices, axis=0, out=out, mode="clip"),
        kept(table.__getitem__, indices),
    )


@RIVALS("scatter_add", in_place=True)
def scatter_add(indices, values, out):
    return partial(np.add.at, out, indices, values)


@RIVALS("histogram")
def histogram(x, low, high, out):
    function = partial(np.histogram, bins=out.size, range=(float(low), float(high)))
    return kept(function, x, read=lambda pair: pair[0])


# --- optimizers ----------------------------------------------------------------------------------


@RIVALS("sgd", in_place=True)
def sgd(gradient, learning_rate, parameters):
    scratch = np.empty_like(parameters)

    def run():
        np.multiply(gradient, learning_rate, scratch)
        np.subtract(parameters, scratch, parameters)

    return run


@RIVALS("momentum", in_place=True)
def momentum(gradient, velocity, learning_rate, momentum, parameters):
    scratch = np.empty_like(parameters)

    def run():
        np.multiply(velocity, momentum, velocity)
        np.add(velocity, gradient, velocity)
        np.multiply(velocity, learning_rate, scratch)
        np.subtract(parameters, scratch, parameters)

    return run


def _adam(gradient, first, second, step, rate, beta1, beta2, epsilon, decay, parameters):
    """Return Adam in place, with one scratch array; `decay` is AdamW's."""
    scratch = np.empty_like(parameters)
    corrected, root = rate / (1 - beta1**step), (1 - beta2**step) ** 0.5

    def run():
        if decay:
            np.multiply(parameters, 1 - rate * decay, parameters)
        np.multiply(first, beta1, first)
        np.multiply(gradient, 1 - beta1, scratch)
        np.add(first, scratch, first)
        np.multiply(second, beta2, second)
        np.multiply(gradient, gradient, scratch)
        np.multiply(scratch, 1 - beta2, scratch)
        np.add(second, scratch, second)
        np.sqrt(second, scratch)
        np.divide(scratch, root, scratch)
        np.add(scratch, epsilon, scratch)
        np.divide(first, scratch, scratch)
        np.multiply(scratch, corrected, scratch)
        np.subtract(parameters, scratch, parameters)

    return run


@RIVALS("adam", in_place=True)
def adam(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, 0.0, parameters
    )


@RIVALS("adamw", in_place=True)
def adamw(gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters):
    return _adam(
        gradient, first, second, step, learning_rate, beta1, beta2, epsilon, decay, parameters
    )


# --- images --------------------------------------------------------------------------------------


@RIVALS("normalise_image")
def normalise_image(image, mean, std, out):
    width = image.shape[1]
    flat, answer = image.reshape(len(image), -1), out.reshape(len(out), -1)
    scale = np.tile((1 / (255 * std)).astype(out.dtype), width)
    shift = np.tile((-mean / std).astype(out.dtype), width)

    def run():  # rows as what they are in memory: one long run
        np.multiply(flat, scale, answer)
        np.add(answer, shift, answer)

    return run


@RIVALS("augment_image")
def augment_image(image, top, left, flip, mean, std, out):
    _, height, width = out.shape
    cropped = image[top : top + height, left : left + width]
    turned = (cropped[:, ::-1] if flip else cropped).transpose(2, 0, 1)
    scale = (1 / (255 * std)).astype(out.dtype)[:, None, None]
    shift = (-mean / std).astype(out.dtype)[:, None, None]

    def run():
        np.multiply(turned, scale, out)
        np.add(out, shift, out)

    return run
