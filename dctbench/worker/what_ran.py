"""What a case ran, how it was sampled, and the conventions behind its figures."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dctbench import catalog
from dctbench.attention import error_means
from dctbench.attention.delta_net import DeltaNet
from dctbench.attention.sdpa import SDPAttention
from dctbench.attention.window import WindowAttention
from dctbench.catalog.engines import ENGINES
from dctbench.machine.calibration import rates_digest
from dctbench.model import Case, ResultDetails
from dctbench.text.format import format_size
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.metrics import error, flops, inputs, latency
from dctbench.worker.workload import SEED, Rates, compiler_options, make_module


def what_ran(case: Case, device: DeviceModule, module: torch.nn.Module, rates: Rates | None) -> ResultDetails:
    """Return the kernel, if a part names it, the transform and the conventions behind the figures."""
    entry = catalog.implementation(case.implementation)
    exact = entry.kind is catalog.Kind.EXACT
    own = entry.family is catalog.Family.OWN
    plan = " + ".join(dict.fromkeys(_plans(module))) or None
    return ResultDetails(
        error_means=error_means(case.implementation).value if own else None,
        flops_convention=flops.CONVENTION,
        # The formula is that of one device. Ranks repeat some of its work.
        flops_analytic=stated_flops(case, rates) if case.mode == "forward" and (case.ranks or 1) == 1 else None,
        tolerance=error.tolerance(case.dtype, device.tf32_products(case.device)) if exact else None,
        kernel=None if ENGINES[case.engine].exported else _named_kernel(case, module),
        compiler=", ".join(compiler_options(case)) or None,
        plan=plan,
        plan_rates=None if plan is None else rates_digest(rates),
    )


def how_sampled(case: Case, device: DeviceModule, cache: Cache, samples: latency.Samples, drawn: str) -> ResultDetails:
    """Return how the latency was sampled, from inputs that `drawn` describes."""
    swept_bytes = device.swept_bytes(case.device) if cache == "cold" else None
    swept = "" if swept_bytes is None else f", {format_size(swept_bytes)} swept before each call"
    return ResultDetails(
        threads=torch.get_num_threads(),
        cache=f"{cache}{swept}",
        swept_bytes=swept_bytes,
        calls_per_sample=samples.calls_per_sample,
        warmup_calls=samples.warmup_calls,
        stop_reason=samples.stop_reason,
        turns=samples.turns or None,
        retaken=samples.retaken or None,
        noisy=samples.noisy,
        inputs=f"{drawn}, {inputs.ROTATION} in rotation, rewritten between samples, seed {SEED}",
    )


def _plans(module: torch.nn.Module) -> Iterator[str]:
    """Return the plans of the outermost parts that have one. Such a plan covers the transforms inside the part."""
    plan = getattr(module, "plan", None)
    if isinstance(plan, str):
        yield plan
        return
    for part in module.children():
        yield from _plans(part)


def stated_flops(case: Case, rates: Rates | None = None) -> int | None:
    """Return the FLOPs of one forward call by the method's own formula, or None if it has none or refuses the shape."""
    if case.scope == "model":
        return None
    try:
        stated = getattr(make_module(case, "meta", rates), "flops", None)
        return None if stated is None else int(stated(case.batch))
    except Exception:  # an estimate must not stop a plan; measuring the case shows the error
        return None


def attention_kernel(case: Case, part: SDPAttention) -> str:
    """Return the kernel that a part would run for the case, by its name in torch."""
    dtype = getattr(torch, case.dtype)
    return part.kernel(case.device, dtype, batch=case.batch, backward=case.mode != "forward")


def _named_kernel(case: Case, module: torch.nn.Module) -> str | None:
    """Return the kernel that a part of the module names: exact attention, FlexAttention in a window, the delta rule.

    Of exact attention, a compiler may make something else than torch would choose.
    """
    for part in module.modules():
        if isinstance(part, SDPAttention) and case.engine != "compile":
            return attention_kernel(case, part)
        if isinstance(part, WindowAttention) and part.runs_flex:
            return part.form
        if isinstance(part, DeltaNet):
            return part.kernel(case.device_kind, getattr(torch, case.dtype))
    return None
