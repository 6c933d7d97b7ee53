"""The rules of a gate: budgets, pairs and tolerances as texts, and the cases that `--at` names."""

from __future__ import annotations

from typing import Any

import pytest

from dctbench.errors import UsageError
from dctbench.spec import gate
from dctbench.spec.gate import GateRules


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seq=4k,ratio=8", {"seq_len": 4096, "ratio": 8}),
        ("device=cuda", {"device": "cuda:0"}),
        ("dtype=fp16", {"dtype": "float16"}),
        ("impl=package.module:Layer", {"implementation": "package.module:Layer"}),
        ("impl=dct-x, mode=train", {"implementation": "dct-x", "mode": "train"}),
        ("layers=0,2,4", {"layers": "0,2,4"}),
        ("layers=4, 0,", {"layers": "0,4"}),
        ("model=minilm,layers=0,2,seq=64", {"model": "minilm", "layers": "0,2", "seq_len": 64}),
    ],
)
def test_a_place_is_named_as_by_the_flags_and_found_by_the_fields_of_a_case(
    text: str, found: dict[str, object]
) -> None:
    assert gate.at([text]) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seq=512..2048", "one value of an axis at a time"),
        ("impl=dct*", "one value of an axis at a time"),
        ("impl=dtc-x", "dtc-x"),
        ("mode=sideways", "sideways"),
        ("length=4096", "not AXIS=VALUE"),
        ("seq", "not AXIS=VALUE"),
        ("seq=1024,2048", "--at '2048': not AXIS=VALUE"),
        ("layers=0,2,impl", "--layers '0,2,impl'"),
        ("layers=0,2,head-dim=8", "--at 'head-dim=8': not AXIS=VALUE"),
        ("seq=", "not AXIS=VALUE"),
        ("keep_first=2", "not AXIS=VALUE"),
    ],
)
def test_a_text_that_names_no_single_place_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        gate.at([text])
    assert words in refused.value.message
    assert refused.value.hint
    assert "keep_first" not in refused.value.hint  # it sets the field of another axis


@pytest.mark.parametrize("texts", [["seq=4096", "seq=8192"], ["seq=4096,seq=8192"], ["impl=dct-x", "impl=sdpa"]])
def test_a_second_value_of_an_axis_is_refused_wherever_it_stands(texts: list[str]) -> None:
    second = texts[-1].rpartition(",")[2]
    with pytest.raises(UsageError) as refused:
        gate.at(texts)
    assert refused.value.message == f"--at {second!r}: one value of an axis at a time"
    assert gate.at([texts[0].partition(",")[0]] * 2) == gate.at([texts[0].partition(",")[0]])


@pytest.mark.parametrize(
    ("given", "field", "limit"),
    [
        ({"max_latency_p99": "10ms"}, "latency_p99", 0.01),
        ({"max_memory": ["64MiB"]}, "memory", 64 * 2**20),
        ({"max_memory": ["tensor=64MiB"]}, "memory", 64 * 2**20),
        ({"max_memory": ["process=1GiB"]}, "memory_process", 2**30),
        ({"max_error": ["5%"]}, "error_smooth", 0.05),
        ({"max_error": ["smooth=0.1"]}, "error_smooth", 0.1),
        ({"max_error": ["noise=200%"]}, "error_noise", 2.0),
    ],
)
def test_each_budget_limits_its_own_figure(given: dict[str, Any], field: str, limit: float) -> None:
    assert gate.parse_budgets(**given).given == {field: pytest.approx(limit)}


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"max_latency_p99": "10 parsecs"}, "--max-latency-p99"),
        ({"max_memory": ["much"]}, "--max-memory"),
        ({"max_memory": ["vram=64MiB"]}, "--max-memory"),
        ({"max_error": ["some"]}, "--max-error"),
        ({"max_error": ["median=5%"]}, "--max-error"),
    ],
)
def test_a_budget_that_cannot_be_read_names_its_flag(given: dict[str, Any], flag: str) -> None:
    with pytest.raises(UsageError, match=f"^{flag}[: ]"):
        gate.parse_budgets(**given)


def test_pairs_are_two_to_the_most_and_one_number() -> None:
    assert [gate.parse_pairs("--pairs", [text]) for text in ("2", str(gate.MOST_PAIRS))] == [2, gate.MOST_PAIRS]
    for text in ("1", str(gate.MOST_PAIRS + 1), "five", "2.5"):
        with pytest.raises(UsageError, match="not a number of pairs"):
            gate.parse_pairs("--pairs", [text])
    with pytest.raises(UsageError, match="expected one value, got 2") as refused:
        gate.parse_pairs("--pairs", ["5", "6"])
    assert refused.value.hint == "such as --pairs 5"


