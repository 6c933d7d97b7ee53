"""`dctbench report`."""

from __future__ import annotations

from pathlib import Path

from dctbench.store import open_store
from tests.conftest import Cli
from tests.made import ENVIRONMENT, RUN, result


def stored(tmp_path: Path) -> None:
    results = [result("sdpa", 512, 2e-3), result("full", 512, 4e-3)]
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        store.add_run(RUN, [r.case for r in results], rounds=1)
        store.add_environment(RUN.id, ENVIRONMENT)
        for one in results:
            store.add_result(RUN.id, one)


def test_the_page_is_written_whole_and_its_path_printed(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    done = cli("report")
    assert (done.code, done.out) == (0, "dctbench-report.html\n")
    first = (tmp_path / "dctbench-report.html").read_bytes()
    assert cli("report", RUN.id[:6], "-o", "again.html").code == 0
    assert (tmp_path / "again.html").read_bytes() == first
    assert not list(tmp_path.glob(".dctbench-report*"))


def test_title_and_reference_are_used(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    assert cli("report", "--title", "A & B", "--reference", "full").code == 0
    text = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "vs full" in text


def test_runs_are_named_one_by_one_and_the_page_may_be_compressed(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    assert cli("export", "json", "-o", "other.json").code == 0
    assert cli("report", "latest", "other.json", "-o", "whole.html").code == 0
    assert "Each run has its own statistics" in (tmp_path / "whole.html").read_text(encoding="utf-8")
    assert cli("report", "--compress", "-o", "packed.html").code == 0
    text = (tmp_path / "packed.html").read_text(encoding="utf-8")
    assert "At n = 512, keep sdpa: fastest" in text
    assert len(text) < 0.55 * (tmp_path / "whole.html").stat().st_size


def test_a_baseline_adds_what_changed_since(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    assert cli("report").code == 0
    assert "Did it get worse?" not in (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert cli("report", "--baseline", "latest").code == 0
    text = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert "Did it get worse?" in text
    assert cli("report", "--baseline", "nothing").code == 2


def test_mistakes_are_one_sentence(cli: Cli, tmp_path: Path) -> None:
    assert cli("report").code == 5
    stored(tmp_path)
    for arguments, words in ((("nothing",), "no run 'nothing'"), (("--reference", "sdap"), "did you mean 'sdpa'"),
                             (("-o", "absent/page.html"), "cannot write absent/page.html")):  # fmt: skip
        done = cli("report", *arguments)
        assert (done.code, "Traceback" in done.err) == (2, False)
        assert words in done.err
