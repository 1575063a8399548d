"""The passes of NumPy kept in a cache: one chunk of the array at a time.

A method of eight array operations walks over its arrays eight times. If they do not fit a
cache, each walk waits for memory. Cut into chunks that fit, the walks over one chunk
follow each other while it is near, and only the first and the last of them wait. No
compiler is needed, only a Python loop around the same calls; a chunk must be long
enough to make that loop cheap, and short enough to fit.

Source
------
Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked Algorithms",
ASPLOS (1991). The same idea in a compiler of expressions: the documentation of NumExpr,
"How it works".
"""

from __future__ import annotations

from collections.abc import Callable

from accel.kernels.activation import gelu_numpy_out
from accel.kernels.registry import register

#: Elements of a chunk that are tried.
CHUNKS = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)


def gelu_in_chunks(x, out, chunk: int) -> None:
    """Compute GELU in place in `out`, one chunk at a time.

    Parameters
    ----------
    x, out : ndarray, shape (n,), float32 or float64
        `out` is overwritten, and must not be `x`.
    chunk : int
        Elements of a chunk.

    Raises
    ------
    ValueError
        If the lengths differ.

    Cost
    ----
    As ``numpy_out``: ``8 n`` FLOPs in eight passes, each over a chunk; and a step of a
    Python loop with eight calls per chunk.
    """
    if x.size != out.size:
        raise ValueError("gelu: out must be as long as x")
    for start in range(0, x.size, chunk):
        gelu_numpy_out(x[start : start + chunk], out[start : start + chunk])


def _step(chunk: int) -> Callable:
    """Register one size of chunk under a name that a worker can import."""

    def step(x, out):
        gelu_in_chunks(x, out, chunk)

    step.__name__ = step.__qualname__ = f"chunked_{chunk}"
    step.__doc__ = f"GELU in chunks of {chunk:,} elements; see `gelu_in_chunks`."
    return register(
        "gelu",
        instrument="NumPy",
        story=f"the passes over {chunk:,} elements at a time: removes their way to memory",
        tags=("chunks",),
    )(step)


for _chunk in CHUNKS:
    globals()[f"chunked_{_chunk}"] = _step(_chunk)
