"""The NVIDIA GPUs of this machine, from NVML, and whether a requested device is available.

Nothing here imports torch. The parent process plans, checks and describes GPUs without using CUDA, because a CUDA
context would hold memory on the device under test and could not be used in forked children.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from dctbench.errors import UnavailableError, UsageError
from dctbench.text.format import format_size

_MILLI, _NANO = 1e-3, 1e-9
_MIG_ENABLED = 1
_HINT = "`dctbench list devices` shows what there is; `--device cpu` works everywhere"
THROTTLING = {
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x020: "thermal (driver)",
    0x040: "thermal (hardware)",
    0x080: "power brake",
}
"""NVML's bits for clocks limited by power or heat (nvml.h, nvmlClocksEventReasons); idling is not among them."""
POLICIES = {0: "power cap", 1: "thermal", 3: "board limit", 5: "reliability"}
"""NVML's policies that limit clocks and count for how long (nvml.h, nvmlPerfPolicyType_t)."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """Facts of a GPU that do not change while the machine runs; None for those that it does not report.

    A GPU that shares the memory of the machine has no `memory_bytes`. `clock_mhz` is the default SM clock.
    """

    name: str
    uuid: str
    memory_bytes: int | None
    driver: str
    clock_mhz: int | None
    power_cap_watts: float | None

    @property
    def title(self) -> str:
        """`NVIDIA H100 (80.0 GiB)`; only the name where the GPU shares the machine's memory."""
        return self.name if self.memory_bytes is None else f"{self.name} ({format_size(self.memory_bytes)})"


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a GPU at one moment; None for values that it does not report."""

    clock_mhz: int | None
    power_watts: float | None
    temperature_c: int | None
    throttling: tuple[str, ...]


class Gauge:
    """The sensors of one GPU."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def facts(self) -> Gpu:
        """Return name, memory, driver, default clock and power cap.

        Raises:
            UnavailableError: for a GPU that does not respond, such as one that has fallen off the bus.
        """
        nvml, handle = self._nvml, self._handle
        clock = self._ask(nvml.nvmlDeviceGetDefaultApplicationsClock, nvml.NVML_CLOCK_SM)
        if not clock:
            clock = self._ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM)
        cap = self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo)
        with _raised_as_unavailable(nvml):
            return Gpu(
                name=_text(nvml.nvmlDeviceGetName(handle)),
                uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
                memory_bytes=None if memory is None else int(memory.total),
                driver=_text(nvml.nvmlSystemGetDriverVersion()),
                clock_mhz=clock,
                power_cap_watts=None if cap is None else cap * _MILLI,
            )

    def reading(self) -> Reading:
        """Return the current SM clock, power, temperature and reasons for throttling."""
        nvml = self._nvml
        power = self._ask(nvml.nvmlDeviceGetPowerUsage)
        reasons = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        return Reading(
            clock_mhz=self.clock_mhz(),
            power_watts=None if power is None else power * _MILLI,
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            throttling=tuple(name for bit, name in THROTTLING.items() if reasons & bit),
        )

    def clock_mhz(self) -> int | None:
        """Return the current SM clock."""
        clock = self._ask(self._nvml.nvmlDeviceGetClockInfo, self._nvml.NVML_CLOCK_SM)
        return None if clock is None else int(clock)

    def joules(self) -> float | None:
        """Return the joules used since the driver was loaded; None for GPUs before Volta."""
        used = self._ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption)
        return None if used is None else used * _MILLI

    def processes(self) -> dict[int, int | None] | None:
        """Return the bytes that each compute process holds on the GPU, by process id; None if NVML does not tell."""
        found = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses)
        return None if found is None else {process.pid: process.usedGpuMemory for process in found}

    def violations(self) -> dict[str, float] | None:
        """Return for how many seconds each reason has limited the clock so far; None if the GPU does not count them."""
        nvml = self._nvml
        found = {name: self._ask(nvml.nvmlDeviceGetViolationStatus, policy) for policy, name in POLICIES.items()}
        return {name: one.violationTime * _NANO for name, one in found.items() if one is not None} or None

    def divided(self) -> bool:
        """Return whether the GPU is divided into MIG instances, of which CUDA shows a process one."""
        modes = self._ask(self._nvml.nvmlDeviceGetMigMode)
        return modes is not None and modes[0] == _MIG_ENABLED

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of an NVML function, or None if this GPU or this user gets none."""
        try:
            return function(self._handle, *arguments)
        except self._nvml.NVMLError:
            return None


def gauge(uuid: str) -> Gauge:
    """Return the sensors of the GPU, or of the MIG instance, with that UUID.

    Raises:
        UnavailableError: without NVML, or for a GPU that NVML does not know.
    """
    nvml = load_library()
    return Gauge(nvml, handle_of(nvml, uuid))


def handle_of(nvml: Any, uuid: str) -> Any:
    """Return NVML's handle of the GPU, or of the MIG instance, with that UUID.

    torch reports the UUIDs of both alike, without the prefix that NVML asks for.

    Args:
        nvml: the library, as `load_library` returns it.
        uuid: with the prefix `GPU-` or `MIG-`, or without.

    Raises:
        UnavailableError: for a GPU that NVML does not know.
    """
    names = [uuid] if uuid.startswith(("GPU-", "MIG-")) else [f"GPU-{uuid}", f"MIG-{uuid}"]
    reasons = []
    for name in names:
        try:
            return nvml.nvmlDeviceGetHandleByUUID(name)
        except nvml.NVMLError as error:
            reasons.append(str(error))
    raise UnavailableError(f"NVML does not know GPU {uuid}: {reasons[0]}")


def visible(variables: Mapping[str, str] | None = None) -> list[Gauge]:
    """Return the GPUs that a process with these environment variables sees, in the order of their CUDA numbers.

    NVML orders GPUs by bus. CUDA does so only with CUDA_DEVICE_ORDER=PCI_BUS_ID, which must be set for child processes.

    Raises:
        UnavailableError: without NVML, with the reason.
    """
    nvml = load_library()
    with _raised_as_unavailable(nvml):
        handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        chosen = (os.environ if variables is None else variables).get("CUDA_VISIBLE_DEVICES")
        if chosen is not None:
            handles = _chosen(nvml, handles, [word.strip() for word in chosen.split(",")])
    return [Gauge(nvml, handle) for handle in handles]


def _chosen(nvml: Any, handles: Sequence[Any], words: Iterable[str]) -> list[Any]:
    """Return the GPUs that the words of CUDA_VISIBLE_DEVICES name, by the rules of CUDA.

    A word is a number, a prefix of a UUID that identifies one GPU, or the UUID of a MIG instance. The first word that
    does not name exactly one GPU ends the list.
    """
    names = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    found: list[Any] = []
    for word in words:
        matching: list[Any] = []
        if word.startswith("MIG-"):
            with contextlib.suppress(nvml.NVMLError):
                matching = [nvml.nvmlDeviceGetHandleByUUID(word)]
        elif word.startswith("GPU-"):
            matching = [handle for handle, name in zip(handles, names, strict=True) if name.startswith(word)]
        elif word.isascii() and word.isdigit():
            matching = list(handles[int(word) : int(word) + 1])
        if len(matching) != 1:
            break
        found += matching
    return found


def physical(device: str, variables: Mapping[str, str] | None = None) -> str:
    """Return a name for the device that is the same in every process: the UUID of a GPU, else the device's own name.

    `cuda:0` may mean different GPUs in processes with different CUDA_VISIBLE_DEVICES.
    """
    if device.partition(":")[0] != "cuda":
        return device
    try:
        return visible(variables)[parse_index(device)].facts().uuid
    except (UnavailableError, IndexError):
        return device


def facts(variables: Mapping[str, str] | None = None) -> list[dict[str, Any]] | None:
    """Return the stable facts of every visible GPU, for the environment; None if there are no GPUs."""
    try:
        return [asdict(gauge.facts()) for gauge in visible(variables)] or None
    except UnavailableError:
        return None


def unavailable(device: str, variables: Mapping[str, str] | None = None) -> str | None:
    """Return why `device` (`cpu`, `cuda:1`, `mps`) cannot be used on this machine, in a sentence; None if it can.

    This is checked without torch. A worker may find that its torch has no such device, and, where NVML cannot be read,
    that it has one: on a Jetson, with ROCm, and in some containers.
    """
    kind = device.partition(":")[0]
    if kind == "mps":
        apple = sys.platform == "darwin" and platform.machine() == "arm64"
        return None if apple else f"{device}: Metal needs a Mac with Apple silicon"
    if kind != "cuda":
        return None
    try:
        count = len(visible(variables))
    except UnavailableError as error:
        return f"{device}: {error.message}"
    if parse_index(device) >= count:
        return f"{device}: there {'is 1 GPU' if count == 1 else f'are {count} GPUs'} visible here"
    build = _cpu_build()
    return None if build is None else f"{device}: this torch ({build}) was built without CUDA"


def _cpu_build() -> str | None:
    """Return the version of the installed torch if it is a build for CPUs only."""
    try:
        build = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None
    return build if build.endswith("+cpu") else None


def installed() -> bool:
    """Return whether the package that reads NVML is installed."""
    return importlib.util.find_spec("pynvml") is not None


def _readable() -> bool:
    """Return whether NVML can be read here."""
    try:
        load_library()
    except UnavailableError:
        return False
    return True


AskWorker = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns those of the given devices that torch in a worker cannot use, with the reasons."""


