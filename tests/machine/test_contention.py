"""The other processes that are named, whatever they call themselves."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from dctbench.machine import contention


@pytest.mark.parametrize(
    ("name", "shown"), [("\x1b[2Jfirefox\x07", "[2Jfirefox"), ("", "?"), (None, "?"), ("python3", "python3")]
)
def test_the_name_of_a_process_does_not_disturb_a_terminal(
    monkeypatch: pytest.MonkeyPatch, name: str | None, shown: str
) -> None:
    looks = iter((1.0, 2.0))

    def processes(_: list[str]) -> list[SimpleNamespace]:
        times = SimpleNamespace(user=next(looks), system=0.0)
        return [SimpleNamespace(pid=7, info={"name": name, "status": psutil.STATUS_RUNNING, "cpu_times": times})]

    monkeypatch.setattr(psutil, "process_iter", processes)
    assert contention.busiest(1e-3, count=1)[0].startswith(f"{shown} (pid 7, ")
    looks = iter((1.0,))
    assert contention.running() == [f"{shown} (pid 7)"]
