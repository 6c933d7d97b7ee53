"""`dctbench choose --model`: whether a model should keep its attention, from stored results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.exporters.json_document import document, dumps
from dctbench.model import CaseWarning, Measurement, Result, WarningCode
from tests.analysis.test_in_model import rounds
from tests.support.command import Cli, Done
from tests.support.made import ENVIRONMENT, RUN

MIB = 2.0**20


def with_memory(results: Sequence[Result], mib: float) -> list[Result]:
    first, *rest = results
    if first.status != "ok":
        return [first, *rest]
    more = (Measurement("memory.tensor", "B", (mib * MIB,)), Measurement("memory.state", "B", (0.0,)))
    return [replace(first, measurements=(*first.measurements, *more)), *rest]


@pytest.fixture
def ask(cli: Cli, tmp_path: Path) -> Cli:
    """Ask about results of a model, each method with the memory of its place in MiB."""

    def asked(*methods: tuple[Sequence[Result], float], flags: Sequence[str] = ()) -> Done:
        results = [one for method, mib in methods for one in with_memory(method, mib)]
        text = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results))
        (tmp_path / "measured.json").write_text(text, encoding="utf-8")
        return cli("choose", "measured.json", "--seq", "128", "--model", "minilm", *flags)

    return asked


def sdpa(right: int | None = 60) -> Sequence[Result]:
    return rounds("sdpa", 10e-3, right, share=0.4)


def test_a_method_that_is_faster_and_keeps_the_evaluation_replaces_the_attention(ask: Cli) -> None:
    done = ask((sdpa(), 90), (rounds("dct-kv", 5e-3, 70, ratio=2), 80), (rounds("pool-kv", 4e-3, 20, ratio=2), 70))
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert said.startswith("At n = 128: replace sdpa by dct-kv r=2: it makes minilm 2.00x (")
    assert "as fast (5.05 ms (5.00-5.10), 80.0 MiB) and keeps recall: +10.0 points (" in said
    assert "attention takes 40% of minilm at n = 128: even free attention would make it at most 1.67x as fast" in said
    assert "its outputs have a cosine of 0.800" in said
    assert "pool-kv r=2, recall" not in said  # a control: nobody would ship it
    assert "rests on run 01234567" in said


def test_nothing_is_worth_replacing_where_no_method_is_faster(ask: Cli) -> None:
    control = rounds("pool-kv", 4e-3, 20, ratio=2)  # nobody would ship it
    done = ask((sdpa(), 90), (rounds("dct-kv", 11e-3, 60, ratio=2), 80), (control, 70))
    assert done.code == 0
    said = " ".join(done.out.split())
    assert said.startswith(
        "At n = 128: keep sdpa: nothing in minilm is worth replacing, because no method is shown to make it faster."
    )


def test_what_loses_too_much_is_told_with_the_command_that_trains_it(ask: Cli) -> None:
    methods = (sdpa(), 90), (rounds("dct-kv", 5e-3, 57, ratio=2), 80)
    done = ask(*methods)
    said = " ".join(done.out.split())
    assert done.code == 0
    assert "keep sdpa: nothing in minilm is worth replacing, because no faster method is shown to lose less" in said
    assert "as fast, recall: -3.0 points (" in said
    assert (
        "training may bring it back: "
        "dctbench run --impl sdpa,dct-kv --ratio 2 --recover 200 --seq 128 --model minilm" in said
    )
    assert "replace sdpa by dct-kv r=2" in ask(*methods, flags=("--max-loss", "20pt")).out


def test_the_command_that_trains_measures_the_same_shape(ask: Cli) -> None:
    def on_gpu(results: Sequence[Result]) -> list[Result]:
        shape = {"dtype": "bfloat16", "device": "cuda:0", "batch": 4}
        return [replace(one, case=replace(one.case, **shape)) for one in results]  # type: ignore[arg-type]

    said = " ".join(ask((on_gpu(sdpa()), 90), (on_gpu(rounds("dct-kv", 5e-3, 57, ratio=2)), 80)).out.split())
    assert "--seq 128 --device cuda:0 --dtype bfloat16 --batch 4 --model minilm" in said


def test_a_question_about_layers_is_not_answered_by_a_model(ask: Cli, cli: Cli) -> None:
    ask((sdpa(), 90), (rounds("dct-kv", 5e-3, 70, ratio=2), 80))
    done = cli("choose", "measured.json", "--seq", "128")
    assert done.code == 3
    assert "run 01234567 holds results of a model: ask for them with --model minilm" in done.err


def test_a_model_that_did_not_run_as_it_is_says_how_it_ended(ask: Cli) -> None:
    failed = [replace(one, status="oom", measurements=()) for one in sdpa()]
    done = ask((failed, 90), (rounds("dct-kv", 5e-3, 70, ratio=2), 80))
    assert done.code == 3
    assert "at n = 128 the model as it is (sdpa) was not timed (oom)" in " ".join(done.err.split())


def test_what_was_not_evaluated_is_told_with_the_reason(ask: Cli) -> None:
    first, *rest = rounds("linformer", 5e-3, None, ratio=2)
    told = CaseWarning(WarningCode.NOT_MEASURED, {"metric": "evaluate", "reason": "E is random"})
    said = " ".join(ask((sdpa(), 90), ([replace(first, warnings=(told,)), *rest], 80)).out.split())
    assert "points of recall (linformer r=2 makes it 2.00x" in said
    assert "as fast, recall not measured)." in said
    assert "faster, but recall not measured: linformer r=2 (E is random)" in said
    assert "--impl sdpa,linformer --ratio 2 --recover 200 --seq 128" in said


def test_what_keeps_the_evaluation_only_after_training_says_so(ask: Cli) -> None:
    lossy = rounds("dct-x", 4e-3, 20, ratio=2, recovered=40)
    done = ask((sdpa(), 90), (rounds("dct-kv", 5e-3, 30, ratio=2, recovered=70), 80), (lossy, 70))
    said = " ".join(done.out.split())
    assert ") after training." in said
    assert re.search(r"faster, but loses quality: dct-x r=2, recall: -20\.0 points \([^)]*\) after training", said)
    assert "80.0 MiB) and keeps recall: +10.0 points (" in said


def test_without_an_evaluation_the_model_keeps_its_attention(ask: Cli) -> None:
    said = " ".join(ask((sdpa(None), 90), (rounds("dct-kv", 5e-3, None, ratio=2), 80)).out.split())
    assert "keep sdpa: nothing in minilm is worth replacing, because dct-kv r=2 makes it 2.00x" in said
    assert "but nothing says what that costs: evaluate(model) beside minilm would." in said


def test_without_an_evaluation_what_keeps_the_budgets_is_named_with_what_is_unknown(ask: Cli) -> None:
    methods = (sdpa(None), 90), (rounds("dct-kv", 5e-3, None, ratio=2), 40)
    done = ask(*methods, flags=("--max-memory", "64MiB"))
    assert done.code == 3
    assert (
        "no method can be recommended: dct-kv r=2 stays within the budgets, but nothing says what it costs: "
        "evaluate(model) beside minilm would." in " ".join(done.out.split())
    )
    none = " ".join(ask(*methods, flags=("--max-memory", "35MiB")).out.split())
    assert "no method can be recommended: none that was measured in minilm is shown to stay within the budgets." in none


def test_an_evaluation_whose_figures_are_no_shares_is_not_called_missing(ask: Cli) -> None:
    def perplexity(results: Sequence[Result]) -> list[Result]:
        first, *rest = results
        more = Measurement("evaluate.perplexity", "1", (20.0, 30.0))
        return [replace(first, measurements=(*first.measurements, more)), *rest]

    methods = (perplexity(sdpa(None)), 90), (perplexity(rounds("dct-kv", 5e-3, None, ratio=2)), 40)
    why = "but dctbench cannot tell whether a higher perplexity is better, because its values are not all from 0 to 1."
    for flags in ((), ("--max-memory", "64MiB")):
        said = " ".join(ask(*methods, flags=flags).out.split())
        assert why in said
        assert "evaluate(model)" not in said


def test_p99_is_called_unmeasured_only_where_it_is(ask: Cli) -> None:
    first, *rest = sdpa()
    many = replace(first, measurements=(Measurement("latency", "s", (0.01,) * 3000), *first.measurements[1:]))
    flags = ("--max-latency-p99", "1s", "--max-memory", "process=1GiB")
    said = " ".join(ask(([many, *rest], 90), flags=flags).out.split())
    assert "not measured: process memory of sdpa" in said
    assert "p99 not measured" not in said


def test_budgets_decide_together_with_quality(ask: Cli) -> None:
    methods = (sdpa(), 90), (rounds("dct-kv", 11e-3, 70, ratio=2), 40), (rounds("dct-resample", 5e-3, 30, ratio=2), 30)
    slower = ask(*methods, flags=("--max-memory", "64MiB"))
    said = " ".join(slower.out.split())
    assert slower.code == 0
    assert said.startswith("At n = 128 within memory 64.0 MiB: replace sdpa by dct-kv r=2: it makes minilm 0.91x")
    assert "over budget: sdpa, memory 90.0 MiB > 64.0 MiB" in said
    nothing = ask(*methods, flags=("--max-memory", "35MiB"))
    assert nothing.code == 3
    said = " ".join(nothing.out.split())
    assert "none that was measured in minilm is shown to stay within the budgets and to keep recall." in said
    assert "faster, but loses quality: dct-resample r=2, recall: -30.0 points" in said
    late = ask(*methods, flags=("--max-latency-p99", "1s"))
    assert late.code == 3
    assert "p99 not measured: it needs 299 samples: dctbench run --suite quick" in " ".join(late.out.split())
    assert "--model minilm" in " ".join(late.out.split())


def test_json_has_the_verdict_and_the_quality_of_each_method(ask: Cli) -> None:
    done = ask((sdpa(), 90), (rounds("dct-kv", 5e-3, 70, ratio=2), 80), flags=("--format", "json"))
    [answer] = done.json()["answers"]
    assert {row["case"]["implementation"]: row["verdict"] for row in answer["methods"]} == {
        "sdpa": "within", "dct-kv": "chosen",
    }  # fmt: skip
    assert answer["methods"][0]["quality"]["evaluate.recall"] == pytest.approx(0.7)
    assert answer["sentence"].startswith("At n = 128: replace sdpa")


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--max-loss", "2"), 2, "--max-loss '2': not a number of points"),
        (("--min-accuracy", "recall=sdpa-2pt"), 2, "a model has its own evaluation leave them out, or give --max-loss"),
        (("--reference", "full"), 2, "--reference is for a layer: a model is compared with the model as it is leave"),
        (("--dtype", "bfloat16"), 3, "--dtype bfloat16 --model minilm --measure"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(ask: Cli, flags: tuple[str, ...], code: int, says: str) -> None:
    done = ask((sdpa(), 90), flags=flags)
    assert done.code == code
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_loss_is_for_a_model(cli: Cli) -> None:
    done = cli("choose", "--seq", "128", "--max-loss", "2pt")
    assert done.code == 2
    assert "--max-loss is for a model" in done.err


def test_a_run_without_the_model_names_the_command_that_measures_it(cli: Cli) -> None:
    assert cli("run", "--impl", "sdpa", "--seq", "16", "--rounds", "1").code == 0
    done = cli("choose", "--seq", "16", "--model", "minilm")
    assert done.code == 3
    assert "dctbench choose --seq 16 --model minilm --measure" in " ".join(done.err.split())
