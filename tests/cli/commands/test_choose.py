"""`dctbench choose`: the core question in a sentence, with its cost, and never from what was not measured."""

from __future__ import annotations

import csv
import io
import shlex
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench.app.choose import choose
from dctbench.app.requests import ChooseRequest
from dctbench.compare import Rules
from dctbench.compare.check_settings import check_settings
from dctbench.exporters.json_document import document, dumps
from dctbench.model import Result, RunSettings
from dctbench.spec.accuracy import parse_floors
from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.trained import trained

MIB = 2.0**20


def measured(name: str, n: int, seconds: float, memory: float, error: float, **case: float) -> list:  # type: ignore[type-arg]
    values = {
        "memory.tensor": ("B", memory),
        "memory.state": ("B", 0.0),
        "error.smooth": ("1", error),
        "error.noise": ("1", 2 * error),
    }
    samples = [seconds] * 100
    return [result(name, n, samples, round=r, values=values if r == 1 else None, **case) for r in (1, 2, 3)]  # type: ignore[arg-type]


RESULTS = [
    *measured("sdpa", 1024, 4e-3, 16 * MIB, 1e-7),
    *measured("full", 1024, 8e-3, 64 * MIB, 1e-7),
    *measured("dct-x", 1024, 1e-3, 4 * MIB, 0.9, ratio=8),
    *measured("performer", 1024, 2e-3, 8 * MIB, 0.03, ratio=8),
    *measured("sdpa", 4096, 4e-2, 64 * MIB, 1e-7),
    result("full", 4096, None, status="oom", message="needs about 1.00 TiB of 131 GiB (estimate)"),
]


@pytest.fixture
def exported(tmp_path: Path) -> str:
    path = tmp_path / "measured.json"
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, RESULTS)), encoding="utf-8")
    return str(path)


def test_without_budgets_the_fastest_is_named_with_what_it_gives_up(cli: Cli, exported: str) -> None:
    done = cli("choose", exported, "--seq", "1024")
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert first == (
        "At n = 1024: the fastest is dct-x r=8 (1.00 ms (1.00-1.00), 4.00x (4.00-4.00) as fast as sdpa, 4.00 MiB, "
        "another function than softmax attention)."
    )
    assert "fastest exact method: sdpa (4.00 ms (4.00-4.00), 16.0 MiB, exact)" in done.out
    assert "\n  other (dct-x): another function than softmax attention" in done.out
    assert "rests on run 01234567 of 2026-01-02: 4 of 4 measured; latencies over 3 processes" in done.out


def test_after_one_round_nothing_is_called_the_fastest(cli: Cli, tmp_path: Path) -> None:
    first = [one for one in RESULTS if one.round == 1]
    path = tmp_path / "once.json"
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, first)), encoding="utf-8")
    done = cli("choose", str(path), "--seq", "1024")
    assert done.code == 0, done.err
    answer = done.out.splitlines()[0]
    assert answer.startswith("At n = 1024: dct-x r=8 (1.00 ms (1.00-1.00), 4.00x as fast as sdpa, 4.00 MiB, ")
    assert answer.endswith(
        ") took the least time; one round tells nothing apart: measure with dctbench run --rounds 3."
    )


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        (
            ("--max-error", "5%", "--max-memory", "32MiB"),
            (
                "the fastest is dct-x r=8 (1.00 ms",
                "not judged by its error: dct-x r=8 (another function than softmax attention)",
                "fastest method with a meaningful error: performer r=8 (2.00 ms",
                "over budget: full, memory 64.0 MiB > 32.0 MiB",
            ),
        ),
        (
            ("--max-error", "noise=1%"),
            (
                "fastest exact method: sdpa (4.00 ms",
                "over budget: performer r=8, error on the noise input 0.060 > 0.010",
            ),
        ),
        # A tail is judged on its bound, which the 300 samples give.
        (
            ("--max-latency-p99", "3ms", "--max-error", "5%"),
            ("meaningful error: performer r=8", "over budget: sdpa, p99 latency 4.00 ms > 3.00 ms"),
        ),
    ],
    ids=["error and memory", "noise", "p99"],
)
def test_budgets_exclude_by_name_and_figure(
    cli: Cli, exported: str, budgets: tuple[str, ...], said: tuple[str, ...]
) -> None:
    done = cli("choose", exported, "--seq", "1k", *budgets)
    assert done.code == 0, done.err
    for words in said:
        assert words in done.out


