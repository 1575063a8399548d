"""What the interpreter adds to a loop, counted rather than timed: instructions and boxes.

Both counts are exact and need no clock: they are properties of the compiled bytecode
and of the objects, on the Python that builds the page.
"""

from __future__ import annotations

import dis
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

from accel.timing.report import Sentence, code
from accel.timing.words import count, listed, number


def inner_loop(function: Callable) -> list[dis.Instruction]:
    """Return the bytecode instructions of a function's most deeply nested loop.

    Parameters
    ----------
    function : callable
        Written in Python. Loops inside comprehensions and inside called functions are
        not seen.

    Returns
    -------
    instructions : list of dis.Instruction
        From the head of the loop to the jump back to it, both included: what one pass
        executes if nothing in it branches. The first of several loops equally deep.

    Raises
    ------
    TypeError
        If it has no bytecode.
    ValueError
        If it has no loop.
    """
    instructions = list(dis.get_instructions(function))
    loops = [
        (each.argval, each.offset)
        for each in instructions
        if "JUMP" in each.opname and isinstance(each.argval, int) and each.argval < each.offset
    ]
    if not loops:
        raise ValueError(
            f"{function.__name__} has no loop in its bytecode; pass a function with a "
            "for or while statement"
        )

    def depth(loop: tuple[int, int]) -> int:
        return sum(other[0] <= loop[0] and loop[1] <= other[1] for other in loops)

    head, jump = max(loops, key=depth)
    return [each for each in instructions if head <= each.offset <= jump]


def arithmetic_of(instructions: Sequence[dis.Instruction]) -> list[dis.Instruction]:
    """Return those that add, multiply or otherwise combine two objects by an operator."""
    return [
        each
        for each in instructions
        if each.opname.startswith("BINARY_OP") and not each.argrepr.startswith("[")
    ]


def bytecode_sentence(function: Callable, name: str) -> Sentence:
    """Say how many instructions the inner loop of `function` takes, and for how much work."""
    loop = inner_loop(function)
    work = arithmetic_of(loop)
    operators = listed(code(each.argrepr) for each in work) if work else "none"
    return Sentence(
        f"On Python {platform.python_version()} one pass of the inner loop of {code(name)} is "
        f"{len(loop)} bytecode instructions. {len(work)} of them "
        f"{'is' if len(work) == 1 else 'are'} arithmetic: {operators}."
    )


def bytes_per_element(values: Any) -> float:
    """Return the memory that an element takes: in an array its bytes, in a list its box too.

    Parameters
    ----------
    values : list or ndarray
        Not empty. An object that a list holds twice is counted once.

    Raises
    ------
    ValueError
        If there are no elements.
    """
    if len(values) == 0:
        raise ValueError("bytes per element need at least one element, got none")
    if hasattr(values, "nbytes"):
        return values.nbytes / values.size
    boxes = {id(value): sys.getsizeof(value) for value in values}
    return (sys.getsizeof(values) + sum(boxes.values())) / len(values)


def boxes_sentence(array: Any) -> Sentence:
    """Say what an array's numbers take in it, and what they take as a list of objects.

    Parameters
    ----------
    array : ndarray, shape (n,)
    """
    bare, boxed = bytes_per_element(array), bytes_per_element(array.tolist())
    return Sentence(
        f"{count(len(array))} numbers take {number(bare)} bytes each as {code(array.dtype.name)} "
        f"in an array, and {number(boxed)} bytes each in a list: a reference of 8 bytes, and an "
        f"object of {sys.getsizeof(array.tolist()[0])} bytes somewhere else that it refers to. "
        f"The list spreads the same numbers over {number(boxed / bare)} times the memory."
    )
