"""A result's warnings in words: what happened and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dctbench.analysis import Summary
from dctbench.model import CaseWarning, WarningCode, canonical_json
from dctbench.text.format import format_count, format_seconds, pluralize
from dctbench.wording.labels import Labels

_TOO_WIDE = 0.25
"""A spread beyond which more rounds do not help."""
_KINDS: Mapping[WarningCode, tuple[str, ...]] = {
    WarningCode.TEXT: ("message",),
    WarningCode.GOVERNOR: ("governor",),
    WarningCode.CLOCKS_UNKNOWN: ("reason",),
    WarningCode.THROTTLED: ("reasons",),
    WarningCode.NOT_MEASURED: ("metric", "reason"),
}
"""The values in which two warnings of one code differ in kind, and not in degree only."""


def message(warning: CaseWarning) -> str:
    """`latency: the samples' interquartile range is 12% of the median: quieten the machine, or take more rounds`."""
    return _MESSAGES[warning.code](warning.values)


def warning_lines(summaries: Iterable[Summary], labels: Labels) -> list[str]:
    """Each kind of warning once, with one case as the example and the number of others."""
    met: dict[str, list[tuple[str, str]]] = {}
    for summary in summaries:
        where = labels.case(summary.case)
        for kind, warning in {_kind(warning): warning for warning in summary.warnings}.items():
            met.setdefault(kind, []).append((where, message(warning)))
    lines = []
    for found in met.values():
        where, text = found[0]
        others = f" (and {pluralize(len(found) - 1, 'more case')} like this)" if len(found) > 1 else ""
        lines.append(f"{where}: {text}{others}")
    return lines


def _kind(warning: CaseWarning) -> str:
    values = [warning.values[name] for name in _KINDS.get(warning.code, ())]
    if warning.code is WarningCode.DRIFT:
        values.append(warning.values["drift"] > 0)  # slower and faster have different causes
    return canonical_json([warning.code.value, *values])


def _spread(values: Mapping[str, Any]) -> str:
    spread = values["spread"]
    remedy = "do not compare below that" if spread > _TOO_WIDE else "take more rounds"
    return f"latency: the samples' interquartile range is {spread:.0%} of the median: quieten the machine, or {remedy}"


def _drift(values: Mapping[str, Any]) -> str:
    drift = values["drift"]
    way, cause = ("slower", "was heating up") if drift > 0 else ("faster", "was speeding up")
    return (
        f"latency: the last third of the samples was {abs(drift):.0%} {way} than the first: the machine {cause}, or "
        "its load was changing; wait until it is idle and measure again"
    )


def _disturbed(values: Mapping[str, Any]) -> str:
    return f"latency: noisy: {values['reason']}; free or cool the device and measure again"


def _other_processes(values: Mapping[str, Any]) -> str:
    names = f", such as {' and '.join(values['names'])}" if values["names"] else ""
    return (
        f"latency: other processes used {values['cores']:.1f} of {values['of_cores']} cores while this was timed"
        f"{names}: stop them, or take the figures as upper bounds"
    )


def _stolen_time(values: Mapping[str, Any]) -> str:
    return (
        f"latency: the hypervisor gave {values['share']:.0%} of the processor time to other machines: "
        "measure on a dedicated host, or judge by ratios only"
    )


def _cpu_throttled(values: Mapping[str, Any]) -> str:
    quota = values["quota"]
    remedy = f"use fewer threads (--threads {int(quota)}), raise the quota," if quota >= 1 else "raise the quota,"
    return (
        f"latency: the CPU quota of {quota:g} cores stopped this container in {values['stopped']} of "
        f"{values['periods']} periods, for {format_seconds(values['seconds'])}: {remedy} or take the figures as "
        "upper bounds"
    )


def _governor(values: Mapping[str, Any]) -> str:
    return (
        f"latency: the frequency governor is {values['governor']!r}, so the clock follows the load: "
        "`cpupower frequency-set -g performance` makes figures steadier"
    )


def _clocks_unknown(values: Mapping[str, Any]) -> str:
    return (
        f"latency: clocks and throttling of the GPU are not known ({values['reason']}): figures may hide a slow clock"
    )


def _throttled(values: Mapping[str, Any]) -> str:
    return (
        f"latency: the GPU's clock was limited by: {', '.join(values['reasons'])}; "
        "let it cool, raise its power cap, or compare only with runs under the same limit"
    )


def _gpu_shared(values: Mapping[str, Any]) -> str:
    count = values["processes"]
    return (
        f"latency: {count} other process{'es compute' if count > 1 else ' computes'} on this GPU (see nvidia-smi): "
        "end them, or take the figures as upper bounds"
    )


def _other_machine(values: Mapping[str, Any]) -> str:
    count = values["rounds"]
    return (
        f"{pluralize(count, 'round')} of it ran in another environment and {'is' if count == 1 else 'are'} left out: "
        "latencies of two machines are never averaged"
    )


def _launch_bound(values: Mapping[str, Any]) -> str:
    return (
        f"latency: launch-bound: the GPU waits for the host for {values['share']:.0%} of the call, so this is a time "
        "of the host: a larger batch, --engine cudagraph or compile shows what the GPU can do"
    )


def _ranks_share_cores(values: Mapping[str, Any]) -> str:
    cores = values["of_cores"]
    return (
        f"latency: {values['ranks']} ranks share {cores} {'core' if cores == 1 else 'cores'}, so they wait for each "
        "other: the byte counts hold on any machine; the times do not apply where each rank has its own core"
    )


def _left_behind(values: Mapping[str, Any]) -> str:
    count = values["processes"]
    return (
        f"it left {count} {'process' if count == 1 else 'processes'} behind, which took time from what was measured "
        "and had to be ended: let it end what it starts"
    )


def _flops_differ(values: Mapping[str, Any]) -> str:
    counted, stated = (format_count(values[name], "FLOP") for name in ("counted", "stated"))
    return f"flops: {counted} were counted, and its flops() says {stated}: correct the formula, or look for hidden work"


_MESSAGES: Mapping[WarningCode, Callable[[Mapping[str, Any]], str]] = {
    WarningCode.TEXT: lambda values: str(values["message"]),
    WarningCode.SPREAD: _spread,
    WarningCode.DRIFT: _drift,
    WarningCode.DISTURBED: _disturbed,
    WarningCode.OTHER_PROCESSES: _other_processes,
    WarningCode.STOLEN_TIME: _stolen_time,
    WarningCode.CPU_THROTTLED: _cpu_throttled,
    WarningCode.GOVERNOR: _governor,
    WarningCode.CLOCKS_UNKNOWN: _clocks_unknown,
    WarningCode.THROTTLED: _throttled,
    WarningCode.GPU_SHARED: _gpu_shared,
    WarningCode.LAUNCH_BOUND: _launch_bound,
    WarningCode.NOT_MEASURED: lambda values: f"{values['metric']}: not measured ({values['reason']})",
    WarningCode.NO_SHARED_WEIGHTS: lambda _: (
        "error: not measured, since the method has no v_proj and out_proj to share weights with exact attention"
    ),
    WarningCode.OTHER_MACHINE: _other_machine,
    WarningCode.NO_EFFECT: lambda _: (
        "accuracy: after training, the output of every attention layer is the same everywhere: the layer does nothing, "
        "and the accuracy is that of a model without it"
    ),
    WarningCode.RANKS_SHARE_CORES: _ranks_share_cores,
    WarningCode.LEFT_BEHIND: _left_behind,
    WarningCode.FLOPS_DIFFER: _flops_differ,
}