def test_when_nothing_keeps_the_budgets_no_method_is_named(cli: Cli, exported: str) -> None:
    done = cli("choose", exported, "--seq", "1024", "--max-memory", "1MiB")
    assert done.code == 3
    assert "no method can be recommended: none is shown to stay within these limits" in done.out
    assert done.out.count("over budget") == 4
    unknown = cli("choose", exported, "--seq", "1024", "--max-memory", "process=1GiB")
    assert unknown.code == 3
    assert "no method has every figure that these limits need" in unknown.out


@pytest.mark.parametrize(
    ("n", "said"), [(2048, "the nearest measured lengths are 1024 and 4096"), (8192, "outside the measured lengths")]
)
def test_a_length_that_was_not_measured_is_not_guessed(cli: Cli, exported: str, n: int, said: str) -> None:
    done = cli("choose", exported, "--seq", str(n))
    assert (done.code, done.out) == (3, "")
    assert said in done.err
    assert f"dctbench choose --seq {n} --measure" in done.err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--seq", "2048", "--scope", "layer", "--max-error", "noise=5%", "--max-error", "5%"), "nearest measured"),
        (("--seq", "1024", "--device", "cuda:0", "--store", "my results.sqlite"), "--device cuda:0, only cpu"),
        (("--seq", "1024", "--deadline", "12ms"), "has --deadline 12ms, and none has any"),
    ],
)
def test_the_command_that_measures_what_is_missing_asks_the_same_question(
    cli: Cli, exported: str, asked: tuple[str, ...], said: str
) -> None:
    done = cli("choose", exported, *asked)
    assert done.code == 3
    assert said in done.err
    [hint] = [line for line in done.err.splitlines() if "--measure" in line]
    words = shlex.split(hint.partition("measure it: ")[2])
    assert words[:2] == ["dctbench", "choose"]
    assert words[-1] == "--measure"
    pairs = zip(asked[::2], asked[1::2], strict=True)
    assert sorted(zip(words[2:-1:2], words[3:-1:2], strict=True)) == sorted(pairs)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seq", "512..1024"),
        ("--seq", "many"),
        ("--seq", "1024", "--max-memory", "much"),
        ("--seq", "1024", "--max-memory", "gpu=1"),
        ("--seq", "1024", "--max-error", "-1"),
        ("--seq", "1024", "--max-latency-p99", "0"),
        ("--seq", "1024", "--dtype", "float31"),
        ("--seq", "1024", "--measure"),
        ("--seq", "1024", "--reference", "nonsense"),
        (),
    ],
)
def test_wrong_words_are_one_sentence_and_exit_2(cli: Cli, exported: str, arguments: tuple[str, ...]) -> None:
    done = cli("choose", exported, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_a_reference_that_the_run_lacks_is_named_with_the_nearest_before_anything_is_measured(
    cli: Cli, exported: str
) -> None:
    for arguments in (("choose", exported), ("choose", "--measure")):
        done = cli(*arguments, "--seq", "1024", "--reference", "sdap")
        assert (done.code, done.out) == (2, "")
        assert "unknown reference in this run 'sdap'; did you mean 'sdpa'?" in done.err
    done = cli("choose", exported, "--seq", "1024", "--reference", "full")
    assert "8.00x (8.00-8.00) as fast as full" in done.out


def test_an_empty_run_is_not_the_latest(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path, 1, [result("sdpa", 1024)])
    done = cli("choose", "", "--seq", "1024")
    assert (done.code, done.out) == (2, "")
    assert "no run ''" in done.err


def stored(tmp_path: Path, number: int, results: list[Result], **run: Any) -> str:
    """A run in the store of the folder, the later the higher its number; its id."""
    made = replace(RUN, id=f"{number:x}" * 16, started_at=f"2026-01-0{number}T00:00:00.000000+00:00", **run)
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        store.add_run(made, list(dict.fromkeys(r.case for r in results)), rounds=1)
        store.add_environment(made.id, ENVIRONMENT)
        store.add_results(made.id, [r for r in results if r.status != "skipped"])
    return made.id[:8]


def test_the_latest_run_answers_that_timed_a_method_at_the_length(cli: Cli, tmp_path: Path) -> None:
    early = stored(tmp_path, 1, [result("sdpa", 1024)])
    answers = stored(tmp_path, 2, [result("sdpa", 1024), result("full", 1024, None, status="skipped")], label="mine")
    stored(tmp_path, 3, [result("none", 1024), result("sdpa", 512)])  # planned it, and timed a control only
    stored(tmp_path, 4, [result("sdpa", 1024, None, status="skipped"), result("sdpa", 512)])  # was interrupted
    failed = stored(tmp_path, 5, [result("sdpa", 1024, None, status="oom"), result("sdpa", 2048)])
    stored(tmp_path, 6, [result("sdpa", 1024)], suite="noise", label="noise")
    done = cli("choose", "--seq", "1024")
    assert done.code == 0, done.err
    assert f"rests on run {answers} (mine) of 2026-01-02: 1 of 2 measured, 1 not run yet" in done.out
    assert f"rests on run {early}" in cli("choose", early, "--seq", "1024").out
    nowhere = cli("choose", "--seq", "4096")
    assert (nowhere.code, f"run {failed}: n = 4096 was not measured" in nowhere.err) == (3, True)
    wide = stored(tmp_path, 7, [result("sdpa", 256), result("sdpa", 8192)])
    stored(tmp_path, 8, [result("sdpa", 2048)])  # the latest and nearer, but on one side only
    nowhere = cli("choose", "--seq", "4096")
    assert f"run {wide}: n = 4096 was not measured; the nearest measured lengths are 256 and 8192" in nowhere.err


def test_a_run_of_the_suite_noise_answers_nothing_though_the_store_has_no_other(cli: Cli, tmp_path: Path) -> None:
    stored(tmp_path, 1, [result("sdpa", 1024), result("dct-x", 1024, ratio=8)], suite="noise", label="noise")
    for length in ("1024", "4096"):
        done = cli("choose", "--seq", length)
        assert (done.code, done.out) == (3, "")
        assert "holds only results of the suite noise" in done.err
        assert f"measure it: dctbench choose --seq {length} --measure" in done.err


def test_a_store_without_runs_or_with_damaged_ones_alone_is_named_as_such(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / ".dctbench" / "results.sqlite"
    with open_store(str(path), create=True):
        pass
    empty = cli("choose", "--seq", "1024")
    assert (empty.code, "holds no runs" in empty.err) == (2, True), empty.err
    stored(tmp_path, 1, [result("sdpa", 1024)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET suite = 'another'")
        connection.commit()
    damaged = cli("choose", "--seq", "1024")
    assert (damaged.code, "damaged" in damaged.err) == (5, True), damaged.err


@pytest.mark.parametrize("table", ["cases", "results", "environments"])
def test_damage_to_another_run_does_not_keep_a_run_from_answering(cli: Cli, tmp_path: Path, table: str) -> None:
    [trained_one, *_] = trained("sdpa", [0.9])
    other = stored(tmp_path, 1, [result("sdpa", 1024), trained_one])
    answering = stored(tmp_path, 2, [result("sdpa", 1024)])
    with closing(sqlite3.connect(tmp_path / ".dctbench" / "results.sqlite")) as connection:
        connection.execute(f"UPDATE {table} SET sha256 = 'changed' WHERE run_id LIKE ?", [f"{other}%"])
        connection.commit()
    done = cli("choose", "--seq", "1024")
    assert done.code == 0, done.err
    assert f"rests on run {answering}" in done.out
    asked = cli("choose", "--seq", "1024", "--dtype", "bfloat16")  # looks for the values that there are
    assert (asked.code, "damaged" in asked.err) == (3, False), asked.err


def test_a_run_by_itself_answers_before_one_that_took_turns_with_a_base(cli: Cli, tmp_path: Path) -> None:
    head = {"check": check_settings("head", ["sdpa"], Rules(), base=RUN.id, base_impl=None)}
    turned = stored(tmp_path, 2, [result("sdpa", 1024), result("sdpa", 512)], settings=RunSettings.from_json(head))
    alone = stored(tmp_path, 1, [result("sdpa", 1024)])
    answered = cli("choose", "--seq", "1024").out
    assert f"rests on run {alone}" in answered
    assert "in turns" not in answered
    said = " ".join(cli("choose", "--seq", "512").out.split())
    assert f"rests on run {turned}" in said
    assert "; in turns with another process, where a method may take longer than by itself" in said


def test_json_and_csv_hold_the_same_answer(cli: Cli, exported: str) -> None:
    [answer] = cli("choose", exported, "--seq", "1024", "--format", "json").json()["answers"]
    assert answer["sentence"] in cli("choose", exported, "--seq", "1024").out
    assert {m["case"]["implementation"]: m["verdict"] for m in answer["methods"]} == {
        "dct-x": "leader", "performer": "within", "sdpa": "within", "full": "within",
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(cli("choose", exported, "--seq", "1024", "--format", "csv").out)))
    assert [row["implementation"] for row in rows] == [m["case"]["implementation"] for m in answer["methods"]]
    assert [row["case_id"] for row in rows] == [m["case_id"] for m in answer["methods"]]
    assert (answer["methods"][0]["error.smooth"], float(rows[0]["error.noise"])) == (0.9, 1.8)
    assert float(rows[0]["latency"]) == pytest.approx(1e-3)


def test_csv_has_a_column_for_each_task_that_is_empty_for_methods_that_were_not_trained(
    cli: Cli, tmp_path: Path
) -> None:
    stored(tmp_path, 1, [*RESULTS, *on_acuity(64, GOOD)])
    done = cli("choose", "--seq", "1024", "--format", "csv")
    assert done.code == 0, done.err
    accuracy = {row["implementation"]: row["acuity"] for row in csv.DictReader(io.StringIO(done.out))}
    assert float(accuracy.pop("performer")) == float(accuracy.pop("sdpa")) == pytest.approx(0.81)
    assert accuracy == {"full": "", "dct-x": ""}


def test_measuring_answers_from_a_new_run_which_is_stored_with_samples_enough_for_a_p99(cli: Cli) -> None:
    asked = ("choose", "--seq", "16", "--max-latency-p99", "10s", "--format", "json")
    done = cli(*asked, "--measure", "--progress", "none")
    assert done.code == 0, done.err
    document = done.json()
    [answer] = document["answers"]
    assert {method["case"]["seq_len"] for method in answer["methods"]} == {16}
    assert all(method["p99_high"] is not None for method in answer["methods"])
    [run] = cli("list", "runs", "--format", "json").json()
    assert document["run"].startswith(run["run"])
    assert cli(*asked).json()["answers"] == document["answers"]


def test_a_floor_of_accuracy_excludes_what_gives_up_more_and_names_what_it_measured(cli: Cli, tmp_path: Path) -> None:
    good, bad = (0.80, 0.811, 0.819), (0.5, 0.51, 0.52)
    learned = [
        *trained("sdpa", (0.80, 0.81, 0.82)), *trained("none", (0.30, 0.31, 0.32)),
        *trained("dct-x", bad, ratio=8), *trained("performer", good, ratio=8),
    ]  # fmt: skip
    path = tmp_path / "learned.json"
    path.write_text(
        dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [*RESULTS, *learned])), encoding="utf-8"
    )
    done = cli("choose", str(path), "--seq", "1024", "--min-accuracy", "mnist1d=sdpa-2pt")
    assert done.code == 0, done.err
    lines = " ".join(done.out.split())
    assert lines.startswith("At n = 1024 within accuracy on mnist1d at most 2 points below sdpa: ship performer r=8 (")
    assert "accuracy: dct-x r=8, -30.0 points (-30.2 to -29.8) against sdpa on mnist1d" in lines
    assert "accuracy of performer r=8: mnist1d 0.810, as good" in lines
    by_task = cli("choose", str(path), "--seq", "1024", "--task", "mnist1d")
    assert by_task.out == done.out


def test_what_another_run_of_the_store_has_learned_is_told(cli: Cli, tmp_path: Path) -> None:
    learned = [
        *trained("sdpa", (0.80, 0.81, 0.82)), *trained("none", (0.30, 0.31, 0.32)),
        *trained("dct-x", (0.5, 0.51, 0.52), ratio=8),
    ]  # fmt: skip
    trainings = stored(tmp_path, 1, learned, label="trainings")
    stored(tmp_path, 2, RESULTS)
    lines = " ".join(cli("choose", "--seq", "1024").out.split())
    assert "accuracy of dct-x r=8: mnist1d 0.510, worse" in lines
    assert f"accuracy rests on run {trainings} (trainings) of 2026-01-01" in lines
    assert lines.endswith("accuracy is of trainings at n = 40 (mnist1d), and not shown at other lengths")
    assert cli("choose", "--seq", "1024", "--format", "json").json()["trained_in"] == ["1" * 16]
    others = [*trained("sdpa", (0.80, 0.81)), *trained("none", (0.30, 0.31)), *trained("fnet", (0.5, 0.51))]
    stored(tmp_path / "another", 1, others)
    stored(tmp_path / "another", 2, RESULTS)
    place = ("--store", str(tmp_path / "another" / ".dctbench" / "results.sqlite"))
    answer = cli("choose", "--seq", "1024", *place).out
    assert "accuracy rests on" not in answer
    assert "accuracy is of trainings" not in answer


GOOD, BAD = (0.80, 0.811, 0.819), (0.5, 0.51, 0.52)


def on_acuity(n: int, performer: tuple[float, ...]) -> list[Result]:
    """Trainings at a length, with the accuracies of performer r=8."""
    fixed = {"task": "acuity", "seq_len": n}
    known = [*trained("sdpa", (0.80, 0.81, 0.82), **fixed), *trained("none", (0.30, 0.31, 0.32), **fixed)]  # type: ignore[arg-type]
    return [*known, *trained("performer", performer, ratio=8, **fixed)]  # type: ignore[arg-type]


@pytest.mark.parametrize("in_one_run", [True, False])
@pytest.mark.parametrize("worse_at", [64, 256])
def test_a_floor_holds_at_every_length_that_its_task_was_trained_at(
    cli: Cli, tmp_path: Path, worse_at: int, in_one_run: bool
) -> None:
    lengths = [on_acuity(n, BAD if n == worse_at else GOOD) for n in (64, 256)]
    if in_one_run:
        stored(tmp_path, 1, [*lengths[0], *lengths[1], *RESULTS])
    else:
        for number, results in enumerate([*lengths, RESULTS], 1):
            stored(tmp_path, number, results)
    asked = ("choose", "--seq", "1024", "--min-accuracy", "acuity=sdpa-2pt")
    lines = " ".join(cli(*asked).out.split())
    assert lines.startswith("At n = 1024 within accuracy on acuity at most 2 points below sdpa: ship sdpa (")
    assert f"accuracy: performer r=8, -30.0 points (-30.2 to -29.8) against sdpa on acuity at n = {worse_at}" in lines
    assert lines.count("not measured on acuity at n = 64") == lines.count("not measured on acuity at n = 256") == 1
    [answer] = cli(*asked, "--format", "json").json()["answers"]
    [performer] = [one for one in answer["methods"] if one["case"]["implementation"] == "performer"]
    assert performer["verdict"] == "accuracy"
    means = {n: pytest.approx(0.51 if n == worse_at else 0.81) for n in (64, 256)}
    assert performer["accuracy"] == {f"acuity at n = {n}": mean for n, mean in means.items()}
    [reference] = [one for one in answer["methods"] if one["case"]["implementation"] == "sdpa"]
    assert reference["accuracy"] == {f"acuity at n = {n}": pytest.approx((0.80 + 0.81 + 0.82) / 3) for n in (64, 256)}


def test_the_report_and_the_choice_tell_the_same_of_a_task_at_several_shapes(cli: Cli, tmp_path: Path) -> None:
    wide = [replace(one, case=replace(one.case, heads=8)) for one in on_acuity(64, BAD)]
    results = [one for one in RESULTS if one.case.implementation in ("sdpa", "performer")]
    stored(tmp_path, 1, [*on_acuity(64, GOOD), *wide, *results])
    told = "acuity at n = 64, heads 4 0.810, as good; acuity at n = 64, heads 8 0.510, worse"
    assert f"accuracy of performer r=8: {told}" in " ".join(cli("choose", "--seq", "1024").out.split())
    assert cli("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert told in page
    assert "worse on acuity at n = 64, heads 8" in page


def test_what_was_learned_in_floating_point_is_not_told_of_int8(cli: Cli, tmp_path: Path) -> None:
    learned = [
        *trained("sdpa", (0.80, 0.81, 0.82)), *trained("none", (0.30, 0.31, 0.32)),
        *trained("dct-x", (0.80, 0.811, 0.819), ratio=8),
    ]  # fmt: skip
    timed = [replace(one, case=replace(one.case, engine="onnxruntime-int8")) for one in RESULTS if one.status == "ok"]
    path = tmp_path / "int8.json"
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [*timed, *learned])), encoding="utf-8")
    done = cli("choose", str(path), "--seq", "1024", "--min-accuracy", "mnist1d=sdpa-2pt")
    lines = " ".join(done.out.split())
    assert "ship" not in lines
    assert "accuracy: dct-x r=8, not measured on mnist1d" in lines
    assert "accuracy: sdpa, not measured on mnist1d" in lines
    lines = " ".join(cli("choose", str(path), "--seq", "1024").out.split())
    assert "accuracy of dct-x r=8 in int8 not measured: trainings are in floating point" in lines


