"""What attention computes: inputs, the right answer, operations and bytes."""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload

from accel.kernels import work
from accel.kernels.inputs import blank, normal
from accel.kernels.registry import Operation, register_operation
from accel.simd import jit

#: No head, no query, one of each, ragged registers and tiles, sizes beside powers of two,
#: fewer and more keys than queries, values wider than keys, special values.
EDGES = (
    {"heads": 0, "n": 3, "d": 4},
    {"heads": 2, "n": 0, "d": 4, "keys": 3},
    {"heads": 1, "n": 1, "d": 1},
    {"heads": 2, "n": 3, "d": 2},
    {"heads": 1, "n": 7, "d": 5, "keys": 2},
    {"heads": 1, "n": 2, "d": 16, "keys": 129},
    {"heads": 2, "n": 33, "d": 17, "width": 3},
    {"heads": 1, "n": 16, "d": 8, "keys": 31, "width": 40},
    {"heads": 1, "n": 127, "d": 8},
    {"heads": 1, "n": 128, "d": 32},
    {"heads": 1, "n": 129, "d": 40},
    {"heads": 1, "n": 300, "d": 3, "keys": 280},
    {"heads": 1, "n": 34, "d": 6, "values": "special"},
    {"heads": 1, "n": 130, "d": 6, "keys": 270, "values": "special"},
)

AWKWARD = (
    {"heads": 3, "n": 127, "d": 40},
    {"heads": 2, "n": 1000, "d": 40},
    {"heads": 2, "n": 333, "d": 72, "keys": 1001},
)

#: Heads in the cases that `sizes` gives.
HEADS = 4


