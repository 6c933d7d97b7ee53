"""What a layer prints is kept up to a limit, and what it inherits holds no secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dctbench.model import Case, Result
from dctbench.runners import MeasureSpec
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.runners.output import Output
from dctbench.runners.variables import PADDING, inherited, padded
from tests.support import SUPPORT

DENIED = ("DCTBENCH_STORE", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY",
          "GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "CI_JOB_TOKEN",
          "HF_TOKEN", "PGPASSWORD", "MY_PASSWORD", "DB_PASSWORD_PROD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
          "AWS_PROFILE", "OPENAI_API_KEY", "client_secret", "GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK",
          "TOKEN")  # fmt: skip
ALLOWED = ("PATH", "HOME", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES",
           "PGHOST", "MKL_NUM_THREADS", "GITHUB_ACTIONS", "KEYBOARD", "PYTHONPATH", "LANG", "MAX_TOKENS")  # fmt: skip


@pytest.fixture(params=["zygote", "fresh"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRunner]:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    for name in DENIED:
        monkeypatch.setenv(name, "pl4nted")
    with LocalRunner(LocalSettings(case_timeout=30, isolation=request.param, env={"MINE_TOKEN": "given"})) as made:
        yield made


def measured(runner: LocalRunner, implementation: str) -> Result:
    return runner.submit(Case(implementation, 16, heads=2, head_dim=8), MeasureSpec(1)).result(timeout=120)


def test_the_environments_of_processes_differ_in_length_and_in_nothing_else() -> None:
    made = [padded({"PATH": "/bin"}) for _ in range(20)]
    assert len({len(one.pop(PADDING)) for one in made}) > 10
    assert made == [{"PATH": "/bin"}] * 20


def test_only_names_of_secrets_and_channels_are_left_out() -> None:
    assert inherited(dict.fromkeys([*DENIED, *ALLOWED], "x")) == dict.fromkeys(ALLOWED, "x")


def test_a_layer_inherits_no_secret_but_gets_what_the_suite_sets(runner: LocalRunner) -> None:
    message = measured(runner, "telling:TellsItsVariables").message
    assert message is not None
    assert message.startswith("RuntimeError: MINE_TOKEN (")


def test_the_end_of_much_output_is_kept(runner: LocalRunner) -> None:
    result = measured(runner, "telling:PrintsMuchAndDies")
    assert result.message == "the process ended without a result (exit code 7)"
    output = result.details.output
    assert output is not None
    assert output.endswith("noisethe last word")
    assert len(output) <= 2000


def test_a_layer_that_prints_without_end_is_ended_by_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    with LocalRunner(LocalSettings(case_timeout=15)) as runner:
        result = measured(runner, "telling:PrintsWithoutEnd")
        assert (result.status, result.message) == ("timeout", "timeout after 15 s")
        assert measured(runner, "hostile:Good").status == "ok"


def test_reading_after_the_end_does_not_wait_for_a_process_that_escaped() -> None:
    with Output() as output:
        output.writer.write(b"last")
        assert output.end() == b"last"  # the other end is still open
