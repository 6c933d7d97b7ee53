"""`dctbench run --model` as its user meets it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.store import open_store
from tests.support import ROOT
from tests.support.command import Cli
from tests.support.made import CALIBRATION

SHORT = ("--seq", "16", "--rounds", "1")
NEEDS_TRANSFORMERS = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="needs the extra transformers"
)


def test_a_model_is_measured_stored_reported_and_exported(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--model", "tests.support.models:encoder", "--impl", "sdpa,dct-kv", "--ratio", "2", *SHORT,
               "--keep-first", "0,1", "--recover", "2", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    results = {tuple(one["case"][key] for key in ("implementation", "layers", "recover")): one
               for one in done.json()["results"]}  # fmt: skip
    assert set(results) == {("sdpa", None, None), ("dct-kv", "0..", 2), ("dct-kv", "1..", 2)}
    for key, one in results.items():
        assert (one["case"]["model"], one["case"]["scope"]) == ("tests.support.models:encoder", "model")
        assert (one["case"]["heads"], one["case"]["head_dim"]) == (4, 8)
        assert one["status"] == "ok", one["message"]
        assert {"latency", "memory.tensor", "flops", "drift.cosine", "drift.tokens", "evaluate.positive"} <= set(
            one["metrics"]
        )
        assert ("recovered.evaluate.positive" in one["metrics"]) == (key[0] != "sdpa")
        assert "error.noise" not in one["metrics"]
    assert results["sdpa", None, None]["metrics"]["drift.cosine"]["value"] == pytest.approx(1)
    assert 0 < results["sdpa", None, None]["metrics"]["attention.share"]["value"] < 1
    assert results["dct-kv", "1..", 2]["details"]["conversion"]["kept"] == ["layers.0.self_attn"]
    assert len(results["sdpa", None, None]["rounds"][0]["metrics"]["evaluate.positive"]) == 10
    again = cli("export", "json")
    (tmp_path / "run.json").write_text(again.out)
    assert cli("import", "run.json", "--store", "other.sqlite").code == 0
    assert cli("export", "json", "--store", "other.sqlite").json()["results"] == again.json()["results"]
    assert cli("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "In your model" in page
    assert "tests.support.models:encoder at n = 16" in page


def test_a_model_is_measured_on_a_calibrated_machine(cli: Cli, tmp_path: Path) -> None:
    words = ("run", "--model", "tests.support.models:encoder", "--impl", "sdpa", *SHORT, "--format", "json")
    assert cli(*words).code == 0
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite")) as store:
        [state] = store.runs()
        [fingerprint] = store.environments(state.run.id)
        store.add_calibration(fingerprint, replace(CALIBRATION, gemm={"float32": 1e18}))
    done = cli(*words)
    assert done.code == 0, done.err
    [one] = done.json()["results"]
    assert one["status"] == "ok", one["message"]
    assert "flops" in one["metrics"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--model", "minilmm"), 2, "unknown model 'minilmm'; did you mean 'minilm'?"),
        (("--model", "tests.support.models:missing"), 2, "has no 'missing'"),
        (("--model", "tests.support.models:number"), 2, "returned a int, not a torch.nn.Module"),
        (("--model", "tests.support.models:without_attention"), 2, "no attention that dctbench can replace"),
        (("--model", "tests.support.models:decoder"), 2, "own: it is causal; cross: it is cross-attention"),
        (("--model", "tests.support.models:encoder", "--scope", "layer"), 2, "--scope model and --model go together"),
        (("--scope", "model"), 2, "--scope model and --model go together"),
        (("--model", "tests.support.models:encoder", "--layers", "one"), 2, "not a list of layers"),
        (("--layers", "0"), 2, "--layers is for a model add --model, such as --model minilm"),
        (("--keep-first", "0,2"), 2, "--keep-first is for a model add --model"),
        (("--recover", "20"), 2, "--recover is for a model add --model"),
        (("--task", "recall", "--recover", "20"), 2, "--recover 20 does not go with --task"),
        (("--task", "recall", "--suite", "minilm"), 2, "--model minilm does not go with --task"),
        (("--model", "tests.support.models:encoder", "--layers", "9"), 2, "--layers 9: the model has 2 attentions"),
        (("--model", "tests.support.models:encoder", "--keep-first", "6"), 2, "--keep-first 6: the model has 2"),
        (("--model", "tests.support.models:encoder", "--heads", "64"), 2, "--heads 64: the model was built with"),
    ],
)
def test_a_model_that_cannot_be_measured_is_one_sentence(
    cli: Cli, words: tuple[str, ...], code: int, says: str
) -> None:
    done = cli("run", *words, "--impl", "sdpa", *SHORT)
    assert done.code == code
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_outputs_of_a_layer_with_random_weights_are_compared_after_training_only(cli: Cli) -> None:
    done = cli("run", "--model", "tests.support.models:encoder", "--impl", "tests.support.models:FusedLayer", *SHORT,
               "--recover", "2", "--format", "json", PYTHONPATH=str(ROOT))  # fmt: skip
    assert done.code == 0, done.err
    one = next(one for one in done.json()["results"] if one["case"]["implementation"] != "sdpa")
    assert one["status"] == "ok", one["message"]
    assert {"latency", "recovered.drift.cosine", "recovered.evaluate.positive"} <= set(one["metrics"])
    assert not {"drift.cosine", "evaluate.positive"} & set(one["metrics"])
    told = [warning["message"] for warning in one["warnings"]]
    for metric in ("drift", "evaluate"):
        assert any(
            text.startswith(
                f"{metric}: not measured (weights that the model does not have are random before a training"
            )
            for text in told
        )


def test_learned_weights_that_the_model_does_not_have_are_named_and_judged_after_training_only(cli: Cli) -> None:
    words = ("run", "--model", "tests.support.models:encoder", "--impl", "sdpa,linformer,performer", "--ratio", "2",
             *SHORT)  # fmt: skip
    done = cli(*words)
    assert done.code == 0, done.err
    reason = "weights that the model does not have are random before a training with --recover: E"
    assert f"evaluate: not measured ({reason})" in " ".join(done.out.split())
    judged = {one["case"]["implementation"]: "evaluate.positive" in one["metrics"]
              for one in cli("export", "json").json()["results"]}  # fmt: skip
    assert judged == {"sdpa": True, "linformer": False, "performer": True}
    trained = cli(*words, "--recover", "2", "--format", "json")
    assert trained.code == 0, trained.err
    [one] = [one for one in trained.json()["results"] if one["case"]["implementation"] == "linformer"]
    assert "recovered.evaluate.positive" in one["metrics"]


def test_an_evaluation_with_a_mask_that_is_more_than_padding_gives_no_figure_and_the_reason(cli: Cli) -> None:
    done = cli("run", "--model", "tests.conversion.packed:model", "--impl", "sdpa,dct-kv", "--ratio", "2", *SHORT,
               PYTHONPATH=str(ROOT))  # fmt: skip
    assert done.code == 0, done.err
    assert "evaluate of sdpa, dct-kv r=2: not measured (the model was called with a mask" in " ".join(done.out.split())
    for one in cli("export", "json").json()["results"]:
        assert {"latency", "drift.cosine"} <= set(one["metrics"])
        assert "evaluate" not in one["metrics"]
        assert "differs from query to query" in one["details"]["evaluate.absent"]


def test_a_suite_without_a_model_cannot_name_its_layers(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[axes]\nimpl = "sdpa"\nseq = 16\nrecover = 20\n')
    done = cli("run", "--suite", "mine.toml", "--dry-run")
    assert done.code == 2
    assert "--recover is for a model add --model, such as --model minilm" in " ".join(done.err.split())


@NEEDS_TRANSFORMERS
def test_a_model_that_is_not_on_this_machine_is_exit_6(cli: Cli) -> None:
    done = cli("run", "--model", "hf:nobody/nothing", "--impl", "sdpa", *SHORT)
    assert done.code == 6
    assert "no such model on this machine" in done.err


def test_an_attention_that_does_more_is_unsupported_and_stored(cli: Cli) -> None:
    done = cli("run", "--model", "tests.support.models:partly_causal", "--impl", "sdpa", *SHORT, "--format", "json")
    [one] = done.json()["results"]
    assert one["status"] == "unsupported"
    assert "with exact attention in the place of its own" in one["message"]
