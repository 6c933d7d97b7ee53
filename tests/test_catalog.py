"""Names without imports: look-ups, globs, suggestions, and a user's own classes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dctbench import catalog
from dctbench.errors import UsageError


@pytest.mark.parametrize(
    "table", [catalog.IMPLEMENTATIONS, catalog.METRICS, catalog.DEVICES], ids=["impls", "metrics", "devices"]
)
def test_every_entry_says_what_it_is(table: dict[str, object]) -> None:
    assert table
    for name, entry in table.items():
        assert entry.name == name  # type: ignore[attr-defined]
        assert entry.summary  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", catalog.DEVICES)
def test_every_device_module_has_the_whole_interface(name: str) -> None:
    module = catalog.DEVICES[name].load()
    assert all(callable(getattr(module, word)) for word in ("synchronize", "memory_bytes", "out_of_memory"))


def test_globs_and_words_select_each_name_once_in_order() -> None:
    assert catalog.select("thing", ["b*", "a", "bb"], ["a", "bb", "bc"]) == ["bb", "bc", "a"]


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown implementation 'dtc-x'; did you mean 'dct-x'"):
        catalog.select_implementations(["dtc-x"])
    with pytest.raises(UsageError, match="unknown implementation 'zz\\*'"):
        catalog.select_implementations(["zz*"])


def test_a_class_of_ones_own_is_named_by_its_target_and_asked_about_its_ratio_later() -> None:
    assert catalog.select_implementations(["my.module:Layer", "sdpa"]) == ["my.module:Layer", "sdpa"]
    assert catalog.implementation("my.module:Layer").uses_ratio is None


@pytest.mark.parametrize(
    ("source", "words"),
    [(None, "importing absent_module failed"), ("1/0", "ZeroDivisionError"), ("x = 1", "has no 'Layer'")],
)
def test_a_class_that_cannot_be_loaded_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, words: str
) -> None:
    name = "absent_module" if source is None else f"broken_{abs(hash(source))}"
    if source is not None:
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=words):
        catalog.load_target(f"{name}:Layer")
    sys.modules.pop(name, None)
