"""Networks of shuffles between records and fields, for any number of fields below the lanes.

As many records as a register has lanes fill as many registers as they have fields. Two ways
lead from the one order to the other. *Collecting* makes each register of the result of all
those that hold some of it, which join one after the other: ``fields - 1`` shuffles for each
register. *Merging* works in rounds: two registers of some records and a group of fields each
become two of twice as many records and half a group each, so a round takes about as many
shuffles as there are registers, and there are as many rounds as the lanes can be halved. It
begins with registers of whole records, loaded where those begin; lanes beyond them lie idle.
Few fields are collected with fewer shuffles, many are merged; the network with fewer is taken.

Everything here is about numbers of lanes, not their contents, and happens while a kernel is
compiled.

Source
------
Stone, "Parallel Processing with the Perfect Shuffle", *IEEE Transactions on Computers* C-20
(1971), for rounds that exchange halves of pairs.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

#: A lane that nobody reads.
IDLE = -1


class Network(NamedTuple):
    """Shuffles, each of two registers, and where registers come from and go.

    Registers are counted: those given first, then one for each step.
    """

    loads: tuple[int, ...]  # element that each given register begins with
    steps: tuple[tuple[int, int, tuple[int, ...]], ...]  # two registers, lanes of both or `IDLE`
    results: tuple[int, ...]


class _Drawing:
    """A network under way, and which element each lane of each register holds."""

    def __init__(self, given):
        self.held = [tuple(lanes) for lanes in given]
        self.steps = []

    def pick(self, a: int, b: int, wanted) -> int:
        """Return a register with these elements, of two registers that hold them."""
        wanted = tuple(wanted)
        if all(want in (IDLE, have) for want, have in zip(wanted, self.held[a], strict=True)):
            return a
        lane_of = {element: lane for lane, element in enumerate(self.held[a] + self.held[b])}
        order = (lane_of[want] if want != IDLE else IDLE for want in wanted)
        self.steps.append((a, b, tuple(order)))
        self.held.append(wanted)
        return len(self.held) - 1

    def collect(self, registers, wanted) -> int:
        """Return a register with these elements, of all that hold some: one joins at a time."""
        holding = [at for at in registers if set(wanted) & set(self.held[at]) - {IDLE}]
        made, there = holding[0], set(self.held[holding[0]])
        for at in holding[1:] or holding:
            there |= set(self.held[at])
            made = self.pick(made, at, (want if want in there else IDLE for want in wanted))
        return made

    def network(self, loads, results) -> Network:
        return Network(tuple(loads), tuple(self.steps), tuple(results))


def whole_records(lanes: int, fields: int) -> int:
    """Return the power of two of records of which a register holds all fields."""
    return lanes >> (fields - 1).bit_length()


def _block(lanes: int, fields: int, records: int, number: int, group: int) -> tuple:
    """Return elements of a block of so many records and a group of fields, record by record."""
    wide = lanes // records
    return tuple(
        record * fields + field if field < fields else IDLE
        for record in range(number * records, (number + 1) * records)
        for field in range(group * wide, (group + 1) * wide)
    )


def _collected_apart(lanes: int, fields: int) -> Network:
    loads = range(0, lanes * fields, lanes)
    drawing = _Drawing(range(at, at + lanes) for at in loads)
    results = [
        drawing.collect(range(fields), range(field, lanes * fields, fields))
        for field in range(fields)
    ]
    return drawing.network(loads, results)


def _merged_apart(lanes: int, fields: int) -> Network:
    records = whole_records(lanes, fields)
    used = records * fields
    loads = range(0, lanes * fields, used)
    drawing = _Drawing(
        [at + lane if lane < used else IDLE for lane in range(lanes)] for at in loads
    )
    groups = [list(range(len(loads)))]
    while records < lanes:
        records *= 2
        groups = [
            [
                drawing.pick(a, b, _block(lanes, fields, records, number, group))
                for number, (a, b) in enumerate(zip(pair[::2], pair[1::2], strict=True))
            ]
            for group in range(-(-fields * records // lanes))
            for pair in [groups[group // 2]]
        ]
    return drawing.network(loads, [register for (register,) in groups])


def _put_together(lanes: int, fields: int, records: int) -> Network:
    """Merge until registers hold so many records of a group; then collect what is stored."""
    drawing = _Drawing(range(field, lanes * fields, fields) for field in range(fields))
    groups, held = [[field] for field in range(fields)], lanes
    while held > records:
        held //= 2
        groups = [
            [
                drawing.pick(left[number // 2], right[number // 2],
                             _block(lanes, fields, held, number, group))
                for number in range(2 * len(left))
            ]
            for group, left in enumerate(groups[::2])
            for right in [groups[min(2 * group + 1, len(groups) - 1)]]
        ]  # fmt: skip
    merged = [register for group in groups for register in group]
    results = [
        drawing.collect(merged, range(at, at + lanes)) for at in range(0, lanes * fields, lanes)
    ]
    return drawing.network((), results)


def _fewest(networks) -> Network:
    return min(networks, key=lambda network: len(network.steps))


@functools.cache
def apart(lanes: int, fields: int) -> Network:
    """Return the network from as many records as lanes to a register for each field.

    Parameters
    ----------
    lanes : int
        Of a register, a power of two.
    fields : int
        From 2 to `lanes`.
    """
    return _fewest((_collected_apart(lanes, fields), _merged_apart(lanes, fields)))


@functools.cache
def together(lanes: int, fields: int) -> Network:
    """Return the network from a register for each field to records one after the other.

    Parameters as for `apart`. Nothing is loaded: the registers of the fields are given.
    """
    fewest, stops = whole_records(lanes, fields), []
    while fewest <= lanes:
        stops.append(fewest)
        fewest *= 2
    return _fewest(_put_together(lanes, fields, records) for records in stops)
