"""The GPUs, as NVML and a worker's torch see them: driver, throttling, and who else computes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.errors import UnavailableError
from dctbench.machine import nvml
from dctbench.text.format import format_size


def findings(torch: Mapping[str, Any]) -> list[Finding]:
    """Every check of the GPUs; one line where there are none.

    Args:
        torch: what a worker's torch said of itself, empty when it could not be asked.
    """
    try:
        gauges = nvml.visible()
        known = [gauge.facts() for gauge in gauges]
    except UnavailableError as error:
        if torch.get("gpus"):
            return [warning("GPU", f"torch sees one, but {error.message}", "install nvidia-ml-py: without NVML clocks, "
                            "throttling and other processes stay unseen")]  # fmt: skip
        wanted = " and this torch is built for CUDA" if torch.get("cuda") else ""
        return [ok("GPU", f"none: {error.message}{wanted}; everything runs on the CPU")]
    if not gauges:
        return [ok("GPU", "none is visible (CUDA_VISIBLE_DEVICES); everything runs on the CPU")]
    found = [seen_by_torch(known, torch)] if torch else []
    for number, (gauge, gpu) in enumerate(zip(gauges, known, strict=True)):
        name = f"cuda:{number}"
        found += [clocks(name, gpu, gauge.reading()), company(name, gauge.processes())]
    return found


def seen_by_torch(known: Sequence[nvml.Gpu], torch: Mapping[str, Any]) -> Finding:
    """Whether torch can use what the driver has."""
    text = ", ".join(gpu.title for gpu in known)
    found = f"{text}; driver {known[0].driver}"
    if not torch.get("cuda") and not torch.get("hip"):
        return warning(
            "GPU",
            f"{found}; this torch ({torch['version']}) was built without CUDA",
            "install a CUDA build of torch (pytorch.org), or measure with --device cpu",
        )
    if len(torch["gpus"]) < len(known):
        return failure(
            "GPU",
            f"{found}; torch sees {len(torch['gpus'])} of them",
            f"the driver may be too old for CUDA {torch['cuda']}: compare with nvidia-smi",
            UnavailableError.exit_code,
        )
    unbuilt = [gpu["capability"] for gpu in torch["gpus"] if not gpu["built_for"]]
    if unbuilt:
        return warning(
            "GPU",
            f"{found}; torch has no code of its own for compute capability {unbuilt[0]}",
            "its first calls compile, and kernels may be missing: take a build for this GPU",
        )
    return ok("GPU", found)


def clocks(name: str, gpu: nvml.Gpu, reading: nvml.Reading) -> Finding:
    """Whether something holds its clock down."""
    parts = [
        f"SM clock {reading.clock_mhz} MHz now, {gpu.clock_mhz} MHz meant" if reading.clock_mhz else "clock not told",
        *([f"{reading.temperature_c} °C"] if reading.temperature_c is not None else []),
        *([f"{reading.power_watts:.0f} W"] if reading.power_watts is not None else []),
        *([f"power cap {gpu.power_cap_watts:.0f} W"] if gpu.power_cap_watts is not None else []),
    ]
    found = ", ".join(parts)
    if reading.throttling:
        return warning(
            f"{name} clocks",
            f"{found}; held down by {', '.join(reading.throttling)}",
            "let it cool or raise its power cap: samples under 75% of the clock are taken again",
        )
    return ok(f"{name} clocks", f"{found}, not throttled")


def company(name: str, processes: Mapping[int, int | None] | None) -> Finding:
    """Whether others compute on it."""
    check = f"{name} others"
    if processes is None:
        return ok(check, "NVML does not tell who computes there")
    if not processes:
        return ok(check, "no other process computes there")
    held = ", ".join(f"pid {pid}" + (f" ({format_size(size)})" if size else "") for pid, size in processes.items())
    return warning(
        check, f"other processes compute there: {held}", "end them or take another GPU: it is shared in turns"
    )