def test_a_floor_below_a_method_that_compresses_is_refused_with_the_remedy(cli: Cli, exported: str) -> None:
    done = cli("choose", exported, "--seq", "1024", "--min-accuracy", "recall=dct-kv-2pt")
    assert (done.code, done.out) == (2, "")
    said = " ".join(done.err.split())
    assert "--min-accuracy 'recall=dct-kv-2pt': dct-kv has an accuracy for each number that it keeps" in said
    assert "such as --min-accuracy recall=sdpa-2pt, or an accuracy, such as --min-accuracy recall=90%" in said


def test_a_floor_on_a_task_that_nobody_trained_on_names_the_command(cli: Cli, exported: str) -> None:
    done = cli("choose", exported, "--seq", "1024", "--min-accuracy", "recall=50%")
    assert done.code == 3
    assert "no stored run has trained on recall" in done.err
    assert "dctbench run --task recall --impl sdpa,full,dct-x,performer,none" in " ".join(done.err.split())


def test_what_a_measurement_cannot_answer_is_refused_before_it(cli: Cli, tmp_path: Path) -> None:
    for flags, code, said in (
        (("--min-accuracy", "mnist1d=90%"), 3, "no stored run has trained on mnist1d"),
        (("--max-miss-rate", "1%"), 2, "--max-miss-rate is for calls on a schedule"),
        (("--max-error", "input=5%"), 2, "--max-error input=SHARE needs an input"),
    ):
        done = cli("choose", "--seq", "4096", "--measure", *flags)
        assert (done.code, said in done.err) == (code, True), done.err
    assert not list(tmp_path.glob(".dctbench/*.sqlite"))


