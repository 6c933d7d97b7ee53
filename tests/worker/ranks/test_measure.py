"""A case over several devices in this process: what ends it early, and what costs it no more than one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed as dist

from dctbench.attention.sharded.communication import Silent
from dctbench.errors import UsageError
from dctbench.model import Case
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.text.warning_values import read_warning
from dctbench.transforms import CostModel, plan_dct
from dctbench.wording.warnings import message
from dctbench.worker.devices import cpu
from dctbench.worker.memory_need import NotEnoughMemoryError
from dctbench.worker.metrics.latency import ImplausibleError, Sampling
from dctbench.worker.metrics.output import WrongOutputError
from dctbench.worker.passes import Untimed
from dctbench.worker.ranks.measure import Whole, measure_ranks
from dctbench.worker.ranks.member import build_rank

CASE = Case("dct-x", 64, 4, heads=2, head_dim=8, ranks=2)
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Give torch back its threads, which a rank shares out."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_group_left() -> Iterator[None]:
    """A case that fails leaves its group to the end of its process, which here has further cases."""
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def measured(case: Case = CASE, *, limit: float = 600.0, **replaced: Any) -> CaseReply:
    device: Any = SimpleNamespace(**{**vars(cpu), **replaced})
    sampling = Sampling(**QUICK, limit=limit)  # type: ignore[arg-type]
    return measure_ranks(MeasureRequest(case), device, sampling=sampling)


def test_a_case_that_reaches_its_time_limit_is_kept_and_checked_against_one_device() -> None:
    answer = measured(limit=1e-6)
    assert answer.status == "ok"
    assert answer.details["stop_reason"] == "limit"
    assert [m.metric for m in answer.measurements if m.metric == "latency"] == ["latency"]
    assert "comparison with one device.absent" not in answer.details
    assert "time limit" in answer.details["memory.tensor.absent"]


@pytest.mark.parametrize(("cache", "swept"), [("cold", 12345), ("warm", None)])
def test_ranks_record_what_emptied_the_cache_and_no_formula_of_one_device(cache: Any, swept: int | None) -> None:
    device: Any = SimpleNamespace(**{**vars(cpu), "swept_bytes": lambda _: 12345})
    answer = measure_ranks(MeasureRequest(CASE, cache=cache), device, sampling=Sampling(**QUICK))  # type: ignore[arg-type]
    assert answer.details.get("swept_bytes") == swept
    assert answer.details["cache"].startswith(cache)
    assert "flops.analytic" not in answer.details


def test_a_long_case_at_its_time_limit_is_kept_and_says_that_it_was_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Long(Untimed):
        long = True

    monkeypatch.setattr("dctbench.worker.ranks.measure.Untimed", Long)
    answer = measured(limit=1e-6)
    assert answer.status == "ok"
    assert "time limit" in answer.details["comparison with one device.absent"]


@pytest.mark.usefixtures("no_group_left")
def test_ranks_may_differ_from_one_device_by_the_rounding_of_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks multiply by a part of the basis where one device transforms block by block: TF32 rounds the two apart."""
    whole = Whole.forward
    monkeypatch.setattr(Whole, "forward", lambda self, x: whole(self, x) * (1 + 1e-3))
    answer = measured(tf32_products=lambda name: True)
    assert answer.status == "ok"
    assert "comparison with one device.absent" not in answer.details
    with pytest.raises(WrongOutputError, match="on 2 ranks instead of one, the same input gave another output"):
        measured(tf32_products=lambda name: False)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_case_that_cannot_fit_is_refused_before_it_runs(ranks: int) -> None:
    case = replace(CASE, implementation="full" if ranks == 1 else "sdpa", ratio=None, seq_len=4096, ranks=ranks)
    with pytest.raises(NotEnoughMemoryError) as refused:
        measured(case, memory_bytes=lambda name: 1000)
    # One device holds the scores of 2 heads; two ranks hold the keys and values of all positions each.
    least = {1: 2 * 4096**2 * 4, 2: 2 * 4096 * 2 * case.dim * 4}[ranks]
    assert least < refused.value.needed < 8 * least


@pytest.mark.parametrize(("method", "ratio"), [("sdpa", None), ("dct-x", 4), ("dct-kv", 4)])
def test_the_need_is_known_where_the_number_of_ranks_does_not_divide_the_length(method: str, ratio: int | None) -> None:
    needed = []
    for seq_len in (4096, 4097):
        case = replace(CASE, implementation=method, ratio=ratio, seq_len=seq_len)
        with pytest.raises(NotEnoughMemoryError) as refused:
            measured(case, memory_bytes=lambda name: 1000)
        needed.append(refused.value.needed)
    assert needed[0] < needed[1] < 1.5 * needed[0]


def test_a_case_that_is_no_forward_pass_of_a_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="scope encoder does not go with them"):
        measured(replace(CASE, scope="encoder"))


def test_a_layer_on_one_rank_must_write_its_whole_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one rank there is no other output to compare with, and the method may be one's own."""

    class Short(Untimed):
        long = False

    def refuse(call: Callable[[], torch.Tensor]) -> None:
        assert call().shape == (1, CASE.seq_len, CASE.dim)
        raise WrongOutputError("unwritten")

    monkeypatch.setattr("dctbench.worker.passes.check_written", refuse)
    monkeypatch.setattr("dctbench.worker.ranks.measure.Untimed", Short)
    with pytest.raises(WrongOutputError, match="unwritten"):
        measured(replace(CASE, ranks=1))


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_that_are_faster_than_their_device_can_be_are_refused(
    ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dctbench.worker.timed_calls.most_flops_per_second", lambda kind, name: 1e3)
    with pytest.raises(ImplausibleError, match=r"implausible: .*FLOP/s where this device can do 1.00 kFLOP/s"):
        measured(replace(CASE, ranks=ranks))


def test_a_pass_that_fails_on_a_rank_costs_its_own_metric_only() -> None:
    def breaks(name: str, call: Callable[[], object]) -> int:
        call()
        raise ValueError("broken meter")

    answer = measured(peak_tensor_bytes=breaks)
    assert answer.status == "ok"
    warnings = [message(read_warning(one)) for one in answer.warnings]
    assert [one for one in warnings if "not measured" in one] == [
        "memory.tensor: not measured (ValueError: broken meter)"
    ]
    assert {"flops", "error.noise", "error.smooth"} <= {one.metric for one in answer.measurements}


@pytest.mark.parametrize(("dtype", "kept"), [("float32", 256), ("bfloat16", 1024)])
def test_what_is_counted_for_the_ranks_of_gpus_is_planned_with_a_gpus_rates(dtype: str, kept: int) -> None:
    case = Case("dct-kv", 4 * kept, 4, device="cuda:0", dtype=dtype, ranks=2)
    there, here = (
        plan_dct(kept, kept, case.dim, dtype=getattr(torch, dtype), device_type=kind) for kind in ("cuda", "cpu")
    )
    assert there != here
    assert build_rank(case, Silent(0, 2), "meta", None).plan == f"basis + {there}"


def test_ranks_are_planned_with_the_rates_of_their_machine() -> None:
    case = Case("dct-kv", 1024, 4, heads=2, head_dim=32, ranks=2)
    plans = set()
    for call in (1e-9, 1.0):
        rates = asdict(CostModel(call=call))
        short = plan_dct(256, 256, case.dim, batch=case.batch, cost_model=CostModel(**rates))
        assert build_rank(case, Silent(1, 2), "meta", rates).plan == f"basis + {short}"
        plans.add(str(short))
    assert len(plans) == 2
