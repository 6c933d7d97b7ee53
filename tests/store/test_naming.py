"""Names of runs: labels, and the references by which a run is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.model import Run
from dctbench.store import clean_label
from tests.store.test_contents import new_store
from tests.support.made import result


def test_a_run_is_found_by_id_prefix_label_and_latest(tmp_path: Path) -> None:
    def run(id: str, label: str | None, second: int) -> Run:
        return Run(id, label, "quick", (), f"2026-01-01T00:00:{second:02d}+00:00", "0.1.0")

    runs = [run("aaaa1111", "base", 1), run("aaaa2222", "base", 2), run("bbbb3333", None, 3)]
    with new_store(tmp_path / "s.sqlite", result(), run=runs[0]) as store:
        for one in runs[1:]:
            store.add_run(one, [result().case], rounds=1)
        found = {ref: store.find_run(ref).run.id for ref in ("latest", "latest~1", "base", "bbbb", "aaaa1111", "aaaa2")}
        assert found == {"latest": "bbbb3333", "latest~1": "aaaa2222", "base": "aaaa2222", "bbbb": "bbbb3333",
                         "aaaa1111": "aaaa1111", "aaaa2": "aaaa2222"}  # fmt: skip
        for bad in ("aaaa", "latest~3", "latest~x", "nothing", "", "latest~" + "9" * 50):
            with pytest.raises(UsageError):
                store.find_run(bad)


def test_labels_have_no_control_characters_and_a_maximum_length() -> None:
    assert clean_label("a\x1b[31mb\nc") == "a[31mbc"
    assert len(clean_label("x" * 10_000)) == 200
