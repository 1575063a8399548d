"""Transposition of a square of registers, without a trip through memory."""

from __future__ import annotations

from numba.core.errors import TypingError
from numba.extending import intrinsic

from accel.simd.emitting import require_value
from accel.simd.lanes import shuffle
from accel.simd.types import RegistersType

#: Bytes in which a shuffle of any width is cheapest: x86 registers are rows of these.
_CHUNK_BYTES = 16


@intrinsic
def tile_transpose(context, tile):
    """``tile_transpose(tile)``: the tile with rows and columns exchanged.

    For a square tile: ``Tile(V, rows=V.lanes, vectors=1)``. Each of log2(lanes) rounds
    pairs the registers and exchanges halves of their elements: ``lanes * log2(lanes)``
    shuffles in all, each a single instruction on x86.
    """
    require_value("tile_transpose", RegistersType, tile)
    token = tile.token
    if token.vectors != 1 or token.rows != token.vector.lanes:
        raise TypingError(
            f"tile_transpose: expected a square tile of one register per row, got {tile}"
        )

    def generate(context, builder, sig, values):
        rows = [builder.extract_value(values[0], r) for r in range(token.rows)]
        inside = min(token.rows, _CHUNK_BYTES // token.vector.dtype.itemsize)
        made = values[0]
        for column, register in enumerate(_transposed(builder, rows, inside)):
            made = builder.insert_value(made, register, column)
        return made

    return tile(tile), generate


def _transposed(builder, rows: list, inside: int) -> list:
    """Transpose inside chunks, then the chunks: chunk k of group q becomes chunk q of k."""
    count = len(rows)
    groups = [
        _transposed_inside(builder, rows[at : at + inside], inside, 1)
        for at in range(0, count, inside)
    ]
    columns = [None] * count
    for j in range(inside):
        chunks = _transposed_chunks(builder, [group[j] for group in groups], inside)
        for k, register in enumerate(chunks):
            columns[k * inside + j] = register
    return columns


def _transposed_inside(builder, rows: list, inside: int, grain: int) -> list:
    """Interleave grains of two registers, in each chunk, until a grain is a whole column."""
    if len(rows) == 1:
        return rows
    low, high = [], []
    half = inside // 2
    for x, y in zip(rows[::2], rows[1::2], strict=True):
        low.append(_interleaved(builder, x, y, inside, grain, range(0, half, grain)))
        high.append(_interleaved(builder, x, y, inside, grain, range(half, inside, grain)))
    return [
        *_transposed_inside(builder, low, inside, 2 * grain),
        *_transposed_inside(builder, high, inside, 2 * grain),
    ]


def _interleaved(builder, x, y, inside: int, grain: int, starts):
    """Emit grains of `x` and `y` in turn, those that start here in each chunk."""
    lanes = x.type.count
    order = [
        register * lanes + chunk + start + at
        for chunk in range(0, lanes, inside)
        for start in starts
        for register in (0, 1)
        for at in range(grain)
    ]
    return shuffle(builder, x, y, order)


def _transposed_chunks(builder, rows: list, inside: int) -> list:
    """Gather even chunks of pairs, and odd ones, as often as the count can be halved."""
    for _ in range(len(rows).bit_length() - 1):
        rows = [
            _every_second_chunk(builder, x, y, inside, first)
            for first in (0, 1)
            for x, y in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows


def _every_second_chunk(builder, x, y, inside: int, first: int):
    chunks = range(first, 2 * x.type.count // inside, 2)
    return shuffle(builder, x, y, (c * inside + at for c in chunks for at in range(inside)))
