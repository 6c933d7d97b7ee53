"""The path of a user's model is told like every other path."""

from __future__ import annotations

from dataclasses import replace

from dctbench.model import Case
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded
from tests.support.made import ENVIRONMENT, RUN, result

CASE = Case("sdpa", 128, scope="model", model="hf:/home/alice/secret/bert")


def told(*, anonymous: bool) -> tuple[str | None, str | None]:
    found = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [replace(result(), case=CASE)], [CASE])
    shown = forwarded(found, disclosure(found, anonymous=anonymous))
    return shown.results[0].case.model, shown.plan[0].model


def test_an_anonymous_export_has_the_last_part_of_the_path_alone() -> None:
    for model in told(anonymous=True):
        assert model is not None
        assert "alice" not in model
        assert "secret" not in model
        assert model.endswith("bert")


def test_the_plan_and_the_results_name_one_case() -> None:
    first, second = told(anonymous=False)
    assert first == second
