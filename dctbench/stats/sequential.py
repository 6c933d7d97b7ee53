"""Sequential tests that head is slower than base: p-values that stay valid at any stopping time.

The unit is a pair of processes, base and head. If both run the same code they are exchangeable, so the logarithm of
their ratio is +d or -d with equal probability, whatever the machine does meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

STEEPNESS = 2.0
"""A change as large as the tolerance counts tanh(2) = 0.96 of the maximum of a pair."""
STAKE = 0.95
"""The share of the evidence that one pair can win or lose. At 1 a single pair far in the other direction, which occurs
now and then on a shared machine, would cancel all evidence before it, and fifteen more pairs would not restore it.
"""


def paired_p(changes: Sequence[float], tolerance: float) -> float:
    """Return the anytime-valid p-value of "head is not slower", from the log ratios head / base of pairs.

    Each pair multiplies the evidence by 1 + 0.95 tanh(2 d / log(1 + tolerance)). If d is symmetric about 0 the factor
    has expectation 1, because tanh is odd, so the product is a test martingale. By Ville's inequality it reaches 1 / p
    with probability at most p, however often it is inspected and whenever the test stops (Shafer, J. R. Stat. Soc. A
    184, 2021; Ramdas et al., Stat. Sci. 38, 2023). The factor of one pair is at most 1.95 and at least 1 / 20, and it
    is near 1 for a small change: this is a sequential sign test that also uses the sizes.

    Args:
        changes: log(head / base) of each pair.
        tolerance: the change that matters, 0.1 for 10%; it only sets the scale.
    """
    scale = math.log1p(tolerance)
    evidence = math.prod(1 + STAKE * math.tanh(STEEPNESS * change / scale) for change in changes)
    return 1.0 if evidence <= 1 else 1 / evidence


def least_paired_p(pairs: int) -> float:
    """Return the least p-value that `paired_p` can give for that many pairs."""
    return (1 + STAKE) ** -pairs
