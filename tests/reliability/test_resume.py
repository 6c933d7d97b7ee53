"""`--resume` refuses runs of another version or machine, and retries failures only with `--retry-failed`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench import __version__
from dctbench.model import Case, RunSettings
from dctbench.store import open_store
from tests.reliability.layers import MENDED
from tests.support import ROOT
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result

STORE = Path(".dctbench") / "results.sqlite"
SHAPE = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.0.9", f"was started by dctbench 0.0.9, this is {__version__}"),
        ("99.0.0", f"was started by dctbench 99.0.0, this is {__version__}"),
        (__version__, f"was started in another environment ({ENVIRONMENT.fingerprint}, here "),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--retry-failed",)], ids=["resume", "retry"])
def test_a_run_of_another_version_or_machine_is_refused_with_3_and_unchanged(
    cli: Cli, tmp_path: Path, version: str, words: str, flags: tuple[str, ...]
) -> None:
    done_already = result("sdpa", 64, 1e-3)
    settings = RunSettings(rounds=1, case_timeout=120.0)
    begun = replace(RUN, dctbench_version=version, settings=settings)
    with open_store(str(tmp_path / STORE), create=True) as store:
        store.add_run(begun, [done_already.case, Case("none", 64)], rounds=1)
        store.add_environment(begun.id, ENVIRONMENT)
        store.add_result(begun.id, done_already)
    before = (tmp_path / STORE).read_bytes()
    refused = cli("run", "--resume", *flags)
    assert refused.code == 3, refused.err
    assert words in refused.err
    assert "start a new run" in refused.err
    assert "Traceback" not in refused.err
    assert (tmp_path / STORE).read_bytes() == before


def test_failures_are_retried_only_with_the_flag_and_measurements_stay(cli: Cli, tmp_path: Path) -> None:
    own = {"PYTHONPATH": str(ROOT), MENDED: str(tmp_path / "mended")}
    layer = "tests.reliability.layers:FailsUntilMended"
    failed = cli("run", "--impl", f"{layer},none", "--ratio", "2", *SHAPE, "--format", "json", **own)
    assert failed.code == 4, failed.err
    first = by_name(failed.json())
    assert first[layer]["message"].startswith("RuntimeError: not mended yet")
    (tmp_path / "mended").touch()
    complete = cli("run", "--resume", **own)
    assert complete.code == 2
    assert "nothing to resume" in complete.err
    assert by_name(cli("export", "json").json()) == first
    again = cli("run", "--resume", "--retry-failed", "--format", "json", **own)
    assert again.code == 0, again.err
    second = by_name(again.json())
    assert (second[layer]["status"], second[layer]["message"]) == ("ok", None)
    assert second["none"] == first["none"]
    assert cli("run", "--resume", "--retry-failed", **own).code == 2


def by_name(document: Any) -> dict[str, Any]:
    return {one["case"]["implementation"]: one for one in document["results"]}
