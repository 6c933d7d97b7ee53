"""The path of a user's model is told like every other path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.exporters.registry import FORMATS
from dctbench.model import Case
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded, from_file
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


@pytest.mark.parametrize(
    ("models", "anonymous", "shown"),
    [
        (["hf:/data/exp1/final", "hf:/data/exp2/final"], True, ["hf:final (1)", "hf:final (2)"]),
        (["hf:/home/alice/m", "hf:/home/bob/m"], False, ["hf:~/m (1)", "hf:~/m (2)"]),
        (["hf:/a/m", "hf:/b/m", "hf:m (1)"], True, ["hf:m (2)", "hf:m (3)", "hf:m (1)"]),
        (["hf:/data/one", "hf:/data/two", "minilm"], True, ["hf:one", "hf:two", "minilm"]),
    ],
)
def test_two_models_stay_two_in_a_file_that_can_be_read(
    tmp_path: Path, models: list[str], anonymous: bool, shown: list[str]
) -> None:
    cases = [Case("sdpa", 128, scope="model", model=model) for model in models]
    results = [replace(result(seconds=float(i)), case=case) for i, case in enumerate(cases, 1)]
    found = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, [*cases, replace(cases[0], seq_len=256)])
    told = forwarded(found, disclosure(found, anonymous=anonymous))
    assert [case.model for case in told.plan] == [*shown, shown[0]]
    assert [summary.case.model for summary in told.summaries] == shown
    path = tmp_path / "it.json"
    path.write_text(str(FORMATS["json"].write(told)), encoding="utf-8")
    assert from_file(str(path)).results == told.results
    again = forwarded(told, disclosure(told, anonymous=anonymous))
    assert again.results == told.results


def test_a_model_without_a_result_is_numbered_too() -> None:
    cases = [Case("sdpa", 128, scope="model", model=f"hf:/data/exp{i}/final") for i in (1, 2)]
    found = RecordedRun(RUN, {}, [replace(result(), case=cases[1])], cases)
    told = forwarded(found, disclosure(found, anonymous=True))
    assert [case.model for case in told.plan] == ["hf:final (1)", "hf:final (2)"]
    assert told.results[0].case == told.plan[1]


def test_the_models_of_two_runs_that_are_told_together_stay_two() -> None:
    both = [
        RecordedRun(replace(RUN, id=f"{i:016x}"), {}, [], [Case("sdpa", 128, scope="model", model=f"hf:/data/{i}/m")])
        for i in (1, 2)
    ]
    together = disclosure(both[0], anonymous=True) | disclosure(both[1], anonymous=True)
    assert [forwarded(one, together).plan[0].model for one in both] == ["hf:m (1)", "hf:m (2)"]


def test_the_plan_and_the_results_name_one_case() -> None:
    first, second = told(anonymous=False)
    assert first == second
