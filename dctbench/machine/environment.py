"""The environment of a measurement: everything needed to reproduce it, and a fingerprint of the machine.

Nothing here imports torch; versions are read from package metadata. The fingerprint hashes only stable facts: with the
current clock or load in it, one machine would have many fingerprints.

Run as a module, it describes the interpreter that runs it, for a check whose base is in another environment.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from dctbench.machine import host, nvml, processor
from dctbench.machine.git import git_state
from dctbench.machine.host import usable_cores
from dctbench.model import Environment, digest
from dctbench.protocol import PROTOCOL

STABLE = ("system", "machine", "cpu", "cpu_id", "cpu_flags", "caches", "cores_physical", "cores_logical",
          "cores_usable", "torch", "python", "libc", "allocator", "thread_env")  # fmt: skip
"""The facts in the fingerprint, in addition to the memory in GiB. Latency is compared only if all of them are equal.

The fingerprint omits facts that change by themselves or do not affect speed: load, clocks, kernel release, host name.
It also omits the governor, which a laptop changes when it is plugged in; the governor is stored, and `doctor` warns
about it.
"""
STABLE_OF_GPU = ("name", "memory_bytes", "driver", "power_cap_watts")
"""The facts of each GPU in the fingerprint."""

ALLOCATOR_VARIABLES = ("LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_",
                        "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "PYTORCH_ALLOC_CONF")  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "KMP_AFFINITY",
                     "GOMP_CPU_AFFINITY", "ATEN_CPU_CAPABILITY")  # fmt: skip
ENGINE_PACKAGES = ("executorch", "onnxruntime", "openvino")
"""The packages that run exported models. Which of them are installed changes no other latency, so their versions are
stored and named among differences, but are not in the fingerprint."""
TUNING_VARIABLES = frozenset({
    *THREAD_VARIABLES, *ALLOCATOR_VARIABLES, "MALLOC_MMAP_MAX_", "MALLOC_PERTURB_", "MALLOC_TCACHE_COUNT",
    "OMP_DYNAMIC", "OMP_PLACES", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "MKL_DYNAMIC", "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING", "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUBLASLT_WORKSPACE_SIZE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
})  # fmt: skip
"""Variables that make a process faster or slower. The values of no others are exported or shown."""


def collect(variables: Mapping[str, str] | None = None) -> Environment:
    """Return the environment of processes that are started now.

    Args:
        variables: their environment variables; those of this process when None.
    """
    variables = os.environ if variables is None else variables
    cores, memory = host.affinity(), host.memory()
    facts: dict[str, Any] = {
        "host": socket.gethostname(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "virtualisation": host.virtualisation(),
        "container": host.container(),
        "cpu": processor.cpu_model(),
        "cpu_id": processor.cpu_id(),
        "cpu_flags": processor.cpu_flags(),
        "caches": host.cache_sizes(),
        "cores_physical": host.physical_cores(),
        "cores_logical": psutil.cpu_count(logical=True),
        "cores_usable": usable_cores(),
        "affinity": None if cores is None else core_ranges(cores),
        "cpu_quota": host.cpu_quota(),
        "numa_nodes": host.numa_nodes(),
        "memory_bytes": host.memory_limit() or (None if memory is None else memory.total),
        "governor": host.governor(),
        "boost": host.boost(),
        "clocksource": host.clocksource(),
        "huge_pages": host.huge_pages(),
        "load_average": host.load_average(),
        "gpu": nvml.facts(variables),
        "python": platform.python_version(),
        "libc": host.libc(),
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "engines": {name: version for name in ENGINE_PACKAGES if (version := package_version(name)) is not None},
        "allocator": {name: variables[name] for name in ALLOCATOR_VARIABLES if name in variables},
        "thread_env": {name: variables[name] for name in THREAD_VARIABLES if name in variables},
        "executable": Path(sys.executable).name,
        "git": git_state(),
    }
    fla = package_version("flash-linear-attention")  # it runs the delta rule on a GPU
    if fla is not None:  # so that environments without it do not differ from those of earlier versions
        facts["flash_linear_attention"] = fla
    return Environment(facts, fingerprint(facts))


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Return the identity of a machine and its software, from the facts of `collect`.

    Memory is rounded to GiB, since a kernel update changes the total by a few MiB. GPUs count by model, not by board.
    A CPU quota counts only where there is one, so that machines without one keep the fingerprint of earlier stores.
    """
    quota = facts.get("cpu_quota")
    return digest(
        {
            **{key: facts[key] for key in STABLE},
            **({} if quota is None else {"cpu_quota": round(quota, 2)}),
            "memory_gib": None if facts["memory_bytes"] is None else round(facts["memory_bytes"] / 2**30),
            "gpu": [{key: gpu[key] for key in STABLE_OF_GPU} for gpu in facts["gpu"] or ()],
        }
    )


def core_ranges(cores: Sequence[int]) -> str:
    """Return ascending core numbers in the notation of the kernel: 0-3,8."""
    ranges: list[list[int]] = []
    for core in cores:
        if ranges and core == ranges[-1][-1] + 1:
            ranges[-1][1:] = [core]
        else:
            ranges.append([core])
    return ",".join("-".join(map(str, ends)) for ends in ranges)


def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    """Print this interpreter's environment and which dctbench it imports, as one line of JSON."""
    found = collect()
    # The current folder is in the repository of head, whatever interpreter runs this.
    facts = {**found.facts, "git": None}
    about = {
        "protocol": PROTOCOL,
        "version": package_version("dctbench"),
        "package": str(Path(__file__).resolve().parents[1]),
    }
    print(json.dumps({**about, "facts": facts, "fingerprint": found.fingerprint}))


if __name__ == "__main__":
    main()
