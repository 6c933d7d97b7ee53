"""Inputs with their spectra: one entry for each input and shape, with all methods that were measured on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import summarise
from dctbench.analysis.spectrum import on_inputs
from dctbench.model import Result, ResultDetails, Spectrum
from tests.support.made import result

SHARES = {"x": (0.1, 0.5, 0.9)}


def on(name: str | None, seq_len: int, method: str, kept: tuple[int, ...] | None = (1, 16, 32)) -> Result:
    spectrum = None if kept is None else Spectrum(kept, SHARES, SHARES)
    one = result(method, seq_len)
    return replace(one, case=replace(one.case, input=name), details=ResultDetails(spectrum=spectrum))


def test_inputs_are_in_order_of_length_each_with_its_methods() -> None:
    made = [on("photo", 128, "sdpa"), on("photo", 64, "sdpa"), on("ecg", 64, "sdpa"), on("photo", 64, "fnet"),
            on(None, 64, "sdpa")]  # fmt: skip
    found = on_inputs(summarise(made))
    told = [(f.case.input, f.case.seq_len, [s.case.implementation for s in f.methods]) for f in found]
    assert told == [("photo", 64, ["sdpa", "fnet"]), ("ecg", 64, ["sdpa"]), ("photo", 128, ["sdpa"])]
    assert [one.spectrum.kept for one in found] == [(1, 16, 32)] * 3


def test_the_first_spectrum_that_can_be_true_counts() -> None:
    made = [on("photo", 64, "sdpa", None), on("photo", 64, "fnet", (16, 32, 64)), on("photo", 64, "full", (2, 8, 16))]
    [found] = on_inputs(summarise(made))
    assert found.spectrum.kept == (2, 8, 16)
    assert len(found.methods) == 3
    for none in ([], [on("ecg", 64, "sdpa", None)], [on("ecg", 64, "sdpa", ())], [on("ecg", 64, "sdpa", (16, 32, 65))]):
        assert on_inputs(summarise(none)) == []


def test_a_quarter_is_the_closest_number_kept_and_noise_has_the_same_energy_in_each_frequency() -> None:
    [found] = on_inputs(summarise([on("photo", 65, "sdpa", (2, 15, 33))]))
    assert found.quarter == 1
    assert found.even(17) == pytest.approx(16 / 64)
