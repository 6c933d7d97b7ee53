"""Nested expressions with one digit as their value, by the rules of Long Range Arena.

Tay et al. 2021 (arXiv 2011.04006), after Nangia and Bowman 2018 (arXiv 1804.06028).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dctbench.catalog.tasks import stated
from dctbench.errors import UnsupportedError
from dctbench.tasks import Examples, Split, Task, TaskFacts

BLANK, FIRST_OPERATOR, CLOSE, START = 0, 11, 15, 16
"""Symbols: 0 fills up, 1 to 10 are the digits, 11 to 14 open MIN, MAX, MED and SUM, 15 closes, 16 begins."""
OPERATORS = 4
NESTED = 0.25
"""The chance that an argument is an expression."""
MOST_ARGUMENTS, DEEPEST = 10, 9
SHORTEST = 4
"""Expressions have more than n / 4 symbols."""
LEAST_LENGTH, MOST_LENGTH = 32, 8192
"""A random expression has 525 symbols on average, and hardly one in 1000 has more than 8192. At four times that length
and more, practically all would be drawn again."""


class ListOps(Task):
    """`[MAX 2 9 [MIN 4 7 ] 0 ]` is 9. Operators are minimum, maximum, median and sum modulo 10.

    An expression has 2 to 10 arguments, each of which is an expression with a chance of 1/4, down to depth 9: at depth
    10, all are digits. Those of n / 4 symbols or fewer, and of more than n - 1, are drawn again.
    """

    facts: ClassVar[TaskFacts] = stated("listops")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        if not LEAST_LENGTH <= self.seq_len <= MOST_LENGTH:
            raise UnsupportedError(f"listops needs a length of {LEAST_LENGTH} to {MOST_LENGTH}; got {self.seq_len}")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return symbols (count, n), filled up with blanks, and the values (count,)."""
        inputs = np.full((count, self.seq_len), BLANK, np.int64)
        targets = np.empty(count, np.int64)
        for row, symbols in enumerate(inputs):
            written: list[int] = []
            while not self.seq_len / SHORTEST < len(written) <= self.seq_len - 1:
                written = []
                targets[row] = self.write(rng, written, 1)
            symbols[0] = START
            symbols[1 : len(written) + 1] = written
        return Examples(inputs, targets)

    def write(self, rng: np.random.Generator, written: list[int], depth: int) -> int:
        """Append a random expression to a list of symbols, and return its value. It stops early when it is too long."""
        operator = int(rng.integers(OPERATORS))
        written.append(FIRST_OPERATOR + operator)
        arguments = []
        for draw in rng.random(int(rng.integers(2, MOST_ARGUMENTS + 1))):
            if len(written) >= self.seq_len:
                break
            if draw < NESTED and depth < DEEPEST:
                arguments.append(self.write(rng, written, depth + 1))
            else:
                arguments.append(int(rng.integers(10)))
                written.append(1 + arguments[-1])
        written.append(CLOSE)
        return value(operator, arguments or [0])


def value(operator: int, arguments: list[int]) -> int:
    """Return the value of an operator. The median of an even number of digits is the mean of the middle two, rounded
    down.
    """
    if operator == 0:
        return min(arguments)
    if operator == 1:
        return max(arguments)
    if operator == 2:
        ordered = sorted(arguments)
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
    return sum(arguments) % 10
