"""How a call is cut into pieces that fit a worker, and how their results are put together.

A `Piece` is a chain of steps on one worker. Most have one step; a block of a matrix product
has one for each panel of the inner dimension, and the sum stays on the worker meanwhile.
Steps hold no data: they cut it out of the caller's arrays when it is sent, so that of a file
mapped into memory no more is read at once than is under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from accel.backend.base import BackendError, Call
from accel.backend.dask import tasks
from accel.kernels import registry

#: Pieces smaller than this cost more to send than they gain by more workers, in bytes.
LEAST_PIECE_BYTES = 1 << 18


@dataclass(frozen=True)
class Piece:
    """What one worker computes without asking anybody.

    Parameters
    ----------
    task : callable
        A function of `tasks`.
    operation, dtype : str
        Its first arguments.
    steps : tuple of callable
        Each returns the arrays of a call of `task`, one call after the other.
    deliver : callable
        Takes the result of the last step, and writes it where it belongs.
    """

    task: Callable[..., Any]
    operation: str
    dtype: str
    steps: tuple[Callable[[], tuple[np.ndarray, ...]], ...]
    deliver: Callable[[Any], None]


@dataclass(frozen=True)
class Job:
    """A call, cut into pieces.

    Parameters
    ----------
    pieces : list of Piece
        They may run in any order, and again if a worker is lost.
    finish : callable
        Called when all have been delivered.
    """

    pieces: list[Piece]
    finish: Callable[[], None] = lambda: None


def nothing_to_send(call: Call) -> bool:
    """Tell whether an array is empty: then the kernel here knows best what to do."""
    return any(isinstance(each, np.ndarray) and each.size == 0 for each in call.arguments)


def cut(call: Call, room_bytes: int, lanes: int) -> Job:
    """Cut a call.

    Parameters
    ----------
    call : Call
        One that `KINDS` has a rule for.
    room_bytes : int
        What the arrays of a step, and its result, may take at once.
    lanes : int
        Pieces that can be under way at once: there are as many, if they are worth sending.

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    BackendError
        If the least that must lie on one worker, such as a row, takes more than that.
    """
    return KINDS[call.operation](call, room_bytes, lanes)


def spans(length: int, most: int) -> Iterator[slice]:
    """Yield equal parts of a range, none longer than `most`."""
    parts = math.ceil(length / most)
    ends = [length * part // parts for part in range(parts + 1)]
    yield from map(slice, ends[:-1], ends[1:])


def sendable(x: np.ndarray) -> np.ndarray:
    """Return an array that travels as it is: contiguous, and one that kernels may write to."""
    x = np.asarray(x)  # the part of a memory-mapped file
    return np.require(x, requirements=["C", "W"])


def _elements(call: Call, room_bytes: int, lanes: int) -> Job:
    """Cut a one-to-one operation on a line of elements."""
    x, out = call.arguments
    _expect(call, x.ndim == 1 and out.shape == x.shape, "x and out of one length")
    most = _most(call, x.size, x.itemsize, 2 * x.itemsize, room_bytes, lanes)
    return Job([_mapped(call, x, part, out) for part in spans(x.size, most)])


def _rows(call: Call, room_bytes: int, lanes: int) -> Job:
    """Cut an operation on rows of a matrix; what belongs to columns goes with each piece."""
    x, *constants, out = call.arguments
    _expect(call, x.ndim == 2 and out.shape == x.shape, "x and out of one shape, of rows")
    _expect(call, all(each.shape == x.shape[1:] for each in constants), "a weight per column")
    row = x.shape[1] * x.itemsize
    room = room_bytes - len(constants) * row
    most = _most(call, len(x), row, 2 * row, room, lanes)
    return Job([_mapped(call, x, part, out, *constants) for part in spans(len(x), most)])


def _mapped(call: Call, x: np.ndarray, part: slice, out: np.ndarray, *constants) -> Piece:
    def arrays() -> tuple[np.ndarray, ...]:
        return tuple(map(sendable, (x[part], *constants)))

    def deliver(result: np.ndarray) -> None:
        out[part] = result

    return Piece(tasks.each, call.operation, call.dtype, (arrays,), deliver)


def _reduction(
    task: Callable[..., Any], join: Callable[[Call, list[slice], list[Any]], Any]
) -> Callable[[Call, int, int], Job]:
    """Return the rule for a reduction: a result for each piece, joined at the end.

    Results are joined in the order of the pieces, whichever came first.
    """

    def rule(call: Call, room_bytes: int, lanes: int) -> Job:
        x, out = call.arguments
        _expect(call, x.ndim == 1, "x of one dimension")
        parts = list(spans(x.size, _most(call, x.size, x.itemsize, x.itemsize, room_bytes, lanes)))
        results: list[Any] = [None] * len(parts)

        def piece(place: int, part: slice) -> Piece:
            def deliver(result: Any) -> None:
                results[place] = result

            steps = (lambda: (sendable(x[part]),),)
            return Piece(task, call.operation, call.dtype, steps, deliver)

        def finish() -> None:
            out[...] = join(call, parts, results)

        return Job([piece(place, part) for place, part in enumerate(parts)], finish)

    return rule


def _joined_by_kernel(call: Call, parts: list[slice], results: list[Any]) -> np.ndarray:
    """Reduce the results as the pieces were: a sum of sums, a maximum of maxima."""
    out = np.empty(1, call.dtype)
    tasks.kernel(call.operation, call.dtype)(np.array(results, call.dtype), out)
    return out


def _joined_places(call: Call, parts: list[slice], results: list[Any]) -> int:
    """Return the place of the first of the largest numbers; a NaN is larger than all."""
    first = int(np.argmax(np.array([value for _, value in results])))
    return parts[first].start + results[first][0]


def _joined_moments(call: Call, parts: list[slice], results: list[Any]) -> tuple[float, float]:
    """Join means and variances by Chan's formula, in float64."""
    total = tasks.Moments(0, 0.0, 0.0)
    for piece in results:
        count = total.count + piece.count
        distance, share = piece.mean - total.mean, piece.count / count
        variance = (1 - share) * total.variance + share * piece.variance
        total = tasks.Moments(
            count,
            total.mean + distance * share,
            variance + distance * distance * share * (1 - share),
        )
    return total.mean, total.variance


