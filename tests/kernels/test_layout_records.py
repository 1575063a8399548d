"""Records of any number of fields: networks of shuffles, ranges, lines past the caches."""

import numba
import numpy as np
import pytest

from accel.kernels.layout import fields_ranges as ranges
from accel.kernels.layout import records
from accel.kernels.layout.fields_networks import IDLE, apart, together, whole_records
from accel.kernels.layout.fields_registers import LANES, has_network
from accel.kernels.layout.values import SPECIAL, numbers
from accel.simd import Tile, vector

BORDER = 64
WIDTHS = [(lanes, fields) for lanes in (2, 4, 8, 16) for fields in range(2, lanes + 1)]
#: For registers of 64 bytes: records that lines meet at once, soon, or never.
FIELDS = [("float32", 5), ("float32", 6), ("float32", 8), ("float32", 13), ("float64", 5)]


def shuffled(network, given):
    registers = [list(register) for register in given]
    for a, b, order in network.steps:
        lanes = registers[a] + registers[b]
        registers.append([None if lane == IDLE else lanes[lane] for lane in order])
    return [registers[at] for at in network.results]


@pytest.mark.parametrize(("lanes", "fields"), WIDTHS)
def test_networks_take_records_apart_and_put_them_together(lanes, fields):
    network = apart(lanes, fields)
    numbered = list(range(lanes * fields)) + [None] * lanes
    of_fields = [list(range(field, lanes * fields, fields)) for field in range(fields)]
    assert shuffled(network, [numbered[at : at + lanes] for at in network.loads]) == of_fields
    back = shuffled(together(lanes, fields), of_fields)
    assert [element for register in back for element in register] == list(range(lanes * fields))


@pytest.mark.parametrize(("lanes", "fields"), WIDTHS)
def test_networks_take_no_more_shuffles_than_either_way_would(lanes, fields):
    for network in (apart(lanes, fields), together(lanes, fields)):
        assert len(network.steps) <= fields * (fields - 1)
    assert len(apart(lanes, lanes).steps) == lanes * (lanes.bit_length() - 1)


def test_registers_hold_whole_records():
    assert [whole_records(16, fields) for fields in (2, 3, 4, 5, 8, 9, 16)] == [8, 4, 4, 2, 2, 1, 1]


def bordered(shape, dtype, value, shift=0):
    """Return an array inside a larger one full of a value, and the larger one."""
    size = int(np.prod(shape))
    host = np.full(size + 2 * BORDER + shift, value, dtype)
    return host[BORDER + shift : BORDER + shift + size].reshape(shape), host


def around(host, shape, shift=0):
    size = int(np.prod(shape))
    return np.delete(host, slice(BORDER + shift, BORDER + shift + size))


@numba.njit
def apart_of(T, x, out, first, last, streams):
    ranges.take_apart(T, x, out, first, last, streams)


@numba.njit
def together_of(T, x, out, first, last, streams):
    ranges.put_together(T, x, out, first, last, streams)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("dtype", "fields"), FIELDS)
def test_any_range_is_moved_and_nothing_beside_it_touched(dtype, fields, streams):
    V = vector(dtype, 64 // np.dtype(dtype).itemsize)
    T, lanes = Tile(V, fields, 1), V.lanes
    long = 2 * ranges.PANEL + 3 * lanes
    for n in (1, lanes - 1, lanes, lanes + 1, 2 * lanes + 3, ranges.PANEL + lanes, long, long + 5):
        for first, last, shift in ((0, n, 0), (n // 3, n, 3), (n // 4, n - n // 5, 4)):
            x, _ = bordered((n, fields), dtype, np.nan)
            x[...] = numbers((n, fields), dtype)
            out, host = bordered((fields, n), dtype, 7.5, shift)
            apart_of(T, x, out, first, last, streams)
            expected = np.full((fields, n), 7.5, dtype)
            expected[:, first:last] = x.T[:, first:last]
            np.testing.assert_array_equal(out, expected)
            np.testing.assert_array_equal(around(host, out.shape, shift), 7.5)

            y, host = bordered((n, fields), dtype, 7.5, shift)
            together_of(T, np.ascontiguousarray(x.T), y, first, last, streams)
            expected = np.full((n, fields), 7.5, dtype)
            expected[first:last] = x[first:last]
            np.testing.assert_array_equal(y, expected)
            np.testing.assert_array_equal(around(host, y.shape, shift), 7.5)


@pytest.mark.parametrize(("lanes", "fields"), [(4, 3), (8, 5), (8, 7)])
def test_narrower_registers_move_the_same(lanes, fields):
    T = Tile(vector("float32", lanes), fields, 1)
    for n in (lanes, 2 * lanes + 3, 3 * ranges.PANEL):
        x = numbers((n, fields), "float32")
        for streams in (False, True):
            out, back = np.zeros((fields, n), "f4"), np.zeros((n, fields), "f4")
            apart_of(T, x, out, 0, n, streams)
            np.testing.assert_array_equal(out, x.T)
            together_of(T, out, back, 0, n, streams)
            np.testing.assert_array_equal(back, x)


@pytest.mark.skipif(LANES[np.dtype("f4")] < 8, reason="registers of less than five lanes")
@pytest.mark.parametrize("parts", [1, 3, 50])
def test_records_cut_into_parts_are_moved_the_same(parts):
    x = numbers((1003, 5), "float32")
    out, back = np.zeros((5, 1003), "f4"), np.zeros((1003, 5), "f4")
    for streams in (False, True):
        ranges.take_apart_everywhere(ranges.ONE_EACH[:5], x, out, parts, streams)
        np.testing.assert_array_equal(out, x.T)
        ranges.put_together_everywhere(ranges.ONE_EACH[:5], out, back, parts, streams)
        np.testing.assert_array_equal(back, x)
        out[...] = back[...] = 0


@pytest.mark.parametrize("fields", [5, 7])
def test_large_records_are_moved_bit_by_bit(fields):
    n = (1 << 24) // (4 * fields) // 3 + 7
    x = np.resize(np.array(SPECIAL, "f4"), (n, fields))
    x.view("u4")[::5] |= 3  # another payload of NaN, another small number
    out, back = np.zeros((fields, n), "f4"), np.zeros((n, fields), "f4")
    for take, put in (
        (records.aos_to_soa_vector, records.soa_to_aos_vector),
        (records.aos_to_soa_threads, records.soa_to_aos_threads),
    ):
        take(x, out)
        np.testing.assert_array_equal(out.view("u4"), x.view("u4").T)
        put(out, back)
        np.testing.assert_array_equal(back.view("u4"), x.view("u4"))
        out[...] = back[...] = 0


def test_fields_between_four_and_the_lanes_have_a_network():
    lanes = LANES[np.dtype("float32")]
    x = np.zeros((3, 3), "f4")
    assert [n for n in range(2, 70) if has_network(x, n)] == list(range(5, lanes))
    assert not has_network(x.astype("u1"), 5)
