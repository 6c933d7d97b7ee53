"""Requests are checked when they are made, in the words of the flags that set them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dctbench.analysis import Budgets
from dctbench.app.atlas import AtlasRequest
from dctbench.app.requests import CheckRequest, ChooseRequest, NoiseRequest, ResumeRequest, RunRequest
from dctbench.errors import UsageError
from dctbench.model import RunSettings
from dctbench.spec.axes import AxisValues
from dctbench.spec.gate import GateRules


def test_a_request_without_anything_is_the_suite_quick_with_its_own_settings() -> None:
    suite = RunRequest().resolved_suite
    assert suite.name == "quick"
    assert suite.settings.to_json().keys() == RunSettings().to_json().keys() | {"env", "short_rounds"}


def test_what_is_asked_for_replaces_what_the_suite_says() -> None:
    axes = AxisValues(impl=["sdpa"], seq="64..256", ratio=4, dtype="bf16", heads=2)
    suite = RunRequest(axes=axes, rounds=2, budget=60.0, cache="cold", prune=False).resolved_suite
    assert (suite.axes["impl"], suite.axes["seq"], suite.axes["ratio"]) == (["sdpa"], [64, 128, 256], [4])
    assert (suite.axes["dtype"], suite.axes["heads"]) == (["bfloat16"], [2])
    settings = suite.settings
    assert (settings.rounds, settings.budget, settings.cache, settings.prune) == (2, 60.0, "cold", False)


def test_the_base_of_a_check_has_the_name_of_the_one_implementation_that_a_glob_selects() -> None:
    assert CheckRequest(base_impl="nystrom*").base_impl == "nystromformer"
    assert CheckRequest(base_impl=" dct-x").base_impl == "dct-x"


def test_values_of_axes_are_the_same_as_text_and_as_a_sequence() -> None:
    assert AxisValues(seq="64..256", impl="sdpa,full") == AxisValues(seq=[64, 128, 256], impl=("sdpa", "full"))
    assert AxisValues().given == {}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunRequest(rounds=0), "--rounds 0"),
        (lambda: RunRequest(samples=0), "--samples 0"),
        (lambda: RunRequest(case_timeout=-1.0), "--case-timeout -1.0"),
        (lambda: RunRequest(case_timeout=1e7), "--case-timeout 10000000.0: longer than 14 days"),
        (lambda: RunRequest(budget=float("nan")), "--budget nan"),
        (lambda: RunRequest(budget=float("inf")), "--budget inf: not a duration"),
        (lambda: RunRequest(save_baseline="latest~1"), "the baseline's name 'latest~1'"),
        (lambda: RunRequest(axes=AxisValues(seq=[-1])), "--seq"),
        (lambda: RunRequest(axes=AxisValues(impl="dtc-x")), "dtc-x"),
        (lambda: RunRequest(suite="quikc").resolved_suite, "quikc"),
        (lambda: ResumeRequest(save_baseline=""), "the baseline's name"),
        (lambda: NoiseRequest(rounds=1), "--rounds 1"),
        (CheckRequest, "a check needs a base to compare with"),
        (lambda: CheckRequest(baseline="main", base_impl="full"), "--base-impl and --baseline: a check has one base"),
        (lambda: CheckRequest(base_impl=" ,"), "--base-impl: no value given"),
        (lambda: CheckRequest(base_impl="dct*"), "--base-impl 'dct*': "),
        (lambda: CheckRequest(base_impl="dtc-x"), "dtc-x"),
        (lambda: CheckRequest(base_python=""), "--base-python '': no such program"),
        (lambda: CheckRequest(base_python="no/such/python"), "--base-python 'no/such/python': no such program"),
        (lambda: CheckRequest(base_impl="full", rules=GateRules.parse({"reference": [""]})), "--reference: no value"),
        (lambda: CheckRequest(base_impl="full", save_baseline="main"), "--save-baseline"),
        (lambda: ChooseRequest(seq_len=0), "--seq 0: out of range"),
        (lambda: ChooseRequest(seq_len=64, budgets=Budgets(confidence=95)), "--confidence: 95 is out of range"),
        (lambda: RunRequest(jobs=2).resolved_suite, "--jobs is for trainings"),
        (lambda: GateRules(tolerance=10.1), "--tolerance: 10.1 is out of range"),
        (lambda: GateRules(tolerance=0), "--tolerance: 0 is out of range"),
        (lambda: GateRules(tolerance_flops=-0.1), "--tolerance-flops: -0.1 is out of range"),
        (lambda: GateRules(tolerance_error=float("nan")), "--tolerance-error: nan is out of range"),
        (lambda: GateRules(max_accuracy_drop=2), "--max-accuracy-drop: 2 is out of range"),
        (lambda: GateRules(pairs=0), "--pairs: 0 is out of range"),
        (lambda: GateRules(max_pairs=201), "--max-pairs: 201 is out of range"),
        (lambda: GateRules(confidence=99), "--confidence: 99 is out of range"),
        (lambda: ChooseRequest(seq_len=64, axes=AxisValues(heads=[2, 4])), "--heads: one value"),
        (lambda: ChooseRequest(seq_len=64, run="main", measure=True), "--measure makes a new run"),
        (lambda: ChooseRequest(seq_len=64, run="", measure=True), "--measure makes a new run"),
        (lambda: ChooseRequest(seq_len=64, reference=""), "--reference: no value given"),
        (
            lambda: ChooseRequest(seq_len=64, measure=True, budgets=Budgets(miss_rate=0.01)),
            "--max-miss-rate is for calls on a schedule",
        ),
        (
            lambda: ChooseRequest(seq_len=64, measure=True, budgets=Budgets(error_input=0.01)),
            "--max-error input=SHARE needs an input",
        ),
        (lambda: AtlasRequest(sources=["lab.sqlite"], reference=" "), "--reference: no value given"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_flag(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        make()
    assert words in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.hint


def test_a_budget_can_be_measured_where_the_axes_measure_what_it_limits() -> None:
    both = Budgets(miss_rate=0.01, error_input=0.01)
    for schedule in ({"period": "20ms"}, {"deadline": "10ms"}):
        axes = AxisValues(input="ecg", **schedule)
        assert ChooseRequest(seq_len=64, measure=True, budgets=both, axes=axes).budgets == both
    assert ChooseRequest(seq_len=64, budgets=both).budgets == both  # stored results may have both


def test_a_label_is_made_printable() -> None:
    assert RunRequest(label="a\x1b[31m\nb ").label == "a[31mb"
    assert RunRequest(label="\n").label is None


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"mode": "train"}, "times forward calls, not --mode train give --mode forward"),
        ({"engine": "compile"}, "times eager calls, not --engine compile give --engine eager"),
        ({"task": "recall"}, "cannot go with --task measure by the protocol in a run of its own"),
        ({"period": "20ms"}, "cannot go with --period measure by the protocol in a run of its own"),
        ({"model": "minilm"}, "cannot go with --model measure by the protocol in a run of its own"),
        ({"ranks": "2"}, "cannot go with --ranks measure by the protocol in a run of its own"),
    ],
)
def test_the_authors_protocol_is_refused_for_what_they_do_not_measure(axes: dict[str, str], said: str) -> None:
    for suite in ("paper", "quick"):
        with pytest.raises(UsageError) as refused:
            _ = RunRequest(suite=suite, axes=AxisValues(**axes), protocol="authors").resolved_suite
        assert said in f"{refused.value.message} {refused.value.hint}"
    assert RunRequest(suite="paper").resolved_suite.settings.protocol == "authors"
    assert RunRequest(protocol="authors").resolved_suite.settings.protocol == "authors"
