"""The GPUs, as NVML and torch in a worker see them: driver, throttling, and other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.errors import UnavailableError
from dctbench.machine import nvml
from dctbench.text.format import format_size, pluralize


def findings(torch: Mapping[str, Any], variables: Mapping[str, str]) -> list[Finding]:
    """Return the findings of every check of the GPUs, or a single one if there are none.

    Args:
        torch: the facts that a worker reports about torch, empty if it could not.
        variables: the environment of that worker, which may choose the GPUs.
    """
    try:
        gauges = nvml.visible(variables)
        known = [gauge.facts() for gauge in gauges]
    except UnavailableError as error:
        if torch.get("gpus"):
            return [without_nvml(torch, error.message)]
        if nvml.unavailable("mps") is None:
            return [ok("GPU", "Apple silicon; measure on it with --device mps")]
        wanted = " and this torch is built for CUDA" if torch.get("cuda") else ""
        return [ok("GPU", f"none: {error.message}{wanted}; everything runs on the CPU")]
    if not gauges:
        return [ok("GPU", "none is visible (CUDA_VISIBLE_DEVICES); everything runs on the CPU")]
    divided = any(gauge.divided() for gauge in gauges)
    found = [seen_by_torch(known, torch, divided=divided)] if torch else []
    for number, (gauge, gpu) in enumerate(zip(gauges, known, strict=True)):
        name = f"cuda:{number}"
        found += [clocks(name, gpu, gauge.reading()), other_processes(name, gauge.processes())]
    return found


def without_nvml(torch: Mapping[str, Any], reason: str) -> Finding:
    """Report a GPU that torch uses and NVML does not show: that of another maker, or one on a Jetson."""
    found = f"torch sees {torch['gpus'][0]['name']}, but clocks, throttling and other processes are not visible: "
    if torch.get("hip"):
        return warning("GPU", f"{found}NVML knows no AMD GPU", "watch them meanwhile with another program: rocm-smi")
    if not nvml.installed():
        return warning("GPU", f"{found}{reason}", "install it: pip install nvidia-ml-py")
    return warning(
        "GPU",
        f"{found}{reason}",
        "install the driver's library libnvidia-ml, or watch them with another program, such as tegrastats on a Jetson",
    )


def seen_by_torch(known: Sequence[nvml.Gpu], torch: Mapping[str, Any], *, divided: bool = False) -> Finding:
    """Check whether torch can use the GPUs of the driver.

    Args:
        known: the GPUs that the driver shows.
        torch: as in `findings`.
        divided: whether one of them is divided into MIG instances; CUDA then shows fewer devices.
    """
    text = ", ".join(gpu.title for gpu in known)
    found = f"{text}; driver {known[0].driver}"
    if not torch.get("cuda") and not torch.get("hip"):
        return warning(
            "GPU",
            f"{found}; this torch ({torch['version']}) was built without CUDA",
            "install a CUDA build of torch (pytorch.org), or measure with --device cpu",
        )
    seen = len(torch["gpus"])
    if divided and 0 < seen < len(known):
        found += f"; MIG is on, so that CUDA shows {pluralize(seen, 'device')}"
    elif seen < len(known):
        return failure(
            "GPU",
            f"{found}; torch sees {seen} of them",
            f"the driver may be too old for CUDA {torch['cuda']}: compare with nvidia-smi",
            UnavailableError.exit_code,
        )
    unbuilt = [gpu["capability"] for gpu in torch["gpus"] if not gpu["built_for"]]
    if unbuilt:
        return warning(
            "GPU",
            f"{found}; torch has no code of its own for compute capability {unbuilt[0]}",
            "its first calls compile, and kernels may be missing: install a build for this GPU",
        )
    return ok("GPU", found)


def clocks(name: str, gpu: nvml.Gpu, reading: nvml.Reading) -> Finding:
    """Check whether the clock is throttled."""
    parts = [
        f"SM clock {reading.clock_mhz} MHz now, {gpu.clock_mhz} MHz by default"
        if reading.clock_mhz
        else "clock not reported",
        *([f"{reading.temperature_c} °C"] if reading.temperature_c is not None else []),
        *([f"{reading.power_watts:.0f} W"] if reading.power_watts is not None else []),
        *([f"power cap {gpu.power_cap_watts:.0f} W"] if gpu.power_cap_watts is not None else []),
    ]
    found = ", ".join(parts)
    if reading.throttling:
        return warning(
            f"{name} clocks",
            f"{found}; limited by {', '.join(reading.throttling)}",
            "let it cool or raise its power cap; samples below 75% of the highest clock seen are taken again",
        )
    return ok(f"{name} clocks", f"{found}, not throttled")


def other_processes(name: str, processes: Mapping[int, int | None] | None) -> Finding:
    """Check whether other processes compute on the GPU."""
    check = f"{name} others"
    if processes is None:
        return ok(check, "NVML does not report which processes use it")
    if not processes:
        return ok(check, "no other process uses it")
    held = ", ".join(f"pid {pid}" + (f" ({format_size(size)})" if size else "") for pid, size in processes.items())
    return warning(
        check,
        f"other processes use it: {held}",
        "end them or choose another GPU: processes on one GPU slow each other down",
    )
