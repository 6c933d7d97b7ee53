"""`dctbench run` as its user meets it."""

from __future__ import annotations

import csv
import io
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from dctbench.app.requests import RunRequest, Where
from dctbench.app.run import RunOutcome
from dctbench.cli.commands import run as run_command
from dctbench.errors import UsageError
from dctbench.scheduler.events import Listener
from tests.support import SUPPORT
from tests.support.command import TINY, Cli, start
from tests.support.warm import UNHURRIED

SWEEP = ("run", "--impl", "sdpa,dct-x", "--ratio", "2,4", *TINY)


def test_a_sweep_is_measured_stored_and_told_on_the_right_streams(cli: Cli, tmp_path: Path) -> None:
    done = cli(*SWEEP, "--label", "first")
    assert done.code == 0, done.err
    assert "[12/12] round 2" in done.err
    assert "\x1b" not in done.err + done.out
    for words in ("dct-x r=4", "vs sdpa", "n = 128:", "6 of 6 measured", "next: dctbench report", "frequencies"):
        assert words in done.out
    assert "[" not in done.out
    assert (tmp_path / ".dctbench" / ".gitignore").read_text() == "*\n"
    [run] = cli("list", "runs", "--format", "json").json()
    assert (run["label"], run["results"], run["failed"]) == ("first", "12 of 12", 0)


def test_with_json_standard_output_is_the_promised_document_and_nothing_else(cli: Cli) -> None:
    done = cli(*SWEEP, "--format", "json")
    document = done.json()
    assert list(document) == ["schema_version", "run", "environments", "results"]
    assert document["schema_version"] == 1
    assert {"id", "label", "suite", "argv", "started_at", "dctbench_version"} <= set(document["run"])
    assert document["run"]["argv"][:2] == ["run", "--impl"]
    [(fingerprint, environment)] = document["environments"].items()
    assert {"torch", "python", "cpu", "gpu"} <= set(environment)
    names = [(r["case"]["implementation"], r["case"]["seq_len"], r["case"]["ratio"]) for r in document["results"]]
    assert sorted(names, key=str) == sorted(
        [(i, n, r) for n in (64, 128) for i, r in (("sdpa", None), ("dct-x", 2), ("dct-x", 4))], key=str
    )
    for one in document["results"]:
        assert one["fingerprint"] == fingerprint
        assert (one["status"], one["message"]) == ("ok", None)
        latency = one["metrics"]["latency"]
        assert latency["unit"] == "s"
        assert latency["low"] <= latency["value"] <= latency["high"]
        assert [r["round"] for r in one["rounds"]] == [1, 2]
        assert sum(r["samples"] for r in one["rounds"]) == len(latency["samples"]) >= 20
        assert latency["p99"] is None or len(latency["samples"]) >= 299  # of single calls only
        for metric, unit in (("memory.tensor", "B"), ("memory.state", "B"), ("flops", "FLOP"), ("error.noise", "1"),
                             ("error.smooth", "1")):  # fmt: skip
            assert one["metrics"][metric]["unit"] == unit
            assert one["metrics"][metric]["value"] > 0
        assert one["case"]["n_kept"] == (
            None if one["case"]["ratio"] is None else one["case"]["seq_len"] / one["case"]["ratio"]
        )
    exact = [one["metrics"]["error.noise"]["value"] for one in document["results"] if one["case"]["ratio"] is None]
    assert max(exact) < 1e-5


def test_csv_has_one_row_per_case_and_metric_and_markdown_a_table(cli: Cli) -> None:
    text = cli(*SWEEP, "--format", "csv").out
    records = list(csv.DictReader(io.StringIO(text)))
    assert len(records) == 6 * 10
    assert {record["metric"] for record in records} >= {"latency", "flops", "error.smooth"}
    assert all(float(record["value"]) > 0 for record in records)
    markdown = cli("run", "--impl", "none", *TINY, "--format", "md").out
    assert markdown.startswith("<!-- dctbench: results -->\n### dctbench")
    assert "| case | n |" in markdown


