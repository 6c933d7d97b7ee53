"""The energy meters of a processor or a board that Linux shows under /sys/class: RAPL, sensors of hwmon, a battery.

RAPL counts the joules of processor packages. A sensor of hwmon, such as the INA219 or the INA3221 of a small board, has
an energy counter, or shows the watts of the moment, or volts and amperes. A battery that discharges shows what the
whole device draws. What shows watts is read many times a second, and summed. All of them include other processes.

The kernel documents the files: Documentation/hwmon/sysfs-interface.rst, Documentation/ABI/testing/sysfs-class-power. A
driver may answer anything, so each is read up to a bound.

This module imports nothing but the standard library, and runs under Python 3.9: a bundle carries a copy of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

if __package__:
    from dctbench.machine.energy import NoEnergyError, Windows
else:
    from energy import NoEnergyError, Windows  # type: ignore[no-redef]  # the copy beside this program, in a bundle

CLASSES = Path("/sys/class")
_MICRO = 1e-6
_LONGEST = 256
"""Bytes that are read of a file, which holds a number or a name."""
_MOST = 64
"""Folders, and channels of one chip, that are looked at."""
_MOST_COUNTERS = 1024
"""Energy counters of one chip that are looked at: amd_energy has one for each core, and those of sockets after them."""
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_TICK = 0.02
"""Seconds between two readings of watts. An INA219 converts in 0.5 ms, an INA3221 of a Jetson in about 5 ms."""
_EDGES = 2
"""Updates that a pass waits for, about: each window begins and ends with one."""
_FAILURES = 5
"""Readings in a row without an answer, after which a sensor is given up."""
_OTHER_DEVICES = ("amdgpu", "radeon", "nouveau", "i915", "xe", "nvme", "sfp")
"""How the names of chips begin that measure another device. An SFP module shows its light in watts."""
_WHOLE = frozenset({"vdd_in", "pom_5v_in", "total", "total power", "power total"})
"""Labels of the channel that measures all that a board draws: those of Jetson boards, and of power supplies
(hwmon/corsair-psu.rst). A Jetson AGX Orin has none: its VIN_SYS_5V0 is a rail beside VDD_GPU_SOC and VDD_CPU_CV."""
_SIDES = (re.compile(r"[pv]in[0-9]*"), re.compile(r"[pv]out[0-9]*"))
"""Labels of the input and of the outputs of a converter (hwmon/pmbus-core.rst). What it takes in contains what it puts
out, and an output contains its phases, such as pout1.0."""
_WHOLE_CHIPS = frozenset({"power_meter"})
"""Chips that measure the whole machine: the power meter of ACPI."""
_SOCKET = "esocket"
"""How amd_energy labels the counter of a socket, which contains those of its cores (hwmon/amd_energy.rst)."""
_BUSES = {"ina3221": range(1, 4)}
"""Channels of a chip that show a bus with its current, where others do not. On an INA3221, in4 to in6 are the voltages
of its shunts, in microvolts, in7 is their sum, and curr4 is the sum of the currents (hwmon/ina3221.rst)."""


class Counters:
    """Energy counters in microjoules, summed. A counter that wraps continues from zero."""

    tick = 1e-3
    windows = Windows()

    def __init__(self, source: str, counters: Sequence[tuple[Path, int]]) -> None:
        """Start at the present values of the files; with each goes the value after which it wraps, or 0."""
        self.source = source
        self._paths = [path for path, _ in counters]
        self._ranges = [most for _, most in counters]
        self._last = [_read(path) for path in self._paths]
        self._wrapped = 0

    def joules(self) -> float:
        """Return the joules since a fixed moment before this object was made.

        Raises:
            NoEnergyError: if a counter stopped answering.
        """
        now = [_read(path) for path in self._paths]
        self._wrapped += sum(most for place, most in enumerate(self._ranges) if now[place] < self._last[place])
        self._last = now
        return (sum(now) + self._wrapped) * _MICRO

    def close(self) -> None:
        """Do nothing: a counter counts by itself."""


class Power:
    """Watts that are read many times a second and summed to joules, from the first call of `joules` on."""

    def __init__(self, source: str, watts: Callable[[], float | None], *, tick: float, windows: Windows) -> None:
        """Take what reads the watts of the moment, or None for a reading that failed."""
        self.source = source
        self.tick = tick
        self.windows = windows
        self._watts = watts
        self._sum = 0.0
        self._failed = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def joules(self) -> float:
        """Return the joules since the first call.

        Raises:
            NoEnergyError: if the sensor stopped answering.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._add_up, daemon=True)
            self._thread.start()
        if self._failed >= _FAILURES:
            self.close()
            raise NoEnergyError(f"{self.source} stopped answering")
        return self._sum

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()

    def _add_up(self) -> None:
        before, then = self._watts(), monotonic()
        while not self._stop.wait(self.tick):
            watts, now = self._watts(), monotonic()
            if watts is None:
                self._failed += 1
                continue
            self._sum += (now - then) * (watts if before is None else (watts + before) / 2)
            before, then, self._failed = watts, now, 0


