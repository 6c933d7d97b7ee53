"""Warnings that others wrote: sentences, also an empty one, and codes with values."""

from __future__ import annotations

import pytest

from dctbench.model import CaseWarning
from dctbench.text.warning_values import WarningRecord, read_warning


@pytest.mark.parametrize("sentence", ["", "the clock was low"])
def test_a_sentence_is_read_the_same_as_a_string_and_as_a_record(sentence: str) -> None:
    assert read_warning(sentence) == CaseWarning.text(sentence)
    assert read_warning(WarningRecord("text", message=sentence)) == CaseWarning.text(sentence)
