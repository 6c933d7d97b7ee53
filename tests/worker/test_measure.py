"""A whole case in this process: the calls to the device, what is stored, and what is absent with a reason."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from dctbench import catalog
from dctbench.attention import window
from dctbench.attention.window import WindowAttention
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.machine import energy, periodic
from dctbench.model import Case, CaseWarning, ResultDetails
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.text.warning_values import read_warning
from dctbench.transforms import plan_dct
from dctbench.wording.warnings import message
from dctbench.worker import serve
from dctbench.worker.devices import Conditions, cpu
from dctbench.worker.measure import measure_case
from dctbench.worker.metrics.latency import ImplausibleError, Sampling
from dctbench.worker.metrics.output import WrongOutputError
from dctbench.worker.passes import Untimed
from tests.support.hostile import Good
from tests.support.remembering import RemembersWholeInputs

CASE = Case("dct-x", 64, 4, heads=2, head_dim=8)
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


def device(**replaced: Any) -> Any:
    """Return the CPU device with some of its functions replaced."""
    return SimpleNamespace(**{**vars(cpu), **replaced})


def measured(case: Case = CASE, *, timing_only: bool = False, **replaced: Any) -> CaseReply:
    sampling = Sampling(**QUICK)  # type: ignore[arg-type]
    return measure_case(case, device(**replaced), sampling=sampling, scratch=None, timing_only=timing_only)


def messages(answer: CaseReply) -> list[str]:
    return [message(read_warning(warning)) for warning in answer.warnings]


def value(answer: CaseReply, metric: str) -> float | None:
    found = [m.samples[0] for m in answer.measurements if m.metric == metric]
    return found[0] if found else None


def test_every_release_has_new_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that keeps its latest outputs by their whole inputs computes each of them."""
    computed = []
    real = periodic.release

    def counting(*given: Any, **more: Any) -> periodic.Releases:
        before = RemembersWholeInputs.computed
        found = real(*given, **more)
        computed.append((len(found.calls), RemembersWholeInputs.computed - before))
        return found

    monkeypatch.setattr(periodic, "release", counting)
    case = Case("tests.support.remembering:RemembersWholeInputs", 64, heads=2, head_dim=8, period=1e-3, deadline=1.0)
    assert measured(case).status == "ok"
    [(calls, computations)] = computed
    assert computations == calls > 20


@pytest.mark.parametrize(("seconds", "refused"), [(0.24, True), (0.26, False)])
def test_the_energy_of_calls_that_seem_to_be_remembered_is_refused(
    monkeypatch: pytest.MonkeyPatch, seconds: float, refused: bool
) -> None:
    """The inputs of that pass come again and again, those of the latency, here of 1 s, do not."""
    monkeypatch.setattr(energy, "measure", lambda *_: energy.Energy(0.25, 60.0, 10, seconds))
    monkeypatch.setattr("dctbench.worker.passes.statistics", SimpleNamespace(median=lambda values: 1.0))
    meter = SimpleNamespace(source="made up", tick=0.1, windows=energy.Windows())
    answer = measured(energy_counter=lambda name: meter)
    assert (value(answer, "energy") is None) == refused
    assert ("energy.absent" in answer.details) == refused


@pytest.mark.parametrize(("share", "warned"), [(1.0, False), (1.02, False), (0.5, True), (2.0, True)])
def test_a_layer_whose_formula_differs_from_the_count_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, share: float, warned: bool
) -> None:
    case = Case("tests.support.hostile:Good", 64, heads=2, head_dim=8)
    counted = value(measured(case), "flops")
    assert counted
    monkeypatch.setattr(Good, "flops", lambda self, batch=1: share * counted, raising=False)
    told = [text for text in messages(measured(case)) if "its flops() says" in text]
    assert bool(told) == warned
    assert not any("its flops() says" in text for text in messages(measured()))


def test_what_the_machine_cannot_measure_is_absent_with_the_reason_and_no_warning() -> None:
    def no_meter(name: str) -> object:
        raise UnavailableError("no meter")

    answer = measured(energy_counter=no_meter)
    assert (value(answer, "energy"), value(answer, "memory.process"), value(answer, "kernel_time")) == (None,) * 3
    assert answer.details["energy.absent"] == "no meter"
    assert "8 MiB" in answer.details["memory.process.absent"]
    assert [text for text in messages(answer) if not text.startswith("latency: ")] == []


def test_a_pass_with_a_meter_that_takes_longer_than_the_time_limit_is_left_out_with_the_reason() -> None:
    battery = SimpleNamespace(source="battery", tick=1.0, windows=energy.Windows(idle=5.0, busy=10.0))
    sampling = Sampling(**QUICK, limit=18.0)  # type: ignore[arg-type]
    answer = measure_case(CASE, device(energy_counter=lambda name: battery), sampling=sampling, scratch=None)
    assert answer.details["energy.absent"] == "it would go beyond the time limit of the case (18s)"
    assert value(answer, "latency") is not None
    assert value(answer, "error.noise") is not None