def test_a_dry_run_prints_the_plan_with_an_estimate_and_measures_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli(*SWEEP, "--dry-run")
    assert done.code == 0
    assert "dct-x r=2" in done.out
    assert "6 cases x 2 rounds, about" in done.err
    plan = cli(*SWEEP, "--dry-run", "--format", "json").json()
    assert len(plan["cases"]) == 6
    assert plan["estimate"]["seconds"] > 0
    assert "implementation" in plan["cases"][0]
    rows = list(csv.DictReader(io.StringIO(cli(*SWEEP, "--dry-run", "--format", "csv").out)))
    assert [{key: row[key] for key in one} for row, one in zip(rows, plan["cases"], strict=True)] == [
        {key: "" if value is None else str(value) for key, value in one.items()} for one in plan["cases"]
    ]
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert not (tmp_path / ".dctbench").exists()


def test_the_flags_of_a_cluster_say_where_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RunRequest] = []

    def measure(request: RunRequest, listener: Listener) -> RunOutcome:
        asked.append(request)
        raise UsageError("measured nothing")

    monkeypatch.setattr(run_command, "run", measure)
    flags = ("--runner", "ray", "--address", "10.0.0.1:6379", "--require-same-cpu", "--runner-timeout", "5s")
    with pytest.raises(UsageError, match="measured nothing"):
        run_command.command.main([*flags, "--progress", "none"], standalone_mode=False)
    assert [request.where for request in asked] == [
        Where(runner="ray", address="10.0.0.1:6379", require_same_cpu=True, timeout=5.0)
    ]


def test_a_dry_run_shows_the_axes_in_which_cases_differ(cli: Cli) -> None:
    flags = ("--impl", "sdpa", "--seq", "64", "--scope", "attention,layer", "--mode", "forward,train")
    header, *rows = [line.split() for line in cli("run", *flags, "--dry-run").out.splitlines()]
    assert "engine" not in header
    shown = {(row[header.index("scope") - len(header)], row[header.index("mode") - len(header)]) for row in rows}
    assert shown == {(scope, mode) for scope in ("attention", "layer") for mode in ("forward", "train")}


