"""Which attentions of a model are replaced: the text of `--layers`, such as `0,2,4` or `2..` (all from 2 on)."""

from __future__ import annotations

import re

from dctbench.errors import UsageError
from dctbench.text.format import pluralize

_NUMBERS = re.compile(r"[0-9]{1,4}(,[0-9]{1,4})*", re.ASCII)
_FROM = re.compile(r"[0-9]{1,4}\.\.", re.ASCII)


def checked_layers(text: str) -> str:
    """Return the text in one form: sorted, distinct numbers from 0 such as `0,2,4`, or `2..`.

    Raises:
        UsageError: for anything else.
    """
    words = text.replace(" ", "")
    if _FROM.fullmatch(words):
        return f"{int(words[:-2])}.."
    if _NUMBERS.fullmatch(words):
        return ",".join(map(str, sorted({int(word) for word in words.split(",")})))
    raise UsageError(f"--layers {text!r}: not a list of layers", hint="numbers from 0 such as 0,2,4, or 2.. from 2 on")


def chosen_layers(text: str | None, count: int) -> list[int]:
    """Return the numbers of the layers that the text names, of a model with `count` of them; None names all.

    Raises:
        UsageError: for a layer that the model does not have.
    """
    if text is None:
        return list(range(count))
    checked = checked_layers(text)
    first = int(checked[:-2]) if checked.endswith("..") else None
    numbers = list(range(first, count)) if first is not None else [int(word) for word in checked.split(",")]
    if not numbers or numbers[-1] >= count:
        raise UsageError(
            f"--layers {text}: the model has {pluralize(count, 'attention')} that can be replaced",
            hint=f"they are numbered from 0 to {count - 1}",
        )
    return numbers
