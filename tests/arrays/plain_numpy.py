"""Code as a NumPy user writes it, which knows nothing of this library, and inputs for it."""

import numpy as np


def _normal(seed, *shape, dtype="float32"):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def mlp(x, w1, b1, w2, b2):
    """Two layers, GELU between them, softmax after them."""
    h = x @ w1 + b1
    h = 0.5 * h * (1 + np.tanh(0.7978845608 * (h + 0.044715 * h**3)))
    y = h @ w2 + b2
    e = np.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mlp_inputs(batch=256, width=768, hidden=3072, dtype="float32"):
    return (
        _normal(0, batch, width, dtype=dtype),
        _normal(1, width, hidden, dtype=dtype) / np.sqrt(width).astype(dtype),
        _normal(2, hidden, dtype=dtype),
        _normal(3, hidden, width, dtype=dtype) / np.sqrt(hidden).astype(dtype),
        _normal(4, width, dtype=dtype),
    )


def attention(q, k, v):
    """Values, weighed by a softmax of scaled products of queries and keys."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.dtype.type(q.shape[-1]))
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v


def attention_inputs(heads=8, n=512, d=64, dtype="float32"):
    return tuple(_normal(seed, heads, n, d, dtype=dtype) for seed in range(3))


def adam(g, m, v, p, t=3, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    """One step of Adam, in place in `m`, `v` and `p`."""
    m *= b1
    m += (1 - b1) * g
    v *= b2
    v += (1 - b2) * g * g
    m_hat = m / (1 - b1**t)
    v_hat = v / (1 - b2**t)
    p -= lr * m_hat / (np.sqrt(v_hat) + eps)
    return p


def adam_inputs(n=4_000_000, dtype="float32"):
    g, m, v, p = (_normal(seed, n, dtype=dtype) for seed in range(4))
    return g, m, v * v, p


def cnn(x, w, b):
    """Convolution by 3 x 3 filters with padding, bias, ReLU, and pooling of 2 x 2."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.einsum("nchwij,kcij->nkhw", windows, w, optimize=True) + b[:, None, None]
    y = np.maximum(y, 0)
    n, k, h, width = y.shape
    return y.reshape(n, k, h // 2, 2, width // 2, 2).max(axis=(3, 5))


def cnn_inputs(n=4, channels=32, filters=64, side=56, dtype="float32"):
    return (
        _normal(0, n, channels, side, side, dtype=dtype),
        _normal(1, filters, channels, 3, 3, dtype=dtype) / np.sqrt(9 * channels).astype(dtype),
        _normal(2, filters, dtype=dtype),
    )
