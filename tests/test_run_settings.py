"""The settings of a run: typed here, and as they were in what is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.model import RunSettings
from tests.support import ROOT

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
_NAMES = st.sampled_from(
    ["rounds", "case_timeout", "env", "samples", "prune", "isolation", "cache", "budget", "check", "extra", "present"]
)


@given(st.dictionaries(_NAMES | st.text(max_size=8), _VALUES))
def test_any_stored_settings_are_written_back_as_they_were(data: dict[str, Any]) -> None:
    assert RunSettings.from_json(data).to_json() == data


def test_settings_of_a_new_run_hold_every_setting_that_is_compared_or_needed_to_resume() -> None:
    assert RunSettings().to_json() == {
        "rounds": 5, "case_timeout": 120.0, "env": {}, "prune": True, "isolation": "auto", "cache": None,
    }  # fmt: skip


def test_what_is_set_is_stored_though_it_is_rarely_set() -> None:
    stored = RunSettings(samples=299, budget=60.0, check={"side": "head"}).to_json()
    assert (stored["samples"], stored["budget"], stored["check"]) == (299, 60.0, {"side": "head"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", "many"), ("rounds", True), ("case_timeout", None), ("env", {"A": 1}), ("prune", 1),
     ("isolation", "none"), ("cache", []), ("check", "head")],
)  # fmt: skip
def test_a_value_of_another_type_is_not_believed(name: str, value: object) -> None:
    found = RunSettings.from_json({name: value})
    assert getattr(found, name) == getattr(RunSettings(), name)
    assert found.to_json() == {name: value}


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "importers" / "files").glob("document-*.json")), ids=str)
def test_the_settings_of_every_released_document_are_written_back_byte_by_byte(path: Any) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))["run"].get("settings", {})
    assert json.dumps(RunSettings.from_json(data).to_json(), sort_keys=True) == json.dumps(data, sort_keys=True)
