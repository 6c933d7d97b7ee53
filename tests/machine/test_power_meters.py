"""Energy meters in made-up trees of /sys/class, whose figures follow from the units of the kernel's documents."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dctbench.machine import power_meters
from dctbench.machine.energy import NoEnergyError


def files(folder: Path, **values: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")
    return folder


def package(classes: Path, name: str, energy: int, kind: str = "package-0") -> Path:
    made = files(classes / "powercap" / name, name=kind, max_energy_range_uj=1_000_000, energy_uj=energy)
    return made / "energy_uj"


def watts(classes: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """The joules that the meter of a tree adds up in one second of a clock that then stands still."""
    meter = power_meters.find(classes)
    moments = iter([0.0])
    monkeypatch.setattr(power_meters, "monotonic", lambda: next(moments, 1.0))
    monkeypatch.setattr(meter, "tick", 0.002)
    meter.joules()
    while not meter.joules():
        time.sleep(0.002)
    meter.close()
    return meter.joules()


def test_energy_counters_of_all_packages_add_up_and_wrap(tmp_path: Path) -> None:
    first = package(tmp_path, "intel-rapl:0", 900_000)
    package(tmp_path, "intel-rapl:1", 100_000, "package-1")
    package(tmp_path, "intel-rapl:0:0", 5, "core")
    package(tmp_path, "intel-rapl:2", 7, "psys")
    counter = power_meters.find(tmp_path)
    assert counter.source == "RAPL, all packages, other processes included"
    assert counter.joules() == pytest.approx(1.0)
    first.write_text("50000\n")
    assert counter.joules() == pytest.approx(1.15)
    first.write_text("broken")
    with pytest.raises(NoEnergyError, match="stopped answering"):
        counter.joules()


def test_meters_that_are_absent_or_locked_say_so(tmp_path: Path) -> None:
    with pytest.raises(NoEnergyError, match="no energy meter"):
        power_meters.find(tmp_path)
    package(tmp_path, "intel-rapl:0", 1).unlink()
    with pytest.raises(NoEnergyError, match="not readable") as refused:
        power_meters.find(tmp_path)
    assert "chmod" in str(refused.value.hint)


def test_a_locked_counter_does_not_hide_a_sensor_that_may_be_read(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 1).unlink()
    battery = files(tmp_path / "power_supply" / "BAT0", type="Battery", status="Discharging", power_now=8_000_000)
    assert power_meters.find(tmp_path).source.startswith("battery BAT0")
    files(tmp_path / "hwmon" / "hwmon0", name="ina219", power1_input=4_500_000)
    assert power_meters.find(tmp_path).source.startswith("hwmon ina219")
    (tmp_path / "hwmon" / "hwmon0" / "power1_input").unlink()
    files(battery, status="Full")
    with pytest.raises(NoEnergyError, match="not readable"):
        power_meters.find(tmp_path)


def test_a_sensor_shows_microwatts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path / "hwmon" / "hwmon0", name="cpu_thermal", temp1_input=45_000)
    files(
        tmp_path / "hwmon" / "hwmon1",
        name="ina219", power1_input=4_500_000, in0_input=9, in1_input=5_000, curr1_input=900,
    )  # fmt: skip
    meter = power_meters.find(tmp_path)
    assert meter.source == "hwmon ina219 (power1), what its sensor is wired to, other processes included"
    assert watts(tmp_path, monkeypatch) == pytest.approx(4.5)


def test_volts_times_amperes_of_the_channel_of_the_whole_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(
        tmp_path / "hwmon" / "hwmon3",
        name="ina3221", in1_label="VDD_IN", in1_input=5_000, curr1_input=-1_200,
        in2_label="VDD_CPU_GPU_CV", in2_input=5_000, curr2_input=400,
        in3_label="VDD_SOC", in3_input="off", curr3_input=7,
    )  # fmt: skip
    assert power_meters.find(tmp_path).source == "hwmon ina3221 (VDD_IN), the whole board, other processes included"
    assert watts(tmp_path, monkeypatch) == pytest.approx(6.0)


def test_channels_that_are_all_parts_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(
        tmp_path / "hwmon" / "hwmon0",
        name="ina3221", in1_label="CPU", in1_input=5_000, curr1_input=200, in2_label="CPU", in2_input=5_000,
        curr2_input=400,
    )  # fmt: skip
    assert "(CPU + CPU #1)" in power_meters.find(tmp_path).source
    assert watts(tmp_path, monkeypatch) == pytest.approx(3.0)


def test_the_sums_and_shunts_of_an_ina3221_are_no_further_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel shows an INA3221 on three rails: in4 to in6 in microvolts, in7 and curr4 are sums."""
    files(
        tmp_path / "hwmon" / "hwmon0", name="ina3221",
        in1_label="VDD_GPU_SOC", in1_input=19_000, curr1_input=300, in4_input=600,
        in2_label="VDD_CPU_CV", in2_input=19_000, curr2_input=100, in5_input=200,
        in3_label="VIN_SYS_5V0", in3_input=5_000, curr3_input=800, in6_input=4_000,
        in7_label="sum of shunt voltages", in7_input=4_800, curr4_input=1_200,
    )  # fmt: skip
    source = power_meters.find(tmp_path).source
    assert source.startswith("hwmon ina3221 (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0), what its sensor is wired to")
    assert watts(tmp_path, monkeypatch) == pytest.approx(5.7 + 1.9 + 4.0)