def _product(call: Call, room_bytes: int, lanes: int) -> Job:
    """Cut a product of two matrices into blocks of its result."""
    a, b, out = call.arguments
    transposed = call.operation == "matmul_nt"
    columns = b.T if transposed else b
    fits = a.ndim == b.ndim == 2 and a.shape[1] == columns.shape[0]
    _expect(call, fits and out.shape == (len(a), columns.shape[1]), "a, b and out that fit")
    sizes = len(a), a.shape[1], columns.shape[1]
    grid = blocks(sizes, a.itemsize, room_bytes, lanes)
    return Job(
        [
            _block(call, a, b, out, rows, cols, list(spans(a.shape[1], grid.inner)))
            for rows in spans(len(a), grid.rows)
            for cols in spans(columns.shape[1], grid.columns)
        ]
    )


def _block(call: Call, a, b, out, rows: slice, cols: slice, inner: list[slice]) -> Piece:
    """Return the piece that computes a block of the product, panel by panel."""

    def panel(part: slice) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        where = (cols, part) if call.operation == "matmul_nt" else (part, cols)
        return lambda: (sendable(a[rows, part]), sendable(b[where]))

    def deliver(result: np.ndarray) -> None:
        out[rows, cols] = result

    return Piece(
        tasks.product, call.operation, call.dtype, tuple(map(panel, inner)), deliver
    )


@dataclass(frozen=True)
class Blocks:
    """Largest sizes of a block of the result, and of a panel of the inner dimension."""

    rows: int
    inner: int
    columns: int


