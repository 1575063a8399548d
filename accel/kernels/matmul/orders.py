"""Orders of a chain of matrix products: what each costs, and which is cheapest.

An *order* is a nested pair: the number of a matrix, or ``(order, order)``. So
``((0, 1), 2)`` multiplies the first two first. Matrix i has ``sides[i]`` rows and
``sides[i + 1]`` columns.

Source
------
Godbole, "On efficient computation of matrix chain products", *IEEE Transactions on
Computers* C-22 (1973). Cormen, Leiserson, Rivest and Stein, *Introduction to
Algorithms*, 3rd ed. (2009), section 15.2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

#: Chains that `check_order` tries: as written, from the right, and from the middle out.
TRIED = (
    (5, 7),
    (3, 1, 4),
    (10, 1000, 10, 1000),
    (64, 64, 64, 1),
    (1, 64, 64, 64),
    (30, 35, 15, 5, 10, 20, 25),
    (40, 2, 40, 2, 40, 2, 40),
    (512, 8, 512, 8, 1, 8),
)


def left_order(count: int):
    """Return the order from left to right: ``((0, 1), 2)``.

    Raises
    ------
    ValueError
        If there is no matrix.
    """
    if count < 1:
        raise ValueError(f"orders: expected at least one matrix, got {count}")
    return functools.reduce(lambda order, matrix: (order, matrix), range(count))


def cost_of(order, sides: Sequence[int]) -> int:
    """Return the FLOPs of an order: ``2 m k n`` for each of its products.

    Parameters
    ----------
    order : int or pair of orders
    sides : sequence of int
        One more than there are matrices.

    Raises
    ------
    ValueError
        If the order is not of all these matrices, each once, from first to last.
    """
    leaves = list(_leaves(order))
    if leaves != list(range(len(sides) - 1)):
        raise ValueError(
            f"orders: expected an order of the matrices 0 to {len(sides) - 2}, each once and "
            f"from left to right, got {order!r}"
        )
    return _cost(order, sides)[0]


def _leaves(order) -> Iterator[int]:
    if isinstance(order, int):
        yield order
    elif isinstance(order, tuple) and len(order) == 2:
        yield from _leaves(order[0])
        yield from _leaves(order[1])
    else:
        raise ValueError(
            f"orders: expected an order to be a matrix number or a pair of orders, got {order!r}"
        )


def _cost(order, sides) -> tuple[int, int, int]:
    """FLOPs of an order, and its first and last matrix."""
    if isinstance(order, int):
        return 0, order, order
    left, first, middle = _cost(order[0], sides)
    right, _, last = _cost(order[1], sides)
    product = 2 * sides[first] * sides[middle + 1] * sides[last + 1]
    return left + right + product, first, last


def best_order(sides: Sequence[int]):
    """Return the cheapest order of a chain.

    The cheapest order of a chain consists of cheapest orders of its two parts, so every
    part is solved once, short ones first.

    Parameters
    ----------
    sides : sequence of int
        One more than there are matrices.

    Returns
    -------
    order : int or pair of orders
        Of several cheapest ones, one whose last product is furthest to the left.

    Raises
    ------
    ValueError
        If there is no matrix, or a side is negative.

    Cost
    ----
    ``O(k**3)`` for k matrices, once for each tuple of sides.

    Source
    ------
    Godbole (1973).

    >>> best_order([10, 1000, 10, 1000])
    ((0, 1), 2)
    """
    return _best_order(tuple(sides))


@functools.lru_cache(maxsize=256)
def _best_order(sides: tuple[int, ...]):
    if len(sides) < 2 or min(sides) < 0:
        raise ValueError(f"orders: expected two or more sides, none negative, got {sides}")
    sides = tuple(int(side) for side in sides)  # NumPy's integers would overflow
    count = len(sides) - 1
    best = {(i, i): (0, i) for i in range(count)}  # part of the chain -> cost and order
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            choices = []
            for middle in range(first, last):
                (left, before), (right, after) = best[first, middle], best[middle + 1, last]
                product = 2 * sides[first] * sides[middle + 1] * sides[last + 1]
                choices.append((left + right + product, (before, after)))
            best[first, last] = min(choices, key=lambda choice: choice[0])
    return best[0, count - 1][1]


def all_orders(first: int, last: int) -> Iterator:
    """Yield every order of the matrices from `first` to `last`.

    There are Catalan numbers of them: 1, 2, 5, 14, 42, 132, ...
    """
    if first == last:
        yield first
    for middle in range(first, last):
        for left in all_orders(first, middle):
            for right in all_orders(middle + 1, last):
                yield left, right


def check_order(order_of: Callable[[Sequence[int]], object]) -> list[str]:
    """Try a function that chooses orders, against every order there is.

    Parameters
    ----------
    order_of : callable
        Takes the sides of a chain and returns an order.

    Returns
    -------
    complaints : list of str
        One line for each chain whose order is wrong or not the cheapest. Empty if none.
    """
    complaints = []
    for sides in TRIED:
        fewest = min(cost_of(order, sides) for order in all_orders(0, len(sides) - 2))
        try:
            order = order_of(sides)
            cost = cost_of(order, sides)
        except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
            complaints.append(f"sides {sides}: raised {type(error).__name__}: {error}")
            continue
        if cost > fewest:
            complaints.append(
                f"sides {sides}: order {order} takes {cost:,} FLOPs, the cheapest {fewest:,}"
            )
    return complaints