def test_a_process_says_that_it_is_alive_before_its_case_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of torch may take longer than a short time limit, which begins anew then."""
    told: list[str] = []

    def case(*_: Any, **__: Any) -> CaseReply:
        told.append("case")
        return CaseReply("ok")

    monkeypatch.setattr("dctbench.worker.measure.measure_case", case)
    request = MeasureRequest(case=CASE, sampling=QUICK, scratch=None)
    assert serve.respond(request, alive=lambda: told.append("alive")) == CaseReply("ok")
    assert told == ["alive", "case"]


def test_a_pass_that_fails_keeps_the_rest_and_warns() -> None:
    def breaks(name: str, call: object) -> int:
        raise ValueError("broken meter")

    answer = measured(peak_tensor_bytes=breaks)
    assert "memory.tensor: not measured (ValueError: broken meter)" in messages(answer)
    assert value(answer, "latency") is not None
    assert value(answer, "error.noise") is not None


def test_an_error_whose_exact_output_does_not_fit_on_the_host_is_absent_and_the_latency_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "memory_bytes", lambda name: 1000)
    answer = measured(memory_bytes=lambda name: 1 << 40)
    assert value(answer, "latency") is not None
    for name in ("error.noise", "error.smooth"):
        assert value(answer, name) is None
        assert answer.details[f"{name}.absent"].startswith("exact attention in float64 needs about")


def test_a_value_that_is_not_finite_is_omitted_with_a_warning_that_names_it() -> None:
    answer = measured(peak_tensor_bytes=lambda name, call: float("nan"))
    assert value(answer, "memory.tensor") is None
    assert value(answer, "flops") is not None
    assert "memory.tensor: not measured (memory.tensor came out as nan)" in messages(answer)


def test_a_device_with_every_sensor_fills_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "measure", lambda *_: energy.Energy(0.25, 60.0, 100, 0.02))
    answer = measured(
        energy_counter=lambda name: SimpleNamespace(source="made up", tick=0.1, windows=energy.Windows()),
        kernel_seconds=lambda name, call, cache: (1e-4, 7),
        process_bytes=lambda name, call: 9 << 20,
        describe=lambda name: ResultDetails(tf32={"cudnn": False}),
    )
    assert (value(answer, "energy"), value(answer, "kernel_time"), value(answer, "memory.process")) == (
        0.25, 1e-4, 9 << 20,
    )  # fmt: skip
    assert answer.details["kernels"] == 7
    assert answer.details["energy"] == {"source": "made up", "idle_watts": 60.0, "calls": 100}
    assert answer.details["tf32"] == {"cudnn": False}


def test_retaken_samples_are_stored_apart_and_the_result_is_marked_noisy() -> None:
    watch = SimpleNamespace(
        disturbed=lambda: "slow clock",
        conditions=lambda: Conditions((CaseWarning.text("it was hot"),), ResultDetails(gpu={"after": 1})),
    )
    answer = measured(watch=lambda name, paired: watch)
    assert len(answer.details["retaken"]) == 3
    assert answer.details["noisy"].startswith("slow clock")
    assert answer.details["gpu"] == {"after": 1}
    assert "it was hot" in messages(answer)
    assert any(text.startswith("latency: noisy: slow clock") for text in messages(answer))


def error_of(hostile: str, mode: str = "forward", timing_only: bool = True) -> str:
    case = Case(f"tests.support.hostile:{hostile}", 64, heads=2, head_dim=8, mode=mode)
    with pytest.raises(WrongOutputError) as refused:
        measured(case, timing_only=timing_only)
    return refused.value.message


def test_what_a_method_keeps_counts_as_its_state_wherever_it_hides_it() -> None:
    """HidesATable keeps a table of 64 x 16 float32 in a list, and another one in a closure after its first call."""
    shown, hidden = (
        value(measured(Case(f"tests.support.hostile:{name}", 64, heads=2, head_dim=8, mode=mode)), "memory.state")
        for name, mode in (("Good", "forward"), ("HidesATable", "train"))
    )
    assert shown == 2 * 4 * (16 * 16 + 16)
    assert hidden == shown + 2 * 4 * 64 * 16


def test_a_rate_that_no_processor_has_is_refused_without_a_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured().status == "ok"
    monkeypatch.setattr("dctbench.worker.timed_calls.most_flops_per_second", lambda kind, name: 1e3)
    with pytest.raises(ImplausibleError, match=r"implausible: .*FLOP/s where this device can do 1.00 kFLOP/s"):
        measured()


def test_the_output_of_a_timed_call_is_checked_and_not_only_that_of_calls_beside_it() -> None:
    assert error_of("WrongWithGradients", "train").startswith("in a timed call, the same input gave another output")


def test_a_method_is_checked_after_timing_where_a_timed_call_has_no_output() -> None:
    assert error_of("ChangesAfterAWhile", "backward").startswith("after timing, the same input gave another output")


class Drops(Good):
    """Has dropout, as a layer of a user's own may. It ends half of what it projects."""

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        dropped: Tensor = self.dropout(super().forward(x))
        return dropped