def blocks(sizes: tuple[int, int, int], itemsize: int, room_bytes: int, lanes: int) -> Blocks:
    """Return blocks of a product that fit a worker, and of which each lane gets one.

    A block of `r` rows and `c` columns takes ``2 r c`` numbers, since the sum so far and the
    next one are there at once, and a panel ``(r + c) p``. Each row of `a` is sent once for
    each column of blocks, and each column of `b` once for each row of blocks: the larger a
    block and the nearer to a square, the less is sent.

    Source
    ------
    Irony, Toledo and Tiskin, "Communication lower bounds for distributed-memory matrix
    multiplication", *Journal of Parallel and Distributed Computing* 64 (2004).
    """
    m, k, n = sizes
    numbers = max(4, room_bytes // itemsize)
    p = min(k, math.isqrt(numbers // 4))
    edge = max(1, (math.isqrt(p * p + 2 * numbers) - p) // 2)  # of a square with such a panel
    most_rows = edge if n > edge else (numbers - n * p) // (2 * n + p)
    most_columns = edge if m > edge else (numbers - m * p) // (2 * m + p)
    fewest = math.ceil(m / most_rows), math.ceil(n / most_columns)
    wanted = min(lanes, max(1, (m * k + k * n + m * n) * itemsize // LEAST_PIECE_BYTES))
    choices = [
        (down, max(fewest[1], math.ceil(wanted / down)))
        for down in range(fewest[0], max(fewest[0], wanted) + 1)
    ]
    down, across = min(choices, key=lambda grid: (grid[1] * m * k + grid[0] * k * n, grid))
    rows, columns = math.ceil(m / min(down, m)), math.ceil(n / min(across, n))
    left = numbers - 2 * rows * columns
    return Blocks(rows, max(1, min(k, left // (rows + columns))), columns)


def _batch(call: Call, room_bytes: int, lanes: int) -> Job:
    """Cut a batch of products: several to a piece, or each into blocks if it is too large."""
    a, b, out = call.arguments
    fits = a.ndim == b.ndim == 3 and len(a) == len(b) and a.shape[2] == b.shape[1]
    _expect(call, fits and out.shape == (*a.shape[:2], b.shape[2]), "a, b and out that fit")
    each = a[0].nbytes + b[0].nbytes + out[0].nbytes
    if each > room_bytes:
        singly = [
            Call("matmul", call.dtype, (a[item], b[item], out[item])) for item in range(len(a))
        ]
        return Job([piece for one in singly for piece in cut(one, room_bytes, lanes).pieces])
    most = _most(call, len(a), each, each, room_bytes, lanes)
    return Job([_several(call, a, b, out, part) for part in spans(len(a), most)])


def _several(call: Call, a, b, out, part: slice) -> Piece:
    def deliver(result: np.ndarray) -> None:
        out[part] = result

    steps = (lambda: (sendable(a[part]), sendable(b[part])),)
    return Piece(tasks.product, call.operation, call.dtype, steps, deliver)


def _most(
    call: Call, count: int, sent_bytes: int, held_bytes: int, room_bytes: int, lanes: int
) -> int:
    """Return how many items a piece has: what fits, but something for every lane.

    Parameters
    ----------
    sent_bytes, held_bytes : int
        What an item takes on its way, and on the worker.
    """
    if held_bytes > room_bytes:
        raise BackendError(
            f"{call.operation}: {held_bytes:,} bytes must lie on one worker at once, which has "
            f"room for {room_bytes:,}; give workers more memory, by "
            "accel.use('dask', memory_limit=...)"
        )
    worth_sending = math.ceil(LEAST_PIECE_BYTES / sent_bytes)
    fair = max(math.ceil(count / lanes), worth_sending)
    return max(1, min(room_bytes // held_bytes, fair))


def _expect(call: Call, fits: bool, expected: str) -> None:
    if not fits:
        shapes = ", ".join(str(getattr(each, "shape", each)) for each in call.arguments)
        raise ValueError(f"{call.operation} on a cluster expects {expected}, got {shapes}")


#: Operation -> rule by which it is cut.
KINDS: dict[str, Callable[[Call, int, int], Job]] = {
    **dict.fromkeys(("relu", "gelu", "gelu_erf", "sigmoid", "silu", "exp"), _elements),
    **dict.fromkeys(("softmax", "log_softmax", "layernorm", "rmsnorm"), _rows),
    **dict.fromkeys(("sum", "max"), _reduction(tasks.reduced, _joined_by_kernel)),
    "argmax": _reduction(tasks.largest, _joined_places),
    "mean_variance": _reduction(tasks.moments, _joined_moments),
    **dict.fromkeys(("matmul", "matmul_nt"), _product),
    "matmul_batched": _batch,
}

DTYPES = ("float32", "float64")


def why_not(operation: str, dtype: str) -> str | None:
    """Return why calls cannot be cut, as after "because"; None if they can."""
    if operation not in KINDS:
        return (
            f"no rule says how {operation} is cut into pieces; a cluster runs "
            f"{', '.join(sorted(KINDS))}"
        )
    if dtype not in DTYPES or not registry.ladder(operation, dtype=dtype, tag="best"):
        return f"workers have no kernel of {operation} for {dtype}; convert to float32 or float64"
    return None
