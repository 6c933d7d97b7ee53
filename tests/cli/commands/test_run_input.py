"""`dctbench run --input` as its user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import Cli

SHORT = ("--seq", "64", "--rounds", "1", "--heads", "2", "--head-dim", "16")


def test_the_error_on_an_input_is_measured_stored_reported_and_budgeted(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--input", "ecg,noise", "--impl", "sdpa,dct-kv", "--ratio", "4", *SHORT, "--format", "json")
    assert done.code == 0, done.err
    found = {(one["case"]["implementation"], one["case"]["input"]): one for one in done.json()["results"]}
    assert set(found) == {(name, of) for name in ("sdpa", "dct-kv") for of in ("ecg", "noise")}
    errors = {key: {name: one["metrics"][f"error.{name}"]["value"] for name in ("input", "noise", "smooth")}
              for key, one in found.items()}  # fmt: skip
    assert errors["sdpa", "ecg"]["input"] < 1e-5
    assert errors["dct-kv", "ecg"]["input"] < 0.1 < errors["dct-kv", "noise"]["input"]
    assert errors["dct-kv", "noise"]["input"] == pytest.approx(errors["dct-kv", "noise"]["noise"])
    spectrum = found["dct-kv", "ecg"]["details"]["spectrum"]
    assert spectrum["kept"] == [1, 2, 4, 8, 16, 32]
    assert set(spectrum["dct"]) == set(spectrum["pool"]) == set("xqkv")
    assert found["dct-kv", "noise"]["details"]["spectrum"]["dct"]["v"][4] == pytest.approx(15 / 63, abs=0.05)
    again = cli("export", "json")
    (tmp_path / "run.json").write_text(again.out)
    assert cli("import", "run.json", "--store", "other.sqlite").code == 0
    assert cli("export", "json", "--store", "other.sqlite").json()["results"] == again.json()["results"]
    assert cli("report", "-o", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "ecg at n = 64: the 16 lowest of 64 DCT coefficients hold " in page
    assert '<th scope="col">error on ecg</th>' in page
    chosen = cli("choose", "--seq", "64", "--input", "noise", "--max-error", "input=5%")
    assert "within error on its input 0.050: ship sdpa" in " ".join(chosen.out.split())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--input", "photos"), 2, "unknown input 'photos'; did you mean 'photo'?"),
        (("--input", "minilm"), 2, "input 'minilm': which layer of minilm? minilm:0 to minilm:5"),
        (("--input", "minilm:6"), 2, "input 'minilm:6': which layer of minilm?"),
        (("--input", "ecg:2"), 2, "input 'ecg:2': only minilm has layers"),
        (("--input", "minilm:2,ecg"), 2, "--heads 2: the attention of input minilm:2 has --heads 12 leave out --heads"),
        (("--input", "ecg", "--scope", "encoder"), 2, "--input is for the error of a layer, which --scope encoder"),
        (("--input", "ecg", "--task", "recall"), 2, "--input is for the error of a layer, which --task does not have"),
        (("--input", "ecg", "--model", "minilm"), 2, "--input is for the error of a layer, which --model does not"),
    ],
)
def test_an_input_that_cannot_be_used_is_one_sentence(cli: Cli, words: tuple[str, ...], code: int, says: str) -> None:
    done = cli("run", *words, "--impl", "sdpa", *SHORT)
    assert done.code == code
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_missing_package_is_exit_6(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'pywt' else find(name, package)\n"
    )
    done = cli("run", "--input", "ecg", "--impl", "sdpa", *SHORT, new_interpreter=True, PYTHONPATH=str(tmp_path))
    assert done.code == 6, done.err
    assert "--input ecg needs packages that are not installed" in " ".join(done.err.split())
    assert "pip install 'dctbench[signals]'" in done.err


def test_data_that_is_too_short_is_unsupported_and_stored(cli: Cli) -> None:
    done = cli("run", "--input", "ecg", "--impl", "sdpa", *SHORT, "--seq", "2048", "--format", "json")
    [one] = done.json()["results"]
    assert one["status"] == "unsupported"
    assert one["message"] == "input ecg has 1009 tokens in a row, fewer than n = 2048"