def require(
    devices: Iterable[str], variables: Mapping[str, str] | None = None, ask: AskWorker = lambda devices: {}
) -> dict[str, str]:
    """Return the absent devices with the reasons.

    Args:
        devices: as cases name them.
        variables: the environment variables of the processes that will use them; those of this process when None.
        ask: asks a worker about the GPUs that are not known to be absent. NVML does not know whether torch can use a
            GPU, and torch may use GPUs where NVML cannot be read.

    Raises:
        UnavailableError: if all devices are absent.
    """
    asked = list(dict.fromkeys(devices))
    absent = {device: reason for device in asked if (reason := unavailable(device, variables)) is not None}
    gpus = [device for device in asked if device.partition(":")[0] == "cuda"]
    if gpus and _cpu_build() is None:
        undecided = [device for device in gpus if device not in absent] if _readable() else gpus
        found = ask(undecided) if undecided else {}
        absent = {d: r for d, r in absent.items() if d not in undecided} | dict(found)
    if asked and len(absent) == len(asked):
        raise UnavailableError("; ".join(absent.values()), hint=_HINT)
    return absent


@functools.cache
def load_library() -> Any:
    """Return the NVML module, initialised once per process.

    Raises:
        UnavailableError: without the driver, or without its library.
    """
    try:
        import pynvml  # noqa: PLC0415 - it may be missing
    except ImportError:
        raise UnavailableError("the package nvidia-ml-py is not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        missing = isinstance(error, pynvml.NVMLError_LibraryNotFound | pynvml.NVMLError_DriverNotLoaded)
        raise UnavailableError("no NVIDIA driver on this machine" if missing else f"NVML: {error}") from None
    return pynvml


def parse_index(device: str) -> int:
    """Return the number in `cuda:1`, or 0 for a name without a number.

    Raises:
        UsageError: if the part after the colon is not a number.
    """
    index = device.partition(":")[2] or "0"
    if not index.isascii() or not index.isdigit():
        raise UsageError(f"device {device!r}: {index!r} is not a number", hint="devices are named cpu, cuda:0, mps")
    return int(index)


@contextlib.contextmanager
def _raised_as_unavailable(nvml: Any) -> Iterator[None]:
    """Turn NVML's errors into UnavailableError."""
    try:
        yield
    except nvml.NVMLError as error:
        raise UnavailableError(f"NVML: {error}") from None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