class DropsAndChanges(Drops):
    """Is correct for its first five calls, and wrong afterwards, which its dropout does not hide."""

    calls = 0

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        return super().forward(x) * (1.0 if self.calls <= 5 else 2.0)


class DropsIntoNaN(Drops):
    """Is correct for whoever only looks at its output in inference."""

    calls = 0

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        return super().forward(x) * (math.nan if self.training and self.calls > 5 else 1.0)


def own(layer: type[nn.Module], mode: str) -> Case:
    return Case(f"{__name__}:{layer.__name__}", 64, heads=2, head_dim=8, mode=mode)


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("mode", ["backward", "train"])
def test_a_layer_with_dropout_is_measured_and_its_error_is_that_of_inference(
    mode: str, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call repeats the output of another one, so the outputs of inference are compared before and after timing."""
    monkeypatch.setattr(Untimed, "long", long)
    answer = measured(own(Drops, mode))
    assert answer.status == "ok"
    assert value(answer, "error.noise") == pytest.approx(value(measured(own(Drops, "forward")), "error.noise"))
    assert [text for text in messages(answer) if not text.startswith("latency: ")] == []


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_a_layer_with_dropout_is_checked_after_timing_and_the_form_of_what_was_timed(
    long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Untimed, "long", long)
    for layer, words in (
        (DropsAndChanges, "after timing, the same input gave another output"),
        (DropsIntoNaN, "the output holds NaN or infinite values"),
    ):
        with pytest.raises(WrongOutputError, match=words):
            measured(own(layer, "train"), timing_only=not long)


def test_a_method_that_reads_what_it_did_not_write_is_refused_although_all_its_outputs_were_right() -> None:
    assert "memory that the call did not write" in error_of("ReadsUnwrittenMemory", timing_only=False)


def test_a_method_that_claims_to_be_exact_and_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured(replace(CASE, implementation="full", ratio=None)).details["tolerance"] == 2e-5
    assert "tolerance" not in measured().details
    entry = replace(catalog.IMPLEMENTATIONS["dct-x"], kind=catalog.Kind.EXACT)
    monkeypatch.setitem(catalog.IMPLEMENTATIONS, "dct-x", entry)
    with pytest.raises(WrongOutputError, match=r"exact method differs from exact attention by .* on the noise input"):
        measured()


def test_what_the_error_of_a_layer_of_ones_own_means_is_recorded_as_its_class_states_it() -> None:
    own = Case("tests.support.hostile:Good", 64, heads=2, head_dim=8)
    assert measured(own).details["error_means"] == "approximates"
    assert (
        measured(replace(own, implementation="tests.support.hostile:AnotherFunction")).details["error_means"] == "other"
    )
    assert "error_means" not in measured().details


def test_a_methods_own_parameters_are_the_same_in_every_process() -> None:
    """Linformer draws its projection, which no other method shares."""
    case = Case("linformer", 64, 4, heads=2, head_dim=8)
    errors = []
    for state in (1, 2):
        torch.manual_seed(state)
        answer = measured(case)
        errors.append((value(answer, "error.noise"), value(answer, "error.smooth")))
    assert errors[0] == errors[1]
    assert errors[0][0]


def test_the_cosine_of_an_output_stands_beside_its_error() -> None:
    """The least error of a multiple of the output is the sine of the angle between them."""
    exact, none = (measured(replace(CASE, implementation=name, ratio=None)) for name in ("sdpa", "none"))
    for kind in ("noise", "smooth"):
        assert value(exact, f"cosine.{kind}") == pytest.approx(1.0, abs=1e-9)
        wrong, cosine = value(none, f"error.{kind}"), value(none, f"cosine.{kind}")
        assert wrong is not None
        assert cosine is not None
        assert -1 <= cosine < 0.999
        assert wrong >= (1 - cosine**2) ** 0.5 - 1e-9


def test_later_rounds_take_the_latency_and_what_belongs_to_the_process() -> None:
    answer = serve.measure(MeasureRequest(CASE, QUICK, timing_only=True))
    assert {m.metric for m in answer.measurements} == {"setup", "memory.state", "first_call", "latency"}


@pytest.mark.parametrize(("cache", "stored"), [(None, "warm"), ("warm", "warm"), ("cold", "cold, ")])
def test_the_state_of_the_cache_is_stored_and_a_cold_call_is_a_sample_of_its_own(cache: Any, stored: str) -> None:
    answer = serve.measure(MeasureRequest(CASE, QUICK, cache=cache, timing_only=True))
    assert answer.details["cache"].startswith(stored)
    if cache == "cold":  # with a warm cache it depends on the time of a call
        assert answer.details["calls_per_sample"] == 1


def test_a_device_that_cannot_empty_its_cache_makes_a_cold_case_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(name: str, cache: str) -> object:
        raise UnsupportedError("no size is known")

    monkeypatch.setattr(cpu, "stopwatch", refuses)
    answer = serve.measure(MeasureRequest(CASE, QUICK, cache="cold"))
    assert (answer.status, answer.message) == ("unsupported", "no size is known")


@pytest.mark.parametrize("scope", ["attention", "layer", "encoder"])
@pytest.mark.parametrize("name", ["dct-resample", "dct-kv"])
def test_the_stored_plan_names_the_long_transform_and_the_short_one(name: str, scope: str) -> None:
    case = Case(name, 512, 4, scope=scope)
    long, short = plan_dct(512, 128, case.dim), plan_dct(128, 128, case.dim)
    answer = serve.measure(MeasureRequest(case, QUICK, timing_only=True))
    assert answer.details["plan"] == f"{long} + {short}"


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("dct-x", "flash"),
        ("sdpa", "flash"),
        ("sdpa-math", "math"),
        ("window", "flash"),
        ("full", None),
        ("delta-net", "chunks"),
    ],
)
def test_the_kernel_inside_a_method_is_recorded(name: str, kernel: str | None) -> None:
    case = Case(name, 64, 4 if name == "dct-x" else None, heads=2, head_dim=8)
    answer = measure_case(case, device(), sampling=Sampling(**QUICK), scratch=None)  # type: ignore[arg-type]
    assert answer.details.get("kernel") == kernel


def test_the_kernel_of_a_training_step_is_recorded_and_not_that_of_an_inference() -> None:
    """Reformer takes the log-sum-exp of torch's flash kernel, which has no gradient."""
    case = Case("reformer", 64, heads=2, head_dim=8)
    assert measured(case).details["kernel"] == "flash"
    assert "kernel" not in measured(replace(case, mode="train")).details


def test_the_kernel_of_a_window_is_flex_only_where_flex_attention_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where "auto" chooses FlexAttention. A window of 257 tokens covers a sequence of 64."""
    monkeypatch.setattr(WindowAttention, "chosen_form", lambda self, form: "flex")
    monkeypatch.setattr(window, "near_blocks", lambda seq_len, half_width, device: "blocks")
    monkeypatch.setattr(window, "compiled_flex", lambda: lambda q, k, v, block_mask: q + k + v)
    assert measured(Case("window", 300, heads=2, head_dim=8)).details["kernel"] == "flex"
    assert measured(Case("window", 64, heads=2, head_dim=8)).details["kernel"] == "flash"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> CompileCounter:
    """Counts what the compiler compiles. It does the same as torch without a compiler, which takes no time."""
    counter = CompileCounter()
    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, options: compile_with(module, backend=counter))
    torch.compiler.reset()
    return counter


@pytest.mark.parametrize("long", [False, True])
def test_a_case_is_compiled_once(compilations: CompileCounter, monkeypatch: pytest.MonkeyPatch, long: bool) -> None:
    monkeypatch.setattr("dctbench.worker.passes.LONG_CALL", 0.0 if long else 1e9)
    answer = measured(replace(CASE, engine="compile"))
    assert {"compile", "latency", "error.noise", "error.smooth"} <= {m.metric for m in answer.measurements}
    assert "not measured" not in "".join(messages(answer))
    assert compilations.frame_count == 1


@pytest.mark.parametrize("long", [False, True])
def test_a_compiled_method_that_reads_what_it_did_not_write_is_refused(
    compilations: CompileCounter, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    monkeypatch.setattr("dctbench.worker.passes.LONG_CALL", 0.0 if long else 1e9)
    case = Case("tests.support.hostile:ReadsUnwrittenMemory", 64, heads=2, head_dim=8, engine="compile")
    with pytest.raises(WrongOutputError, match="memory that the call did not write"):
        measured(case)
    assert compilations.frame_count


@pytest.mark.usefixtures("compilations")
@pytest.mark.parametrize(
    ("name", "kernel"), [("dct-x", "flash"), ("sdpa", "flash"), ("sdpa-math", "math"), ("full", None)]
)
def test_the_kernel_of_a_compiled_method_is_recorded(name: str, kernel: str | None) -> None:
    case = Case(name, 64, 4 if name == "dct-x" else None, heads=2, head_dim=8, engine="compile")
    assert measured(case).details.get("kernel") == kernel