@pytest.mark.parametrize(
    ("text", "problem"), [("1001%", "more than tenfold"), ("0.0001%", "no two runs agree to 1e-06")]
)
def test_a_tolerance_that_nothing_or_everything_meets_says_why(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        gate.parse_tolerance("--tolerance", [text])


def test_the_rules_of_flags_are_completed_by_those_of_a_suite_group_by_group() -> None:
    flags = GateRules(pairs=3, limits={"memory": 1.0})
    suite = GateRules(
        pairs=5, max_pairs=9, limits={"memory": 2.0, "memory_process": 3.0, "error_noise": 0.5}, at={"batch": 2}
    )
    found = flags.over(suite)
    assert (found.pairs, found.max_pairs, found.at) == (3, 9, {"batch": 2})
    # A flag replaces the whole of its group: the suite's limit of the process's memory is not its own any more.
    assert found.limits == {"memory": 1.0, "error_noise": 0.5}


def test_a_confidence_is_95_or_99_percent_and_a_flag_replaces_that_of_a_suite() -> None:
    flag, suite = (GateRules.parse({"confidence": [text]}) for text in ("99%", "95"))
    assert (flag.confidence, suite.confidence) == (0.99, 0.95)
    assert (flag.over(suite).confidence, GateRules().over(suite).confidence) == (0.99, 0.95)
    for wrong in ("90", "0.99", "sure"):
        with pytest.raises(UsageError, match="--confidence"):
            GateRules.parse({"confidence": [wrong]})


def test_a_miss_rate_is_a_share_that_some_number_of_calls_can_show() -> None:
    assert GateRules.parse({"max_miss_rate": ["0.1%"]}).limits == {"miss_rate": pytest.approx(0.001)}
    for wrong in ("0%", "100%", "2", "often"):
        with pytest.raises(UsageError, match="--max-miss-rate"):
            GateRules.parse({"max_miss_rate": [wrong]})


WHOLE = GateRules(
    reference="full", tolerance=0.1, tolerance_flops=0.01, tolerance_memory=0.02, tolerance_error=0.03,
    max_accuracy_drop=0.01, pairs=6, max_pairs=9, confidence=0.99, at={"batch": 2},
    limits={"latency_p99": 0.01, "memory": 1.0, "memory_process": 2.0, "error_smooth": 0.1, "error_noise": 0.2,
            "error_input": 0.3, "miss_rate": 0.001},
)  # fmt: skip


def test_every_rule_is_read_by_the_name_of_its_flag() -> None:
    texts = {
        "reference": ["full"], "tolerance": ["10%"], "tolerance_flops": ["1%"], "tolerance_memory": ["2%"],
        "tolerance_error": ["0.03"], "max_accuracy_drop": ["1pt"], "pairs": ["6"], "max_pairs": [" 9 "],
        "confidence": ["99"], "at": ["batch=2"], "max_latency_p99": ["10ms"], "max_memory": ["1B", "process=2B"],
        "max_error": ["10%", "noise=20%", "input=30%"], "max_miss_rate": ["0.1%"],
    }  # fmt: skip
    assert texts.keys() == set(gate.GATE_KEYS)
    assert GateRules.parse(texts) == WHOLE
    assert GateRules.parse({}) == GateRules()


def test_rules_of_one_side_alone_are_kept_whichever_side_it_is() -> None:
    assert GateRules().over(WHOLE) == WHOLE
    assert WHOLE.over(GateRules()) == WHOLE


@pytest.mark.parametrize("flag", ["--pairs", "--tolerance", "--reference", "--confidence", "--max-accuracy-drop"])
def test_a_flag_with_one_value_is_given_once(flag: str) -> None:
    key = flag.strip("-").replace("-", "_")
    with pytest.raises(UsageError) as refused:
        GateRules.parse({key: ["7", "8"]})
    assert refused.value.message == f"{flag}: expected one value, got 2"
    assert refused.value.hint == f"such as {flag} 7"


@pytest.mark.parametrize("key", ["max_latency_p99", "max_miss_rate"])
def test_a_budget_with_one_value_is_given_once(key: str) -> None:
    with pytest.raises(UsageError, match=f"^--{key.replace('_', '-')}: expected one value, got 2$"):
        GateRules.parse({key: ["10ms", "20ms"]})


def test_the_ends_of_each_range_are_accepted() -> None:
    assert gate.parse_tolerance("--tolerance", ["0.1%"]) == pytest.approx(0.001)
    assert gate.parse_tolerance("--tolerance", ["1000%"]) == pytest.approx(10)
    assert gate.parse_tolerance("--tolerance-flops", ["0%"]) == 0
    assert gate.parse_budgets(max_miss_rate="0.001%").miss_rate == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("key", "text", "message", "hint"),
    [
        ("pairs", "201", "--pairs '201': not a number of pairs", "--pairs accepts 2 to 200"),
        ("max_pairs", "1", "--max-pairs '1': not a number of pairs", "--max-pairs accepts 2 to 200"),
        ("confidence", "90", "--confidence '90': no such confidence", "--confidence accepts 95 or 99, in percent"),
        ("tolerance", "0.05%", "--tolerance '0.05%': no two runs agree to 0.0005", "such as --tolerance 10%"),
        (
            "tolerance_memory",
            "1001%",
            "--tolerance-memory '1001%': more than tenfold",
            "such as --tolerance-memory 10%",
        ),
        (
            "max_miss_rate",
            "0.0009%",
            "--max-miss-rate '0.0009%': out of range",
            "--max-miss-rate accepts 0.001% to less than 100%: no number of calls shows a rate of 0",
        ),
        (
            "at",
            "length=4",
            "--at 'length=4': not AXIS=VALUE",
            "such as --at seq=4096; axes: seq, ratio, kept, batch, heads, head_dim, threads, period, deadline, "
            "recover, ranks, impl, dtype, device, scope, mode, engine, task, model, layers, input",
        ),
        (
            "at",
            "seq=512..2048",
            "--at 'seq=512..2048': one value of an axis at a time",
            "such as --at seq=4096",
        ),
    ],
)
def test_the_whole_sentence_of_a_wrong_rule(key: str, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        GateRules.parse({key: [text]})
    assert (refused.value.message, refused.value.hint) == (message, hint)