def test_without_flags_the_suite_quick_is_planned(cli: Cli) -> None:
    plan = cli("run", "--dry-run", "--format", "json").json()
    assert len(plan["cases"]) == 4 * (3 + 2 * 3)
    assert {case["seq_len"] for case in plan["cases"]} == {512, 1024, 2048, 4096}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seq", "512.."), ("--seq '512..'", "512..8192")),
        (("--seq", "8192..512"), ("--seq '8192..512'", "downwards")),
        (("--ratio", "0..8"), ("--ratio '0..8'", "outside 1")),
        (("--seq", "-4"), ("--seq '-4'",)),
        (("--heads", "a..b"), ("--heads 'a..b'",)),
        (("--batch", ":x1"), ("--batch ':x1'",)),
        (("--seq", ""), ("--seq ''",)),
        (("--impl", "dtc-x"), ("dtc-x", "did you mean 'dct-x'?")),
        (("--dtype", "fp31"), ("unknown dtype 'fp31'", "float32")),
        (("--device", "cpuu"), ("did you mean 'cpu'?",)),
        (("--suite", "quik"), ("did you mean 'quick'?",)),
        (("--suite", "absent.toml"), ("absent.toml", "No such file")),
        (("--impl", "dct-x", "--seq", "64", "--case-timeout", "soon"), ("--case-timeout 'soon'",)),
        (("--sqe", "64"), ("--sqe", "--seq")),
        (("--impl", "nowhere.at_all:Layer"), ("importing nowhere.at_all failed", "PYTHONPATH")),
        (("--resume", "--seq", "64"), ("--resume",)),
    ],
)
def test_wrong_words_exit_2_in_one_sentence_and_leave_nothing_behind(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = cli("run", *arguments)
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert not (tmp_path / ".dctbench").exists()


def test_a_failing_case_is_stored_and_told_and_the_sweep_goes_on_to_exit_4(cli: Cli) -> None:
    done = cli("run", "--impl", "hostile:Segfaults,none", "--ratio", "2", *TINY, PYTHONPATH=str(SUPPORT))
    assert done.code == 4
    assert done.out.count("error (SIGSEGV)") == 2
    assert "2 of 4 measured, 2 failed" in done.out
    [run] = cli("list", "runs", "--format", "json").json()
    assert (run["results"], run["failed"]) == ("8 of 8", 2)
    messages = [case["message"] for case in cli("list", "cases", "--format", "json").json()]
    assert messages.count("SIGSEGV") == 2


def test_a_call_that_ends_within_the_time_limit_has_a_figure_however_few_calls_fit_into_it(cli: Cli) -> None:
    """Calls of 0.6, 6.1 and 24 s, and a limit of 12 s: several calls fit, one, and none."""
    heads = ("--ratio", "2", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    limited = ("--seq", "60,610,2400", "--case-timeout", "12s", "--format", "json")
    done = cli("run", "--impl", "hostile:SleepsByLength", *heads, *limited, PYTHONPATH=str(SUPPORT))
    assert done.code == 4, done.err
    several, one, none = sorted(done.json()["results"], key=lambda result: int(result["case"]["seq_len"]))
    assert [entry["status"] for entry in (several, one, none)] == ["ok", "ok", "timeout"]
    assert several["rounds"][0]["stop_reason"] in ("long", "limit")
    assert one["rounds"][0]["stop_reason"] == "limit"
    [sample] = one["metrics"]["latency"]["samples"]
    assert 6.1 <= sample == one["metrics"]["first_call"]["value"]
    assert "12s" in one["details"]["memory.tensor.absent"]
    assert "flops" in one["metrics"]  # which takes no call
    assert none["message"] == "timeout after 12 s"


def test_out_of_memory_is_a_result_and_longer_lengths_are_skipped_with_the_reason(cli: Cli) -> None:
    done = cli("run", "--impl", "full", "--seq", "256k..1024k", "--heads", "8", "--rounds", "1", "--format", "json")
    assert done.code == 0, done.err
    first, *rest = done.json()["results"]
    assert first["status"] == "oom"
    assert first["message"].startswith("needs about 2.00 TiB of") or first["message"].startswith(
        "needs about 4.00 TiB of"
    )
    assert "latency" not in first["metrics"]
    assert [one["status"] for one in rest] == ["skipped", "skipped"]
    assert "oom already at n = 262144" in rest[0]["message"]


def test_a_store_that_is_not_ours_exits_5_and_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes")
    done = cli(*SWEEP, "--store", "notes.txt")
    assert done.code == 5
    assert "notes.txt" in done.err
    assert (tmp_path / "notes.txt").read_text() == "my notes"


def test_a_device_that_is_not_there_exits_6_with_the_reason_and_stores_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--device", "cuda:7", *TINY)
    assert done.code == 6
    assert done.err.startswith("dctbench: cuda:7: ")
    assert "list devices" in done.err
    assert not (tmp_path / ".dctbench").exists()


def test_beside_a_device_that_is_there_an_absent_one_is_skipped_with_the_reason(cli: Cli) -> None:
    done = cli("run", "--device", "cpu,cuda:7", "--impl", "none", *TINY, "--format", "json")
    assert done.code == 0, done.err
    statuses = {(one["case"]["device"], one["status"]) for one in done.json()["results"]}
    assert statuses == {("cpu", "ok"), ("cuda:7", "skipped")}


def test_scopes_and_modes_are_axes_and_what_a_method_has_not_is_said(cli: Cli) -> None:
    shape = ("--seq", "32", "--heads", "2", "--head-dim", "8", "--ratio", "2", "--rounds", "1")
    axes = ("--scope", "attention,layer,encoder", "--mode", "forward,backward,train")
    done = cli("run", "--impl", "sdpa,dct-x", *shape, *axes, "--format", "json")
    assert done.code == 0, done.err
    found = {
        (one["case"]["implementation"], one["case"]["scope"], one["case"]["mode"]): one
        for one in done.json()["results"]
    }
    assert len(found) == 18
    for (name, scope, _), one in found.items():
        expected = "unsupported" if (name, scope) == ("dct-x", "attention") else "ok"
        assert (one["status"], one["message"] is None) == (expected, expected == "ok")
    flops = {
        mode: found["sdpa", "layer", mode]["metrics"]["flops"]["value"] for mode in ("forward", "backward", "train")
    }
    assert flops["train"] == flops["forward"] + flops["backward"]
    assert flops["backward"] == pytest.approx(2 * flops["forward"], rel=0.3)
    assert "error.noise" not in found["sdpa", "encoder", "forward"]["metrics"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on a CPU needs g++")
def test_a_compiled_case_tells_its_compilation_apart(cli: Cli) -> None:
    shape = ("--seq", "32", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    done = cli("run", "--impl", "full", *shape, "--engine", "compile", "--format", "json")
    [one] = done.json()["results"]
    assert one["status"] == "ok", one["message"]
    assert one["metrics"]["compile"]["value"] > one["metrics"]["first_call"]["value"] > 0
    assert one["details"]["compiler"] == "freezing"


def test_a_suites_own_environment_reaches_the_cases_and_the_fingerprint(cli: Cli, tmp_path: Path) -> None:
    axes = '[axes]\nimpl = "none"\nseq = 64\n[settings]\nrounds = 1\n'
    suite = axes + '[settings.env]\nMALLOC_TRIM_THRESHOLD_ = "4294967296"\n'
    (tmp_path / "own.toml").write_text(suite)
    raised = cli("run", "--suite", "own.toml", "--format", "json").json()
    usual = cli("run", "--impl", "none", "--seq", "64", "--rounds", "1", "--format", "json").json()
    [(fingerprint, environment)] = raised["environments"].items()
    assert environment["allocator"] == {"MALLOC_TRIM_THRESHOLD_": "4294967296"}
    assert raised["run"]["settings"]["env"] == {"MALLOC_TRIM_THRESHOLD_": "4294967296"}
    assert fingerprint not in usual["environments"]


def test_a_label_is_text_whatever_it_holds(cli: Cli) -> None:
    done = cli("run", "--impl", "none", "--seq", "64", "--label", "[/oops] \x1b[31m <b>&")
    assert done.code == 0, done.err
    assert cli("list", "runs", "--format", "json").json()[0]["label"] == "[/oops] [31m <b>&"
    assert "\x1b" not in cli("list", "runs").out


def test_the_step_summary_of_a_ci_job_gets_the_markdown(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--impl", "none", "--seq", "64", "-q", GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert done.code == 0
    assert "| none | 64 |" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_and_says_how_to_go_on(
    cli: Cli, tmp_path: Path, environ: dict[str, str], number: signal.Signals
) -> None:
    words = ("run", "--impl", "sdpa,none", "--seq", "64..512", "--heads", "2", "--rounds", "2")
    process = start(*words, folder=tmp_path, environ=environ | {UNHURRIED: "1"})
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[ 2/16]"):
            break
    time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "results are stored" in rest
    assert "dctbench run --resume" in rest
    psutil.wait_procs(children, timeout=10)
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]

    [run] = cli("list", "runs", "--format", "json").json()
    kept = int(run["results"].split()[0])
    assert 2 <= kept < 16
    resumed = cli("run", "--resume")
    assert resumed.code == 0, resumed.err
    assert f"resuming, {kept} of 16 done" in resumed.err
    assert "8 of 8 measured" in resumed.out
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "16 of 16"


def test_resuming_when_nothing_is_open_or_elsewhere_is_refused(cli: Cli) -> None:
    cli("run", "--impl", "none", "--seq", "64", "--rounds", "1", "-q")
    assert cli("run", "--resume").code == 2
    elsewhere = cli("run", "--resume", "latest", OMP_NUM_THREADS="2")
    assert elsewhere.code == 3
    assert "another environment" in elsewhere.err


def test_every_run_flag_stands_in_the_help_under_a_heading_with_examples(cli: Cli) -> None:
    help_text = cli("run", "-h").out
    for words in ("What to measure:", "Shapes:", "How to measure:", "--seq VALUES", "Examples:"):
        assert words in help_text
    assert help_text.count("  dctbench run ") == 2


def test_an_unknown_command_names_the_nearest(cli: Cli) -> None:
    done = cli("rnu")
    assert done.code == 2
    assert "did you mean 'run'?" in done.err


def test_a_budget_shortens_the_sampling_is_stored_and_said_where_it_cannot_be_kept(cli: Cli) -> None:
    flags = ("run", "--impl", "none", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    done = cli(*flags, "--budget", "1s", "--format", "json")
    assert done.code == 0, done.err
    assert "--budget 1s cannot be kept: the least samples take about" in done.err
    assert done.json()["run"]["settings"]["budget"] == 1.0
    [short] = done.json()["results"][0]["rounds"]
    assert "cannot be kept" not in cli(*flags, "--budget", "10m", "--dry-run").err
    assert short["samples"] >= 20  # the least, whatever the budget


def test_a_sweep_that_runs_into_its_time_limit_is_estimated_by_the_limit_and_says_so(cli: Cli) -> None:
    """A call of exact attention at n = 1m takes more than 10^15 FLOP, and three rounds took days by the estimate."""
    flags = ("run", "--impl", "sdpa", "--seq", "512,512k..1024k", "--rounds", "3", "--dry-run", "--format", "json")
    done = cli(*flags, "--budget", "10m")
    assert done.code == 0, done.err
    assert 120 < done.json()["estimate"]["seconds"] < 180
    assert "cannot be kept" not in done.err
    assert "sdpa n=524288: a call is predicted to take longer than the time limit of 2m00s" in done.err
    assert "; 1 longer case will be left out then. --case-timeout sets the limit" in done.err
    assert "is predicted to take longer" not in cli(*flags, "--case-timeout", "500h").err


def test_longer_lengths_are_tried_after_out_of_memory_only_without_pruning(cli: Cli) -> None:
    flags = ("run", "--impl", "hostile:RunsOutOfMemory", "--ratio", "2", "--seq", "64,128", "--heads", "2",
             "--head-dim", "8", "--rounds", "1", "--format", "json")  # fmt: skip
    found = []
    for more in ((), ("--no-prune",)):
        document = cli(*flags, *more, PYTHONPATH=str(SUPPORT)).json()
        assert document["run"]["settings"].get("prune", True) is not bool(more)
        found.append([one["status"] for one in document["results"]])
    assert found == [["oom", "skipped"], ["oom", "oom"]]


def test_the_authors_protocol_stands_beside_ours_and_only_for_what_it_measures(cli: Cli) -> None:
    shape = ("--seq", "32", "--batch", "4", "--heads", "2", "--head-dim", "8")
    small = ("--suite", "paper", "--impl", "full,dct-x", *shape)
    done = cli("run", *small, "--rounds", "1", "--format", "json")
    assert done.code == 0, done.err
    results = done.json()["results"]
    assert {(one["case"]["implementation"], one["case"]["ratio"]) for one in results} == {("full", None), ("dct-x", 4)}
    for one in results:
        latency, memory = (one["metrics"][f"authors.{name}"] for name in ("latency", "memory"))
        calls = one["rounds"][0]["metrics"]["authors.latency"]
        assert (latency["unit"], len(calls)) == ("s", 50)
        assert latency["value"] == pytest.approx(sum(calls) / 50)
        ours = sum(one["metrics"][f"memory.{name}"]["value"] for name in ("tensor", "state"))
        assert memory["value"] > ours / 4
    text = cli("export", "markdown").out
    assert "#### The protocol of DCT-Former's authors beside ours" in text
    assert "n = 32, batch 4" in text
    refused = cli("run", *small, "--mode", "train")
    assert refused.code == 2
    assert "--protocol authors times forward calls, not --mode train" in refused.err
    refused = cli("run", "--protocol", "authors", "--task", "recall", "--impl", "sdpa")
    assert refused.code == 2
    assert "--protocol authors times" in refused.err
