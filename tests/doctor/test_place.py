"""The doctor's checks of the disk, the store, the terminal and the ceilings."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dctbench.doctor import ceilings, groups, place
from dctbench.errors import StoreError
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.store import masked, open_store
from tests.support.made import CALIBRATION
from tests.support.postgresql import PASSWORD

MOUNTS = "/dev/a / ext4 rw 0 0\nhost:/x /mnt/my\\040data nfs4 rw 0 0\nnone /mnt tmpfs rw 0 0\n"


def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    kinds = [place.file_system(Path(p), MOUNTS) for p in ("/home/x", "/mnt", "/mnt/my data/s", "/mnt2")]
    assert kinds == ["ext4", "tmpfs", "nfs4", "ext4"]
    assert place.file_system(Path("/x"), "") is None


@pytest.mark.parametrize(("free", "state", "code"), [(1 << 40, "ok", 0), (1 << 28, "warning", 0), (0, "failure", 5)])
def test_a_full_disk_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str, code: int
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=1, used=1, free=free))
    found = place.disk(str(tmp_path / "not" / "there" / "s.sqlite"))
    assert (found.state, found.exit_code) == (state, code)
    assert str(tmp_path) in found.found


def test_a_folder_without_permission_is_a_failure_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refused)  # as Python 3.11 does for a folder of another user
    assert place.disk(str(tmp_path / "not" / "s.sqlite")).state == "ok"
    monkeypatch.setattr("shutil.disk_usage", refused)
    found = place.disk(str(tmp_path / "s.sqlite"))
    assert (found.state, found.exit_code) == ("failure", 5)
    assert "Permission denied" in found.found


def test_a_store_is_reported_with_its_runs_and_a_missing_one_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert "none yet" in place.store(str(path)).found
    assert list(tmp_path.iterdir()) == []
    open_store(str(path), create=True)
    assert "0 runs" in place.store(str(path)).found


@pytest.mark.parametrize("name", ["file.txt/s.sqlite", "file.txt/deep/s.sqlite", "dangling.sqlite"])
def test_where_no_run_can_create_a_store_none_is_announced(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "dangling.sqlite").symlink_to(tmp_path / "gone.sqlite")
    with pytest.raises(StoreError):
        open_store(str(tmp_path / name), create=True)
    found = place.store(str(tmp_path / name))
    assert (found.state, found.exit_code) == ("failure", 5), found
    assert "is not a folder" in found.found or "which does not exist" in found.found


def test_a_file_that_is_no_store_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("not a database " * 99)
    found = place.store(str(path))
    assert (found.state, found.exit_code) == ("failure", 5)
    assert found.remedy


def test_a_store_on_a_server_is_not_taken_for_a_path(url: str) -> None:
    [found] = place.findings(url)
    assert (found.check, found.state) == ("store", "ok")
    assert found.found.startswith(f"{masked(url)}: none yet")
    open_store(url, create=True)
    assert place.findings(url)[0].found == f"{masked(url)}: 0 runs"


@pytest.mark.parametrize(
    ("location", "code", "says"),
    [
        ("postgresql://someone:s3cret@127.0.0.1:1/x", 5, "Connection refused"),
        ("mysql://someone:s3cret@127.0.0.1:1/x", 2, "cannot store results"),
    ],
)
def test_a_server_that_cannot_be_used_is_a_failure_without_its_password(location: str, code: int, says: str) -> None:
    [found] = place.findings(location)
    assert (found.state, found.exit_code) == ("failure", code)
    assert says in found.found
    assert found.remedy
    assert "s3cret" not in str(found)


def test_ceilings_that_a_server_holds_are_found_there(url: str) -> None:
    with LocalRunner(LocalSettings()) as runner:
        with open_store(url, create=True) as store:
            store.add_calibration(runner.environment.fingerprint, CALIBRATION)
        told = dict(groups(runner, url, calibrate=False, announce=print))
    assert told["Ceilings"][0] == ceilings.ceilings("cpu", CALIBRATION)
    assert [finding.check for finding in told["Results"]] == ["store", "terminal"]
    assert not any(secret in str(told) for secret in (PASSWORD, url))


def test_the_terminal_is_reported_and_symbols_need_utf8() -> None:
    plain = place.terminal(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), {})
    assert plain.state == "warning"
    assert "UTF-8" in str(plain.remedy)
    good = place.terminal(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), {"FORCE_COLOR": "1"})
    assert good.state == "ok"
    assert "colour (FORCE_COLOR)" in good.found


def test_ceilings_are_reported_as_reliable_unreliable_or_missing() -> None:
    assert ceilings.ceilings("cpu", None).state == "warning"
    told = ceilings.ceilings("cpu", CALIBRATION)
    assert told.state == "ok"
    assert "float32 200 GFLOP/s" in told.found
    assert told.to_json()["values"] == CALIBRATION.to_json()
    doubted = ceilings.ceilings("cpu", replace(CALIBRATION, spread={"copy": 0.5}))
    assert doubted.state == "warning"
    assert "copy unsteady" in doubted.found
    disturbed = ceilings.ceilings("cpu", replace(CALIBRATION, others=1.2))
    assert disturbed.state == "warning"
    assert "others used 1.2 cores" in disturbed.found
    slow = ceilings.ceilings("cpu", replace(CALIBRATION, gemm={"float32": 2e11, "float16": 2e9}))
    assert "float16 products are slower" in slow.found
    assert "1.00 µs a call" in ceilings.rates(CALIBRATION)[0].found
