"""`dctbench report`."""

from __future__ import annotations

import base64
import gzip
import re
import time
from dataclasses import replace
from pathlib import Path

from dctbench.app.report import ReportRequest, make_report
from dctbench.exporters.json_document import document, dumps
from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result


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


def test_what_changed_since_a_baseline_has_a_section_of_its_own(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    assert cli("report", "--baseline", "latest").code == 0
    text = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert '"regressions":{"data":' in text.replace(" ", "")
    assert cli("report").code == 0
    assert "No baseline was given" in (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert cli("report", "--baseline", "never").code == 2


def test_one_model_has_one_name_in_all_of_a_page(cli: Cli, tmp_path: Path) -> None:
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        for number in (1, 2):
            run = replace(RUN, id=f"{number:016x}", label=f"exp{number}")
            cases = [
                replace(one.case, scope="model", model=f"hf:/data/exp{number}/final")
                for one in (result(), result("dct-x", ratio=8))
            ]
            store.add_run(run, cases, rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_results(run.id, [replace(result(), case=case) for case in cases])
    assert cli("report", "exp2", "--baseline", "exp1", "--anonymous").code == 0
    page = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert "hf:final (2)" in page
    assert not re.search(r"hf:final(?! \()", page)
    assert cli("report", "exp1", "exp2", "--anonymous", "--force").code == 0
    page = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert "hf:final (1)" in page
    assert "hf:final (2)" in page


def test_a_case_is_followed_over_the_stored_runs(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    cases = cli("list", "cases", "--format", "json").json()
    case = next(one["case_id"] for one in cases if one["case"]["implementation"] == "sdpa")
    assert case in cli("list", "cases").out
    assert cli("report", "--history", case).code == 0
    text = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert 'data-figure="history"' in text
    assert "1 run" in text
    request = ReportRequest(store=str(tmp_path / ".dctbench" / "results.sqlite"), history=case, reference="full")
    past = make_report(request, []).past
    assert past is not None
    assert past[0].reference == "full"
    assert past[0].points[0].speedup is not None
    followed = cli("compare", "--history", case)
    assert followed.code == 0, followed.err
    assert "changes of level need 10 runs" in followed.out
    assert "vs full" in cli("compare", "--history", case, "--reference", "full").out
    for flags, said in (
        (("never n=1",), "no stored run has a case 'never n=1'"),
        ((case, "--reference", "ful"), "unknown reference of that case 'ful'; did you mean 'full'?"),
        ((case, "--reference", "sdpa"), "unknown reference of that case 'sdpa'"),  # the case itself
        ((case, "--tolerance", "10%"), "--history takes no --tolerance"),
        ((case, "--all"), "--history takes no --all"),
    ):
        refused = cli("compare", "--history", *flags)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert cli("compare").code == 2


def test_a_run_without_results_is_told_how_to_come_by_them(cli: Cli, tmp_path: Path) -> None:
    runs = [replace(RUN, id=letter * 16, settings=settings) for letter, settings in
            (("a", RUN.settings), ("b", replace(RUN.settings, check={"side": "head"})))]  # fmt: skip
    with open_store(str(tmp_path / "my results.sqlite"), create=True) as store:
        for run in runs:
            store.add_run(run, [result().case], rounds=1)
    (tmp_path / "empty.json").write_text(dumps(document(RUN, {}, [])), encoding="utf-8")
    full = document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [result()])
    (tmp_path / "full.json").write_text(dumps(full), encoding="utf-8")
    for reference, remedy in (("a" * 8, "dctbench run --resume aaaaaaaa --store 'my results.sqlite'"),
                              ("b" * 8, "start the check again"), ("empty.json", "measure again")):  # fmt: skip
        done = cli("report", reference, "--store", "my results.sqlite")
        assert (done.code, "has no results yet" in done.err) == (2, True)
        assert remedy in done.err
        compared = cli("compare", "full.json", reference, "--store", "my results.sqlite")
        assert (compared.code, "has no results yet" in compared.err) == (3, True)
        assert remedy in compared.err
        beside = cli("report", "full.json", "--baseline", reference, "--store", "my results.sqlite")
        assert (beside.code, remedy in beside.err) == (3, True)


def test_mistakes_are_one_sentence(cli: Cli, tmp_path: Path) -> None:
    assert cli("report").code == 5
    stored(tmp_path)
    for arguments, words in ((("nothing",), "no run 'nothing'"), (("--reference", "sdap"), "did you mean 'sdpa'"),
                             (("-o", "absent/page.html"), "cannot write absent/page.html")):  # fmt: skip
        done = cli("report", *arguments)
        assert (done.code, "Traceback" in done.err) == (2, False)
        assert words in done.err


def test_with_compress_the_page_holds_the_same_data_in_fewer_bytes(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path)
    for name, flags in (("plain.html", ()), ("small.html", ("--compress",))):
        assert cli("report", "-o", name, *flags).code == 0
    plain, small = (tmp_path / name for name in ("plain.html", "small.html"))
    assert small.stat().st_size < plain.stat().st_size / 2
    packed = re.findall(r"<script[^>]*>\s*(H4sI[\w+/=]+)\s*</script>", small.read_text(encoding="utf-8"))
    texts = [gzip.decompress(base64.b64decode(one)).decode() for one in packed]
    assert texts
    assert all(text.strip() in plain.read_text(encoding="utf-8") for text in texts)


def test_with_open_a_browser_gets_the_page(cli: Cli, tmp_path: Path, environ: dict[str, str]) -> None:
    stored(tmp_path)
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text('#!/bin/sh\necho "$1" > opened.part && mv opened.part opened\n')
    opener.chmod(0o755)
    flags = {"PATH": f"{opener.parent}:{environ['PATH']}"}
    assert cli("report", "-o", "a page.html", "--open", **flags).code == 0
    deadline = time.monotonic() + 60
    while not (tmp_path / "opened").exists():  # the browser is not waited for
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (tmp_path / "opened").read_text().strip() == str(tmp_path / "a page.html")
