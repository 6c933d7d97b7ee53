"""The benchmark of a fleet: the rows that it sends by COPY are those of the store, and its document has its figures."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks import fleet
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from tests.support import ROOT, postgresql


def test_a_day_that_is_sent_by_copy_is_read_as_one_that_the_store_wrote() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "server").mkdir()
        with postgresql.running(place / "server") as server, open_store(server.url, create=True) as store:
            made = fleet.Fleet(store, server)
            runs = [made.add(0, by_store=True), made.add(fleet.CLASSES, by_store=False)]
            written, sent = (store.results(run) for run in runs)
            assert not find_damage(store)
    assert written == sent
    assert len(sent) == fleet.DAY == 1440


def test_the_document_has_the_figures_of_a_whole_fleet() -> None:
    found = json.loads(fleet.RESULTS.read_text(encoding="utf-8"))
    text = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    assert found["results_per_day"] == 1440
    assert [(stage["machines"], stage["rows"]) for stage in found["stages"]] == [(100, 144_000), (1000, 1_440_000)]
    assert all(line in text for line in fleet.document(found))
