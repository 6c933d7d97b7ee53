"""Warnings in words: each code has a sentence with a remedy, and many of one kind become one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dctbench import analysis
from dctbench.model import CaseWarning, Result, WarningCode
from dctbench.wording.labels import Labels
from dctbench.wording.warnings import message, warning_lines
from tests.support.made import result

LABELS = Labels([])
SPREADS = [CaseWarning(WarningCode.SPREAD, {"spread": spread}) for spread in (0.11, 0.12, 0.30)]
MESSAGES: list[tuple[WarningCode, dict[str, Any], str]] = [
    (WarningCode.TEXT, {"message": "as it was written"}, "as it was written"),
    (WarningCode.SPREAD, {"spread": 0.144},
     "latency: the samples' interquartile range is 14% of the median: quieten the machine, or take more rounds"),
    (WarningCode.SPREAD, {"spread": 0.67},
     "latency: the samples' interquartile range is 67% of the median: quieten the machine, or do not compare below "
     "that"),
    (WarningCode.DRIFT, {"drift": 0.12},
     "latency: the last third of the samples was 12% slower than the first: the machine was heating up, or its load "
     "was changing; wait until it is idle and measure again"),
    (WarningCode.DRIFT, {"drift": -0.2},
     "latency: the last third of the samples was 20% faster than the first: the machine was speeding up, or its load "
     "was changing; wait until it is idle and measure again"),
    (WarningCode.DISTURBED, {"reason": "slow clock"},
     "latency: noisy: slow clock; free or cool the device and measure again"),
    (WarningCode.CPU_THROTTLED, {"quota": 0.5, "periods": 10, "stopped": 7, "seconds": 0.35},
     "latency: the CPU quota of 0.5 cores stopped this container in 7 of 10 periods, for 350 ms: raise the quota, or "
     "take the figures as upper bounds"),
    (WarningCode.CPU_THROTTLED, {"quota": 2.5, "periods": 10, "stopped": 1, "seconds": 0.001},
     "latency: the CPU quota of 2.5 cores stopped this container in 1 of 10 periods, for 1.00 ms: use fewer threads "
     "(--threads 2), raise the quota, or take the figures as upper bounds"),
    (WarningCode.OTHER_PROCESSES, {"cores": 1.25, "of_cores": 2, "names": ["a (pid 1)", "b (pid 2)"]},
     "latency: other processes used 1.2 of 2 cores while this was timed, such as a (pid 1) and b (pid 2): stop them, "
     "or take the figures as upper bounds"),
    (WarningCode.OTHER_PROCESSES, {"cores": 1.0, "of_cores": 2, "names": []},
     "latency: other processes used 1.0 of 2 cores while this was timed: stop them, or take the figures as "
     "upper bounds"),
    (WarningCode.RANKS_SHARE_CORES, {"ranks": 4, "of_cores": 2},
     "latency: 4 ranks share 2 cores, so they wait for each other: the byte counts hold on any machine; the "
     "times do not apply where each rank has its own core"),
    (WarningCode.STOLEN_TIME, {"share": 0.2},
     "latency: the hypervisor gave 20% of the processor time to other machines: measure on a dedicated host, or judge "
     "by ratios only"),
    (WarningCode.GOVERNOR, {"governor": "powersave"},
     "latency: the frequency governor is 'powersave', so the clock follows the load: `cpupower frequency-set -g "
     "performance` makes figures steadier"),
    (WarningCode.CLOCKS_UNKNOWN, {"reason": "no NVML"},
     "latency: clocks and throttling of the GPU are not known (no NVML): figures may hide a slow clock"),
    (WarningCode.THROTTLED, {"reasons": ["power cap", "thermal (driver)"]},
     "latency: the GPU's clock was limited by: power cap, thermal (driver); let it cool, raise its power cap, or "
     "compare only with runs under the same limit"),
    (WarningCode.GPU_SHARED, {"processes": 1},
     "latency: 1 other process computes on this GPU (see nvidia-smi): end them, or take the figures as upper bounds"),
    (WarningCode.GPU_SHARED, {"processes": 3},
     "latency: 3 other processes compute on this GPU (see nvidia-smi): end them, or take the figures as upper bounds"),
    (WarningCode.NO_EFFECT, {},
     "accuracy: after training, the output of every attention layer is the same everywhere: the layer does nothing, "
     "and the accuracy is that of a model without it"),
    (WarningCode.LAUNCH_BOUND, {"share": 0.62},
     "latency: launch-bound: the GPU waits for the host for 62% of the call, so this is a time of the host: a larger "
     "batch, --engine cudagraph or compile shows what the GPU can do"),
    (WarningCode.RANKS_SHARE_CORES, {"ranks": 4, "of_cores": 2},
     "latency: 4 ranks share 2 cores, so they wait for each other: the byte counts hold on any machine; the "
     "times do not apply where each rank has its own core"),
    (WarningCode.RANKS_SHARE_CORES, {"ranks": 2, "of_cores": 1},
     "latency: 2 ranks share 1 core, so they wait for each other: the byte counts hold on any machine; the "
     "times do not apply where each rank has its own core"),
    (WarningCode.NOT_MEASURED, {"metric": "flops", "reason": "why"}, "flops: not measured (why)"),
    (WarningCode.NO_SHARED_WEIGHTS, {},
     "error: not measured, since the method has no v_proj and out_proj to share weights with exact attention"),
    (WarningCode.OTHER_MACHINE, {"rounds": 1},
     "1 round of it ran in another environment and is left out: latencies of two machines are never averaged"),
    (WarningCode.OTHER_MACHINE, {"rounds": 2},
     "2 rounds of it ran in another environment and are left out: latencies of two machines are never averaged"),
    (WarningCode.LEFT_BEHIND, {"processes": 2},
     "it left 2 processes behind, which took time from what was measured and had to be ended: let it end what it "
     "starts"),
    (WarningCode.FLOPS_DIFFER, {"counted": 2e9, "stated": 1.5e9},
     "flops: 2.00 GFLOP were counted, and its flops() says 1.50 GFLOP: correct the formula, or look for hidden work"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "values", "text"), MESSAGES)
def test_a_warning_is_said_with_its_remedy(code: WarningCode, values: dict[str, Any], text: str) -> None:
    assert message(CaseWarning(code, values)) == text


def test_every_code_has_a_sentence() -> None:
    assert {code for code, _, _ in MESSAGES} == set(WarningCode)


def warned(n: int, *warnings: CaseWarning) -> Result:
    return replace(result("sdpa", n), warnings=warnings)


def test_a_kind_of_warning_is_told_once_with_its_number() -> None:
    results = [warned(n, warning) for n, warning in zip((64, 128, 256), SPREADS, strict=True)]
    results.append(warned(512, CaseWarning(WarningCode.NOT_MEASURED, {"metric": "flops", "reason": "why"})))
    assert warning_lines(analysis.summarise(results), LABELS) == [
        f"sdpa n=64: {message(SPREADS[0])} (and 2 more cases like this)",
        "sdpa n=512: flops: not measured (why)",
    ]


def test_what_differs_in_kind_is_told_apart() -> None:
    lacking = [
        CaseWarning(WarningCode.NOT_MEASURED, {"metric": metric, "reason": reason})
        for metric, reason in [("flops", "one"), ("flops", "another"), ("energy", "one")]
    ]
    texts = [CaseWarning.text("of an older version"), CaseWarning.text("of an older version, too")]
    lines = warning_lines(analysis.summarise([warned(64, *lacking, *texts), warned(128, texts[0])]), LABELS)
    assert lines == [
        "sdpa n=64: flops: not measured (one)",
        "sdpa n=64: flops: not measured (another)",
        "sdpa n=64: energy: not measured (one)",
        "sdpa n=64: of an older version (and 1 more case like this)",
        "sdpa n=64: of an older version, too",
    ]


def test_the_rounds_of_a_case_say_the_same_once() -> None:
    rounds = [replace(result("sdpa", 64, round=number), warnings=tuple(SPREADS[:number])) for number in (1, 2)]
    [summary] = analysis.summarise(rounds)
    assert summary.warnings == tuple(SPREADS[:2])


def test_a_machine_that_speeds_up_is_not_like_one_that_heats_up() -> None:
    drifts = [CaseWarning(WarningCode.DRIFT, {"drift": drift}) for drift in (-0.06, 0.08, 0.07)]
    found = [warned(n, drift) for n, drift in zip((64, 128, 256), drifts, strict=True)]
    faster, slower = warning_lines(analysis.summarise(found), LABELS)
    assert faster.startswith("sdpa n=64: ")
    assert "6% faster than the first: the machine was speeding up" in faster
    assert "like this" not in faster
    assert "8% slower than the first: the machine was heating up" in slower
    assert slower.endswith("(and 1 more case like this)")