def inputs(
    heads: int,
    n: int,
    d: int,
    keys: int | None = None,
    width: int | None = None,
    dtype: str = "float32",
    values: str = "normal",
) -> tuple:
    """Return ``(q, k, v, out)``; `keys` is `n` and `width` is `d` unless given.

    ``values="special"`` changes some rows of `q` and `k`: queries with large scores of
    either sign, keys whose score is ``-inf`` for some queries, NaN in one query.
    """
    keys, width = n if keys is None else keys, d if width is None else width
    q = normal((heads, n, d), dtype, seed=1)
    k = normal((heads, keys, d), dtype, seed=2)
    v = normal((heads, keys, width), dtype, seed=3)
    if values == "special":
        q[:, 0] *= 1e4
        q[:, n // 2] *= -3e3
        q[:, 3, 0] = np.nan
        q[:, 4:, 0] = np.abs(q[:, 4:, 0])  # so that these keys score -inf for them
        k[:, 1, 0] = k[:, keys - 1, 0] = -np.inf
        q[:, :3, 0] = np.abs(q[:, :3, 0])
        q[:, n // 2, 0] = 3e3
    elif values != "normal":
        raise ValueError(f'values must be "normal" or "special", not {values!r}')
    return q, k, v, blank((heads, n, width), dtype)


def _oracle(q, k, v, out, hidden) -> tuple:
    """Return the answer in float64, and the error that its roundings allow.

    With u = eps / 2: a score is off by what a scalar product may be, u (8 + 2 sqrt(d))
    times the product of absolute values, and by a rounding of itself, and its distance
    from the largest by another; an exponential multiplies that into the weight. The
    quotient of two sums adds the errors of both, u (8 + 2 sqrt(keys)) each.
    """
    unit = float(np.finfo(out.dtype).eps) / 2
    heads, _, depth = q.shape
    expected = np.empty(out.shape, np.float64)
    tolerance = np.empty(out.shape, np.float64)
    for head in range(heads):
        a, b, x = (part[head].astype(np.float64) for part in (q, k, v))
        with np.errstate(invalid="ignore"):  # -inf - -inf and 0 * inf, where NaN is right
            scores = np.where(hidden, -np.inf, a @ b.T / math.sqrt(depth))
            distances = scores - scores.max(axis=1, initial=-np.inf, keepdims=True)
            weights = np.exp(distances)
            weights /= weights.sum(axis=1, keepdims=True)
            sizes = np.abs(a) @ np.abs(b).T / math.sqrt(depth)
            off = (8 + 2 * math.sqrt(depth)) * sizes + 4 * (np.abs(scores) + np.abs(distances))
            off = np.where(weights == 0, 0, unit * off + 4 * unit)  # 0 for -inf: 0, not NaN
            mean = weights @ np.abs(x)
            sums = unit * (16 + 4 * math.sqrt(b.shape[0])) * mean
            expected[head] = weights @ x
            tolerance[head] = (
                (weights * off) @ np.abs(x)
                + (weights * off).sum(axis=1, keepdims=True) * mean
                + sums
                + float(np.finfo(out.dtype).tiny)
            )
    return expected, np.nan_to_num(tolerance, nan=0.0)


def oracle(q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64 and the error allowed, every key seen by every query."""
    return _oracle(q, k, v, out, np.zeros((q.shape[1], k.shape[1]), bool))


def causal_oracle(q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray) -> tuple:
    """Return the answer in float64 and the error allowed, query i seeing keys 0 to i."""
    return _oracle(q, k, v, out, hidden(q.shape[1], k.shape[1]))


def hidden(n: int, keys: int) -> np.ndarray:
    """Return which keys each query must not see: those after its own place."""
    return np.arange(keys) > np.arange(n)[:, np.newaxis]


def flops(heads: int, n: int, d: int, keys=None, width=None, **_) -> int:
    """Two for each number of a key and of a value, for each pair; exponentials not counted.

    The softmax does a handful of operations on each score, beside ``2 d`` and ``2 width``
    in the products, and is left out, as is usual.
    """
    keys, width = n if keys is None else keys, d if width is None else width
    return 2 * heads * n * keys * (d + width)


def causal_flops(heads: int, n: int, d: int, keys=None, width=None, **_) -> int:
    """As `flops`, over the pairs that see each other: about half as many."""
    keys, width = n if keys is None else keys, d if width is None else width
    short = min(n, keys)  # queries 0 to short - 1 see 1 to short keys, those after it all
    pairs = short * (short + 1) // 2 + (n - short) * keys
    return 2 * heads * pairs * (d + width)


def compulsory_bytes(heads: int, n: int, d: int, keys=None, width=None, dtype="float32", **_):
    """Read `q`, `k` and `v`, write `out`."""
    keys, width = n if keys is None else keys, d if width is None else width
    return heads * (n + keys) * (d + width) * np.dtype(dtype).itemsize


def causal_bytes(heads: int, n: int, d: int, keys=None, width=None, dtype="float32", **_):
    """As `compulsory_bytes`, without the keys that nobody sees."""
    seen = n if keys is None else min(n, keys)
    return compulsory_bytes(heads, n, d, keys=seen, width=width, dtype=dtype)


def sizes(working_set_bytes: int) -> dict:
    """Return heads of d = 64 whose arguments are about so large together."""
    return {"heads": HEADS, "n": max(1, working_set_bytes // (4 * HEADS * 64 * 4)), "d": 64}


for _name, *_definition in (
    ("attention", oracle, flops, compulsory_bytes),
    ("attention_causal", causal_oracle, causal_flops, causal_bytes),
):
    register_operation(
        Operation(
            _name,
            inputs,
            *_definition,
            EDGES,
            sizes,
            AWKWARD,
            work=work.heads,
            signature=(0, 1),
        )
    )


@jit
def check(q, k, v, out):
    """Refuse, in compiled code too, shapes that do not fit one another."""
    if q.shape[0] != k.shape[0] or k.shape[0] != v.shape[0] or v.shape[0] != out.shape[0]:
        raise ValueError("attention: q, k, v and out must have equally many heads")
    if q.shape[2] != k.shape[2] or q.shape[2] == 0:
        raise ValueError("attention: k must be as deep as q, and not of depth 0")
    if k.shape[1] != v.shape[1] or (k.shape[1] == 0 and q.shape[1] > 0):
        raise ValueError("attention: v must have as many rows as k, and not none")
    if out.shape[1] != q.shape[1] or out.shape[2] != v.shape[2]:
        raise ValueError("attention: out must have the rows of q and the width of v")


def lowest(dtype):
    """Return the finite number below all others, in compiled code.

    The largest score so far begins with it and not with ``-inf``, whose distance from
    itself is NaN: scores of ``-inf`` then have weight 0 from the start.
    """
    return dtype.type(np.finfo(dtype).min)


@overload(lowest)
def _lowest(dtype):
    value = np.finfo(str(dtype.dtype)).min  # a NumPy number: keeps its type
    return lambda dtype: value
