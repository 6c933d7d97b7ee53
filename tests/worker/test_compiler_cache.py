"""The time of a compilation: that of a compiler which no earlier run has done the work for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from dctbench.model import Case
from dctbench.worker.compiler_cache import own_cache
from dctbench.worker.devices import cpu
from dctbench.worker.measure import measure_case
from dctbench.worker.metrics.latency import Sampling

CASE = Case("full", 16, heads=2, head_dim=8, engine="compile")
QUICK = Sampling(warmup_least=0.001, warmup_most=0.01, samples_least=3, samples_most=3, budget=0.01)
FOLDERS = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_a_case_is_compiled_with_a_cache_of_its_own_which_its_next_process_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    for name in FOLDERS:
        monkeypatch.delenv(name, raising=False)
        if before is not None:
            monkeypatch.setenv(name, before)
    used: list[list[Path]] = []
    found: list[bool] = []
    for case, scratch in ((CASE, "a"), (CASE, "a"), (replace(CASE, seq_len=32), "a"), (CASE, "b")):
        (tmp_path / scratch).mkdir(exist_ok=True)
        with own_cache(case, str(tmp_path / scratch)) as empty:
            found.append(empty)
            used.append([Path(os.environ[name]) for name in FOLDERS])
        assert [os.environ.get(name) for name in FOLDERS] == [before] * 2
    assert found == [True, False, True, True]
    assert used[0] == used[1]
    assert len({tuple(folders) for folders in used}) == 3
    assert all(
        folder.is_relative_to(tmp_path / place) for place, two in zip("aaab", used, strict=True) for folder in two
    )


def test_without_a_folder_of_the_sweep_every_cache_is_empty_and_removed() -> None:
    for _ in range(2):
        with own_cache(CASE, None) as empty:
            folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
            assert (empty, folder.is_dir()) == (True, True)
        assert not folder.exists()


def test_other_engines_leave_the_cache_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    with own_cache(replace(CASE, engine="cudagraph"), None) as empty:
        assert (empty, os.environ["TORCHINDUCTOR_CACHE_DIR"]) == (True, "elsewhere")


def test_compile_is_measured_in_the_process_that_compiles_and_in_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[Path] = []

    def backend(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        caches.append(Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]))
        return graph.forward

    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, options: compile_with(module, backend=backend))
    measured: list[bool] = []
    for _ in range(2):
        torch.compiler.reset()
        answer = measure_case(CASE, cpu, sampling=QUICK, scratch=str(tmp_path), timing_only=True)
        measured.append("compile" in {figures.metric for figures in answer.measurements})
    assert measured == [True, False]
    assert len(caches) == 2
    assert all(cache.parent == tmp_path for cache in caches)
