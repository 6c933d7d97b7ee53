"""The environment and its fingerprint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dctbench import environment


def test_the_fingerprint_sees_the_stable_facts_and_not_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.collect({})
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    assert environment.collect({}).fingerprint == here.fingerprint
    assert environment.collect({"MALLOC_TRIM_THRESHOLD_": "1"}).fingerprint != here.fingerprint
    assert environment.collect({"OMP_NUM_THREADS": "1"}).fingerprint != here.fingerprint
    monkeypatch.setattr(environment, "cpu_model", lambda: "another processor")
    assert environment.collect({}).fingerprint != here.fingerprint


def test_the_facts_are_json_and_name_the_versions_that_run() -> None:
    facts = environment.collect({}).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
    assert facts["cores_usable"] >= 1
    assert facts["memory_bytes"] > 1 << 28


def test_git_is_none_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.git_state() is None