def find(classes: Path = CLASSES) -> Counters | Power:
    """Return the meter of the processor or the board: RAPL, else a sensor of hwmon, else a battery that discharges.

    A meter that this user may not read is passed over, and named as the reason only if no other is found.

    Args:
        classes: the folder /sys/class.

    Raises:
        NoEnergyError: if there is none, or this user may not read it.
    """
    absent = NoEnergyError(
        f"this machine has no energy meter under {classes}: neither RAPL, nor a power sensor of hwmon, nor a "
        "battery that discharges (virtual machines have none)"
    )
    try:
        packages = _rapl(classes / "powercap")
    except NoEnergyError as locked:
        packages, absent = None, locked
    found = packages or _hwmon(classes / "hwmon", classes / "power_supply") or _battery(classes / "power_supply")
    if found is None:
        raise absent
    return found


def pass_seconds(classes: Path = CLASSES) -> float:
    """Return about how long a pass with the meter of this machine takes, beside its calls; 0 if there is no meter.

    Args:
        classes: the folder /sys/class.
    """
    try:
        meter = find(classes)
    except NoEnergyError:
        return 0.0
    return sum(meter.windows) + _EDGES * meter.tick


def _rapl(powercap: Path) -> Counters | None:
    """Return the counters of all packages.

    Raises:
        NoEnergyError: if this user may not read them.
    """
    packages = [
        folder
        for folder in _folders(powercap)
        if "-rapl:" in folder.name and folder.name.count(":") == 1 and _text(folder / "name").startswith("package")
    ]
    for folder in packages:
        if _number(folder / "energy_uj") is None:
            raise NoEnergyError(
                f"the RAPL counter {folder / 'energy_uj'} is not readable by this user",
                "root can allow it until the next restart: chmod a+r on that file",
            )
    if not packages:
        return None
    counters = [(folder / "energy_uj", _number(folder / "max_energy_range_uj") or 0) for folder in packages]
    return Counters("RAPL, all packages, other processes included", counters)


def _hwmon(hwmon: Path, supplies: Path) -> Counters | Power | None:
    """Return the chip that measures the whole machine or, without one, the first that measures power.

    The kernel shows each battery and charger as a chip too, whose watts are no draw while it is charged.
    """
    supplied = {supply.name.replace("-", "_") for supply in _folders(supplies)}
    chips = [
        chip
        for chip in _folders(hwmon)
        if not _text(chip / "name").lower().startswith(_OTHER_DEVICES)
        and _text(chip / "name").replace("-", "_") not in supplied
        and not (chip / "device" / "type").exists()
    ]
    sensors = [sensor for chip in chips for sensor in [_chip(chip)] if sensor is not None]
    sensors.sort(key=lambda sensor: not sensor[0])
    return sensors[0][1] if sensors else None


def _chip(chip: Path) -> tuple[bool, Counters | Power] | None:
    """Return whether a chip measures the whole machine, and its meter: a counter before watts, watts before volts."""
    name = _text(chip / "name") or chip.name
    for make in (_energies, _watts, _volts_and_amperes):
        channels: dict[str, tuple[Path, ...]] = {}
        for label, files in make(chip):
            channels[f"{label} #{len(channels)}" if label in channels else label] = files
        if not channels:
            continue
        whole = [label for label in channels if label.lower() in _WHOLE]
        used = whole[:1] or _one_side(list(channels))
        everything = bool(whole) or name.lower() in _WHOLE_CHIPS
        scope = "the whole board" if everything else "what its sensor is wired to"
        source = f"hwmon {name} ({' + '.join(used)}), {scope}, other processes included"
        if make is _energies:
            return everything, Counters(source, [(channels[label][0], 0) for label in used])
        watts = partial(_sum_of_products, [channels[label] for label in used])
        return everything, Power(source, watts, tick=_TICK, windows=Windows())
    return None