def test_a_floor_on_a_task_that_was_trained_on_is_measured_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class MeasuringError(Exception):
        pass

    def measuring(*words: object) -> None:
        raise MeasuringError

    stored(tmp_path, 1, trained("sdpa", [0.7]))
    monkeypatch.setattr("dctbench.app.choose.run", measuring)
    store = str(tmp_path / ".dctbench" / "results.sqlite")
    with pytest.raises(MeasuringError):
        choose(ChooseRequest(seq_len=64, measure=True, floors=parse_floors(["mnist1d=90%"]), store=store))


def test_a_task_without_a_name_is_refused(cli: Cli, exported: str) -> None:
    done = cli("choose", exported, "--seq", "1024", "--task", " ")
    assert (done.code, "--task: no value given" in done.err) == (2, True), done.err


def test_a_default_of_several_values_is_for_the_sweeps_of_other_commands(
    cli: Cli, exported: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dctbench]\nbatch = [1, 16]\ndevice = ["cpu", "cuda:0"]\nheads = 8\n', encoding="utf-8"
    )
    assert cli("choose", exported, "--seq", "1024").code == 0
    refused = cli("choose", exported, "--seq", "1024", "--batch", "1,16")
    assert (refused.code, "--batch: one value is decided for" in refused.err) == (2, True), refused.err
    (tmp_path / "pyproject.toml").write_text("[tool.dctbench]\nheads = 4\n", encoding="utf-8")
    assert "has --heads 4" in cli("choose", exported, "--seq", "1024").err
