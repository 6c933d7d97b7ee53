"""Reading the JSON document: every released version, without loss, and every mistake is reported with its place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from dctbench import importers
from dctbench.errors import UsageError
from dctbench.exporters.json_document import document, dumps
from dctbench.importers import fields, parse, read_file
from dctbench.model import Case, CaseWarning, ResultDetails, WarningCode
from tests.support.made import ENVIRONMENT, RUN, result

FILES = Path(__file__).parent / "files"
FULL = FILES / "document-1.json"
WARNINGS = (CaseWarning.text("latency: noisy"), CaseWarning(WarningCode.SPREAD, {"spread": 0.12}))
RESULTS = [
    result("sdpa", 512, [2e-3, 2.1e-3], values={"setup": ("s", 0.01), "error.smooth": ("1", 3e-7)}),
    replace(result("sdpa", 512, [3e-3], round=2, values={"setup": ("s", 0.02)}), warnings=WARNINGS,
            details=ResultDetails.from_json({"stop_reason": "budget", "noisy": {"b": 1, "a": [1, 2]}}), host="bench-2"),
    result("dct-x", 512, None, ratio=8, status="error", message="ValueError: no\n  at layer.py:3"),
    result("dct-x", 512, [4e-3], ratio=8, round=2, values={"flops": ("FLOP", 1e9)}),
    result("full", 512, None, status="oom", message="needs 1 TiB"),
    result("full", 512, None, round=2, status="skipped", message="failed in round 1: oom"),
    result("pool", 512, [1e-3] * 3, ratio=2.5, device="cuda:1", threads=4),
    result("nystromformer", 512, [2e-3] * 3, kept=64),
]  # fmt: skip


def refusal(data: bytes) -> str:
    with pytest.raises(UsageError) as refused:
        parse(data, "given.json")
    assert refused.value.exit_code == 2
    assert refused.value.hint
    assert "\n" not in refused.value.message
    assert refused.value.message.startswith("given.json: ")
    return refused.value.message.removeprefix("given.json: ")


def test_a_written_document_is_read_back_unchanged() -> None:
    written = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, RESULTS))
    run, environments, results, _ = parse(written.encode(), "given.json")
    assert run == RUN
    assert environments == {ENVIRONMENT.fingerprint: ENVIRONMENT}
    assert [(r.case.name, r.round) for r in results] == [(r.case.name, r.round) for r in RESULTS]
    assert results == RESULTS
    assert dumps(document(run, environments, results)) == written


def test_rounds_that_differ_by_ten_decades_are_read_back() -> None:
    results = [result("sdpa", 512, [1e-6]), result("sdpa", 512, [1e4], round=2)]
    written = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results))
    assert json.loads(written)["results"][0]["metrics"]["latency"]["high"] > 1e30  # Student's t of two rounds
    assert parse(written.encode(), "given.json")[2] == results


def test_a_check_that_took_confirming_rounds_is_read_back() -> None:
    taken = [result("sdpa", 512, [2e-3], round=number) for number in (1, 2, 1001, 1400)]
    _, _, found, _ = parse(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, taken)).encode(), "given.json")
    assert [one.round for one in found] == [1, 2, 1001, 1400]


def test_old_files_are_read() -> None:
    run, environments, results, _ = read_file(str(FULL))
    text = FULL.read_text(encoding="utf-8")
    for indent in (" " * 12, " " * 8):  # sentences are all that there was of a warning once
        keys = ('"code": "text"', '"message": "latency: noisy"', '"values": {}')
        warning = f"{indent}{{\n{indent}  " + f",\n{indent}  ".join(keys) + f"\n{indent}}}\n"
        text = text.replace(f'\n{indent}"latency: noisy"\n', f"\n{warning}")
    text = re.sub(r'\n( *)"ratio": .*,', r'\g<0>\n\1"kept": null,', text)  # there was no such axis
    text = re.sub(r'\n( *)"task": null', r'\g<0>,\n\1"period": null,\n\1"deadline": null', text)
    text = re.sub(r'\n( *)"deadline": null', r'\g<0>,\n\1"model": null,\n\1"layers": null,\n\1"recover": null', text)
    text = re.sub(r'\n( *)"recover": null', r'\g<0>,\n\1"input": null,\n\1"ranks": null', text)
    medians = [median(one.measurements[0].samples) for one in results if one.case == results[0].case]
    mean = math.exp(math.fsum(math.log(one) for one in medians) / len(medians))
    text = text.replace('"value": 0.00252625', f'"value": {mean}')  # the latency was the median over the processes
    assert dumps(document(run, environments, results)) == text
    assert (run.label, len(results), environments["f" * 16].facts["cpu"]) == ("old friend", 6, "Test CPU")
    _, _, least, _ = read_file(str(FILES / "document-1-least.json"))
    assert [r.measurement("latency") for r in least] == [r.measurement("latency") for r in results]
    assert least[2].message is None
    assert least[3].message == "SIGSEGV"


def test_warnings_are_read_as_codes_or_as_the_sentence_beside_a_code_of_a_later_version() -> None:
    spread = {"code": "spread", "message": "made by whoever wrote it", "values": {"spread": 0.5, "more": 1}}
    later = {"code": "of_a_later_version", "message": "said so", "values": {"x": [1]}}

    def change(data: Any) -> None:
        data["results"][0]["rounds"][0]["warnings"] = [spread, later, "a \x1b sentence"]

    _, _, results, _ = parse(changed(change), "given.json")
    assert results[0].warnings == (
        CaseWarning(WarningCode.SPREAD, {"spread": 0.5, "more": 1}),
        CaseWarning.text("said so"),
        CaseWarning.text("a  sentence"),
    )


@pytest.mark.parametrize(
    ("warning", "problem"),
    [
        ({"code": "spread", "values": {}}, "the warning spread: its spread is missing"),
        ({"code": "spread", "values": {"spread": "wide"}}, "the warning spread.spread: expected float, got str"),
        (
            {"code": "throttled", "values": {"reasons": [1]}},
            "the warning throttled.reasons[0]: expected str, got int",
        ),
    ],
)
def test_a_warning_without_the_values_that_its_sentence_needs_is_refused(warning: Any, problem: str) -> None:
    def change(data: Any) -> None:
        data["results"][0]["rounds"][0]["warnings"] = [warning]

    with pytest.raises(UsageError, match=re.escape(problem)):
        parse(changed(change), "given.json")


def changed(change: Callable[[Any], object]) -> bytes:
    data = json.loads(FULL.read_text(encoding="utf-8"))
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema_version=2), "written by a newer dctbench (schema_version 2, this one knows 1)"),
        (lambda d: d.update(schema_version=0), "schema_version: there is no version 0"),
        (lambda d: d.update(schema_version="1"), "schema_version: expected int, got str"),
        (lambda d: d.update(extra=1), "object contains unknown field extra"),
        (lambda d: d.pop("run"), "object missing required field run"),
        (lambda d: d["run"].update(label=3), "run.label: expected str | null, got int"),
        (lambda d: d["run"].update(id="../../x"), "run.id: expected str matching"),
        (lambda d: d["run"].update(label="x" * 200_000), "run.label: expected str of length <= 100000"),
        (lambda d: d["run"].update(started_at="yesterday"), "run.started_at: expected str matching"),
        (lambda d: d["run"].update(started_at="2026-99-99T99:99:99"), "run.started_at: '2026-99-99T99:99:99' is not a"),
        (lambda d: d["run"].update(started_at="2026-01-02T03.04.05"), "run.started_at: '2026-01-02T03.04.05' is not a"),
        (lambda d: d["run"].update(started_at="٢٠٢٦-٠١-٠٢T٠٣:٠٤:٠٥"), "run.started_at: expected str matching"),
        (lambda d: d["run"].update(started_at="0001-01-01T00:00:00+14:00"), "run.started_at: '0001-01-01T00:00:00+"),
        (lambda d: d["run"]["settings"].update(rounds="many"), "run.settings.rounds: expected int, got str"),
        (lambda d: d["run"]["settings"].update(samples="abc"), "run.settings.samples: expected int, got str"),
        (lambda d: d["run"]["settings"].update(samples=0), "run.settings.samples: expected int >= 1"),
        (lambda d: d["run"]["settings"].update(case_timeout=1e9), "case_timeout: expected float <= 1209600"),
        (lambda d: d["run"]["settings"].update(cache="hot"), "run.settings.cache: invalid enum value 'hot'"),
        (lambda d: d["run"]["settings"].update(isolation="none"), "run.settings.isolation: invalid enum value 'none'"),
        (lambda d: d["run"]["settings"].update(env={"A": 1}), "run.settings.env[...]: expected str, got int"),
        (lambda d: d["environments"]["f" * 16].pop("cpu"), f"environments.{'f' * 16}: object missing required"),
        (lambda d: d["results"][0].update(status="fine"), "results[0].status: invalid enum value 'fine'"),
        (lambda d: d["results"][0]["case"].update(seq_len=0), "results[0].case.seq_len: expected int >= 1"),
        (lambda d: d["results"][0]["case"].update(seq_len=64), "results[0].case_id: 34256342b23e9fb3 is not the id"),
        (lambda d: d["results"][0]["case"].update(dtype="int4"), "results[0].case.dtype: 'int4' is none of float64"),
        (lambda d: d["results"][0]["case"].update(device="gpu"), "results[0].case.device: unknown device 'gpu'"),
        (lambda d: d["results"][0]["case"].update(device="c*"), "results[0].case.device: 'c*' names no single device"),
        (lambda d: d["results"].append(d["results"][0]), "results[3]: the same case as results[0]"),
        (lambda d: d["results"][0].update(fingerprint="e" * 16), "is not among the environments"),
        (lambda d: d["results"][0]["rounds"][0].update(samples=7), "they do not add up to the 8 samples"),
        (lambda d: d["results"][0]["rounds"][1].update(round=1), "results[0].rounds: a round occurs twice"),
        (lambda d: d["results"][0]["rounds"][1]["metrics"].update(x=[1]), "not among the metrics of its case"),
        (lambda d: d["results"][0].update(rounds=[]), "results[0].rounds: expected array of length >= 1"),
        (lambda d: d["results"][0]["metrics"]["latency"].update(samples=[0] * 8), "expected float >= 1e-10"),
        (
            lambda d: d["results"][0]["metrics"]["latency"].pop("samples"),
            "latency must have samples, and no other metric may",
        ),
        (lambda d: d["results"][0]["metrics"]["setup"].update(value=1e300), "value: expected float <= 1e+30"),
        (lambda d: d["results"][0]["rounds"][1]["metrics"].update(setup=[0.0]), "setup: 0 is less than 1e-10"),
        (lambda d: d["results"][0]["rounds"][1]["metrics"].update(setup=[1.0, 1e7]), "setup: 1e+07 is more than 1e+06"),
        (
            lambda d: d["results"][0]["metrics"]["setup"].update(value=-3),
            "results[0].rounds[0].metrics.setup: -3 is less than 1e-10",
        ),
        (lambda d: d["results"][0]["metrics"]["setup"].update(unit="\x1b"), "metrics: the name '' holds control"),
        (lambda d: d["results"][0]["metrics"]["latency"].update(unit="ms"), "latency: the unit 'ms' instead of 's'"),
        (lambda d: d["results"][0]["metrics"]["setup"].update(unit="B"), "metrics.setup: the unit 'B' instead of 's'"),
        (lambda d: d["run"].update(suite="a\nb"), "holds control characters"),
        (lambda d: d["run"]["settings"].update(env={"A\0": "1"}), "run: the name 'A' holds control characters"),
        (lambda d: d["results"][0]["case"].update(implementation="\x07"), "results[0].case: the name '' holds"),
        (
            lambda d: d["results"][0]["details"].update(split={"shares": {"\x1b": 0.5}}),
            "results[0].details.split.shares: the name '' holds control characters",
        ),
        (lambda d: d["results"][0]["details"].update(a=[[[[[[[1]]]]]]]), "results[0].details: nested too deeply"),
        (lambda d: d["results"][0]["details"].update(a=[0] * 20_000), "details: more than 10,000 values"),
        (lambda d: d["results"][0]["details"].update(a="x" * 200_000), "details: a text of more than 100,000"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(change: Callable[[Any], object], words: str) -> None:
    assert words in refusal(changed(change))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\x00\xff", "not JSON"),
        (b"[]", "expected object, got array"),
        (b"{}", "neither schema_version nor benchmarks"),
        (b'{"schema_version": 1', "not JSON"),
        (b'{"schema_version": NaN}', "not JSON"),
        (b'{"schema_version": 1e999}', ""),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", ""),
        (b'{"schema_version": 1, "run": "\xff"}', ""),
        (b'{"schema_version": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_file_that_is_not_a_document_is_refused_in_one_sentence(data: bytes, words: str) -> None:
    assert words in refusal(data)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    text = FULL.read_text(encoding="utf-8").replace("0.002001", number)
    assert number in text
    refusal(text.encode())


def test_the_size_is_checked_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers, "MAX_BYTES", 1 << 20)
    assert refusal(b" " * ((1 << 20) + 1)) == "larger than 1 MiB"
    monkeypatch.setattr(importers, "MAX_VALUES", 100)
    assert refusal(b"[" + b"0," * 200 + b"0]") == "more than 100 values"
    assert fields.MAX_VALUES > 5 * 30 * 100_000  # a sweep at its largest is allowed


def test_control_characters_are_removed_from_labels_and_texts() -> None:
    def spoil(data: Any) -> None:
        data["run"]["label"] = "\x1b[31mred\x00\nline"
        data["run"]["argv"] = ["run", "\x1b]0;title\x07"]
        data["results"][1]["rounds"][1]["message"] = "first\nsecond\x1b[2J"

    run, _, results, _ = parse(changed(spoil), "given.json")
    assert run.label == "[31mredline"
    assert run.argv == ("run", "]0;title")
    assert "first\nsecond[2J" in [r.message for r in results]


def test_equal_numbers_give_the_same_case() -> None:
    text = FULL.read_text(encoding="utf-8").replace('"ratio": 8,', '"ratio": 8.0,')
    _, _, results, _ = parse(b"\xef\xbb\xbf" + text.encode(), "given.json")
    assert Case("dct-x", 512, 8) in [r.case for r in results]


def test_a_case_with_both_a_ratio_and_a_number_kept_is_refused() -> None:
    def spoil(data: Any) -> None:
        data["results"][1]["case"].update(ratio=8, kept=64)

    assert refusal(changed(spoil)) == "results[1].case: both ratio and kept are set; a case has one of them"


def test_a_task_without_a_valid_name_is_refused() -> None:
    def spoil(data: Any) -> None:
        data["results"][1]["case"]["task"] = "my task"

    said = "results[1].case.task: 'my task': a task is a name, or package.module:Class"
    assert refusal(changed(spoil)) == said


@pytest.mark.parametrize("name", ["absent.json", "", ".", "x" * 5000, "\0"])
def test_an_unreadable_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_file(name and str(tmp_path / name))


def test_an_empty_name_is_no_file_though_it_is_the_current_folder_as_a_path() -> None:
    with pytest.raises(UsageError, match=r"^cannot read '': the name of the file is empty$"):
        read_file("")


def test_rounds_in_any_order_are_sorted() -> None:
    def turn(data: Any) -> None:
        data["results"][1]["rounds"].reverse()

    _, _, results, _ = parse(changed(turn), "given.json")
    assert [r.round for r in results] == [1, 2] * 3
    assert results[3].message == "SIGSEGV"


@pytest.mark.parametrize("written", ["2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05.0+02:00"])
def test_the_start_of_a_run_is_converted_to_utc(written: str) -> None:
    run, _, _, _ = parse(changed(lambda d: d["run"].update(started_at=written)), "given.json")
    assert run.started_at == "2026-01-02T03:04:05.000000+00:00"


def test_a_metric_of_a_third_party_keeps_its_unit() -> None:
    measured = [result("sdpa", 512, [2e-3], values={"cache.misses": ("1/call", 12.0)})]
    written = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, measured))
    assert parse(written.encode(), "given.json")[2] == measured


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"ranks": 65}, "<= 64"),
        ({"ranks": 2, "scope": "encoder"}, "scope encoder does not go with them"),
        ({"ranks": 2, "mode": "train"}, "mode train does not go with them"),
        ({"ranks": 2, "engine": "compile"}, "engine compile does not go with them"),
        ({"ranks": 2, "model": "tiny"}, "model tiny does not go with them"),
    ],
)
def test_ranks_of_anything_but_a_forward_pass_of_a_layer_and_too_many_are_refused(
    fields: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(changed(lambda data: data["results"][1]["case"].update(fields)))