def _one_side(labels: list[str]) -> list[str]:
    """Return the labels of the input of a converter, else those of its outputs, else all."""
    sides = [[label for label in labels if side.fullmatch(label)] for side in _SIDES]
    return next(filter(None, sides), labels)


def _energies(chip: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Counters in microjoules by label: those of the sockets alone, where there are such."""
    counters = _channels(chip, "energy", "input", _MOST_COUNTERS)
    found = [(_label(chip, f"energy{number}"), (path,)) for number, path in counters]
    sockets = [counter for counter in found if counter[0].lower().startswith(_SOCKET)]
    yield from (sockets or found)[:_MOST]


def _watts(chip: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Microwatts by label."""
    found = dict(_channels(chip, "power", "average"))
    found.update(_channels(chip, "power", "input"))
    for number, path in sorted(found.items()):
        yield _label(chip, f"power{number}"), (path,)


def _volts_and_amperes(chip: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Millivolts and milliamperes by label. An INA219 shows its shunt as in0, and the bus that it feeds as in1."""
    volts = dict(_channels(chip, "in", "input"))
    buses = _BUSES.get(_text(chip / "name").lower(), volts)
    for number, amperes in _channels(chip, "curr", "input"):
        if number in volts and number in buses:
            label = _text(chip / f"in{number}_label") or _label(chip, f"curr{number}")
            yield label, (volts[number], amperes)


def _channels(chip: Path, kind: str, suffix: str, most: int = _MOST) -> Iterator[tuple[int, Path]]:
    """Yield the channels of a chip that answer a number. One that is switched off answers an error."""
    for number in range(most):
        path = chip / f"{kind}{number}_{suffix}"
        if path.exists() and _number(path) is not None:
            yield number, path


def _label(chip: Path, channel: str) -> str:
    return _text(chip / f"{channel}_label") or channel


def _sum_of_products(channels: Sequence[tuple[Path, ...]]) -> float | None:
    """Return the watts of all channels, each of microwatts, or of millivolts and milliamperes; None if one failed.

    A current that flows back through a shunt that was soldered the other way round has a minus.
    """
    total = 0
    for files in channels:
        product = 1
        for path in files:
            value = _number(path)
            if value is None:
                return None
            product *= abs(value)
        total += product
    return total * _MICRO


def _battery(supplies: Path) -> Power | None:
    """Return the first battery that discharges: all that the device draws. Gauges are read once a second."""
    for supply in _folders(supplies):
        if _text(supply / "type") != "Battery" or _text(supply / "status") != "Discharging":
            continue
        power, parts = supply / "power_now", (supply / "current_now", supply / "voltage_now")
        if _number(power) is not None:
            files: tuple[Path, ...] = (power,)
            scale = 1.0
        elif all(_number(path) is not None for path in parts):
            files, scale = parts, _MICRO  # microamperes times microvolts
        else:
            continue
        source = f"battery {supply.name}, the whole device, other processes included"
        return Power(source, _scaled(supply, files, scale), tick=1.0, windows=Windows(idle=5.0, busy=10.0))
    return None


def _scaled(supply: Path, files: tuple[Path, ...], scale: float) -> Callable[[], float | None]:
    """Return what reads the watts of a battery; a reading fails as soon as it is being charged."""

    def watts() -> float | None:
        found = _sum_of_products([files]) if _text(supply / "status") == "Discharging" else None
        return None if found is None else found * scale

    return watts


def _folders(parent: Path) -> list[Path]:
    """Return the first folders of a class, by name; none if there is no such class."""
    try:
        return sorted(parent.iterdir())[:_MOST]
    except OSError:
        return []


def _text(path: Path) -> str:
    """Return the one line of a file without what is no printable ASCII, or an empty text."""
    try:
        with path.open("rb") as file:
            line = file.read(_LONGEST).split(b"\n")[0]
    except OSError:
        return ""
    return "".join(chr(byte) for byte in line if 0x20 <= byte < 0x7F).strip()[:40]


def _number(path: Path) -> int | None:
    """Return the number in a file; None if it cannot be read or holds anything else."""
    found = _NUMBER.fullmatch(_text(path))
    return int(found[0]) if found else None


def _read(path: Path) -> int:
    value = _number(path)
    if value is None:
        raise NoEnergyError(f"the energy counter {path} stopped answering")
    return value
