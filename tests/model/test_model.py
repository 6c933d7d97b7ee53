"""Identity of cases, and numbers kept by a ratio."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.model import Case, digest, kept_coefficients


@given(st.integers(1, 1 << 24), st.integers(1, 1 << 24))
def test_kept_coefficients_is_the_ceiling_of_n_over_ratio(seq_len: int, ratio: int) -> None:
    exact = Fraction(seq_len, ratio)
    assert kept_coefficients(seq_len, ratio) == max(1, -(-exact.numerator // exact.denominator))


@given(st.integers(1, 1 << 20), st.data())
def test_a_ratio_written_as_n_over_m_keeps_m(seq_len: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, seq_len))
    assert kept_coefficients(seq_len, seq_len / kept) == kept


def test_the_id_ignores_what_is_derived_and_sees_everything_else() -> None:
    case = Case("dct-x", 1024, 8)
    assert Case.from_json(case.to_json()) == case
    assert Case.from_json({**case.to_json(), "n_kept": 999}).id == case.id
    others = [Case("dct-x", 1024, 4), Case("dct-x", 512, 8), Case("dct-x", 1024, 8, threads=1),
              Case("dct-x", 1024, 8, dtype="bfloat16"), Case("dct-x", 1024, 8, mode="train")]  # fmt: skip
    assert len({case.id, *(other.id for other in others)}) == 6


def test_the_json_form_has_the_promised_keys_in_order() -> None:
    assert list(Case("sdpa", 8).to_json()) == [
        "implementation", "scope", "seq_len", "ratio", "n_kept", "batch", "heads", "head_dim", "dtype", "device",
        "mode", "engine", "threads", "task",
    ]  # fmt: skip


def test_a_digest_depends_on_the_value_and_not_on_key_order() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))