def test_the_counters_of_sockets_contain_those_of_their_cores(tmp_path: Path) -> None:
    """As amd_energy shows two sockets of 48 cores."""
    labels = [*(f"Ecore{number:03d}" for number in range(96)), "Esocket0", "Esocket1"]
    chip = files(
        tmp_path / "hwmon" / "hwmon0",
        name="amd_energy",
        **{f"energy{number}_label": label for number, label in enumerate(labels, 1)},
        **{f"energy{number}_input": 1_000_000 for number in range(1, 99)},
    )
    meter = power_meters.find(tmp_path)
    assert "amd_energy (Esocket0 + Esocket1)" in meter.source
    before = meter.joules()
    files(chip, energy1_input=3_000_000, energy97_input=6_000_000, energy98_input=2_000_000)
    assert meter.joules() - before == pytest.approx(5.0 + 1.0)


def test_a_counter_of_hwmon_is_read_as_such_and_other_devices_are_passed_over(tmp_path: Path) -> None:
    files(tmp_path / "hwmon" / "hwmon0", name="amdgpu", power1_input=30_000_000)
    files(tmp_path / "hwmon" / "hwmon1", name="sfp1", power1_input=400)
    made = files(tmp_path / "hwmon" / "hwmon2", name="amd_energy", energy1_input=2_000_000, energy1_label="Esocket0")
    meter = power_meters.find(tmp_path)
    before = meter.joules()
    (made / "energy1_input").write_text("5000000\n")
    assert meter.joules() - before == pytest.approx(3.0)
    assert "amd_energy (Esocket0)" in meter.source


def test_the_power_meter_of_the_machine_comes_before_that_of_a_part(tmp_path: Path) -> None:
    files(tmp_path / "hwmon" / "hwmon0", name="ina226", power1_input=1_000_000)
    files(tmp_path / "hwmon" / "hwmon1", name="power_meter", power1_average=80_000_000)
    assert power_meters.find(tmp_path).source.startswith("hwmon power_meter (power1), the whole board")


@pytest.mark.parametrize("linked", [True, False], ids=["device link", "name alone"])
def test_a_battery_that_the_kernel_also_shows_as_a_chip_is_no_sensor_of_the_board(tmp_path: Path, linked: bool) -> None:
    """The kernel shows a power supply as a chip of its name, too, whose parent is the supply."""
    battery = files(
        tmp_path / "power_supply" / "cw2015-battery", type="Battery", status="Charging", power_now=9_000_000
    )
    chip = files(tmp_path / "hwmon" / "hwmon1", name="cw2015_battery", power1_input=9_000_000)
    if linked:
        (chip / "device").symlink_to(battery)
        files(chip, name="another_name")
    with pytest.raises(NoEnergyError, match="nor a battery that discharges"):
        power_meters.find(tmp_path)
    files(battery, status="Discharging")
    assert power_meters.find(tmp_path).source.startswith("battery cw2015-battery, the whole device")
    files(tmp_path / "hwmon" / "hwmon2", name="ina219", power1_input=4_500_000)
    (tmp_path / "hwmon" / "hwmon2" / "device").mkdir()
    assert power_meters.find(tmp_path).source.startswith("hwmon ina219")


def test_the_total_of_a_power_supply_is_not_added_to_its_rails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(
        tmp_path / "hwmon" / "hwmon0", name="corsairpsu",
        power1_label="power total", power1_input=120_000_000, power2_label="power +12v", power2_input=90_000_000,
        power3_label="power +5v", power3_input=20_000_000, power4_label="power +3.3v", power4_input=10_000_000,
    )  # fmt: skip
    assert "(power total), the whole board" in power_meters.find(tmp_path).source
    assert watts(tmp_path, monkeypatch) == pytest.approx(120.0)


def test_the_outputs_of_a_converter_are_not_added_to_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chip = files(
        tmp_path / "hwmon" / "hwmon0", name="lm25066",
        power1_label="pin", power1_input=60_000_000, power2_label="pout1", power2_input=30_000_000,
        power3_label="pout1.0", power3_input=15_000_000, power4_label="pout1.1", power4_input=15_000_000,
        power5_label="pout2", power5_input=20_000_000,
    )  # fmt: skip
    assert watts(tmp_path, monkeypatch) == pytest.approx(60.0)
    (chip / "power1_input").unlink()
    assert "(pout1 + pout2)" in power_meters.find(tmp_path).source


@pytest.mark.parametrize(
    "values",
    [{"power_now": 8_000_000}, {"current_now": -1_000_000, "voltage_now": 8_000_000}],
    ids=["power", "current"],
)
def test_a_battery_that_discharges_shows_what_the_device_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, int]
) -> None:
    files(tmp_path / "power_supply" / "AC", type="Mains", online=0)
    battery = files(tmp_path / "power_supply" / "BAT0", type="Battery", status="Discharging", **values)
    assert power_meters.find(tmp_path).source == "battery BAT0, the whole device, other processes included"
    assert watts(tmp_path, monkeypatch) == pytest.approx(8.0)
    files(battery, status="Charging")
    with pytest.raises(NoEnergyError, match="nor a battery that discharges"):
        power_meters.find(tmp_path)


def test_the_time_of_a_pass_is_that_of_its_windows_and_a_battery_takes_longest(tmp_path: Path) -> None:
    assert power_meters.pass_seconds(tmp_path) == 0
    files(tmp_path / "power_supply" / "BAT0", type="Battery", status="Discharging", power_now=8_000_000)
    assert power_meters.pass_seconds(tmp_path) == pytest.approx(15 + 2)
    files(tmp_path / "hwmon" / "hwmon0", name="ina219", power1_input=4_500_000)
    assert power_meters.pass_seconds(tmp_path) == pytest.approx(3, abs=0.1)
    package(tmp_path, "intel-rapl:0", 1)
    assert power_meters.pass_seconds(tmp_path) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("content", ["", "nan", "1e9", "9" * 40, "-", "\0\1\2", "7" * 100_000, "12 34"])
def test_what_is_no_number_is_no_reading(tmp_path: Path, content: str) -> None:
    files(tmp_path / "hwmon" / "hwmon0", name="ina219", power1_input=content, energy1_input=content)
    files(tmp_path / "power_supply" / "BAT0", type="Battery", status="Discharging", power_now=content)
    with pytest.raises(NoEnergyError, match="no energy meter"):
        power_meters.find(tmp_path)


def test_a_name_may_be_anything_and_is_shortened(tmp_path: Path) -> None:
    chip = files(tmp_path / "hwmon" / "hwmon0", power1_input=1, power1_label="\x1b[31mrail\x7f" + "x" * 900)
    (chip / "name").write_bytes(b"ina\xff\xfe219")
    source = power_meters.find(tmp_path).source
    assert source.isprintable()
    assert source.isascii()
    assert len(source) < 140


def test_a_sensor_that_stops_answering_ends_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chip = files(tmp_path / "hwmon" / "hwmon0", name="ina219", power1_input=1_000_000)
    meter = power_meters.find(tmp_path)
    monkeypatch.setattr(meter, "tick", 0.002)
    meter.joules()
    (chip / "power1_input").unlink()
    with pytest.raises(NoEnergyError, match="stopped answering"):  # noqa: PT012 - it takes some readings
        for _ in range(1000):
            time.sleep(0.01)
            meter.joules()
