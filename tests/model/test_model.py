"""Identity of cases, and numbers kept by a ratio."""

from __future__ import annotations

import hashlib
import json
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
              Case("dct-x", 1024, 8, dtype="bfloat16"), Case("dct-x", 1024, 8, mode="train"),
              Case("dct-x", 1024, kept=128)]  # fmt: skip
    assert len({case.id, *(other.id for other in others)}) == 7


def test_the_id_of_a_case_without_kept_is_that_of_the_record_from_before_there_was_kept() -> None:
    record = (
        '{"batch":1,"device":"cpu","dtype":"float32","engine":"eager","head_dim":64,"heads":8,'
        '"implementation":"dct-x","mode":"forward","ratio":8,"scope":"layer","seq_len":1024,"task":null,"threads":null}'
    )
    assert Case("dct-x", 1024, 8).id == hashlib.sha256(record.encode()).hexdigest()[:16]
    assert Case.from_json(json.loads(record)).kept is None


@pytest.mark.parametrize(("seq_len", "kept", "n_kept"), [(1024, 64, 64), (32, 64, 32), (64, 64, 64)])
def test_kept_is_what_remains_at_any_length_but_never_more_than_the_length(
    seq_len: int, kept: int, n_kept: int
) -> None:
    case = Case("nystromformer", seq_len, kept=kept)
    assert (case.n_kept, case.ratio, case.name) == (n_kept, None, f"nystromformer kept={kept}")
    assert Case.from_json(case.to_json()) == Case.from_json(case.to_record()) == case
    assert (case.shape, case.facet) == (Case("sdpa", seq_len).shape, Case("sdpa", seq_len).facet)
    assert case.row != Case("nystromformer", seq_len, 8).row


@pytest.mark.parametrize(
    ("device", "ranks", "devices"),
    [
        ("cuda:1", 3, ("cuda:1", "cuda:2", "cuda:3")),
        ("cuda:1", None, ("cuda:1",)),
        ("cpu", 2, ("cpu", "cpu")),
        ("cpu", None, ("cpu",)),
    ],
)
def test_ranks_have_a_gpu_each_and_share_the_cpu(device: str, ranks: int | None, devices: tuple[str, ...]) -> None:
    assert Case("sdpa", 64, device=device, ranks=ranks).devices == devices


def test_the_json_form_has_the_promised_keys_in_order() -> None:
    assert list(Case("sdpa", 8).to_json()) == [
        "implementation", "scope", "seq_len", "ratio", "kept", "n_kept", "batch", "heads", "head_dim", "dtype",
        "device", "mode", "engine", "threads", "task", "period", "deadline", "model", "layers", "recover",
        "input",
        "ranks",
    ]  # fmt: skip


def test_a_digest_depends_on_the_value_and_not_on_key_order() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))
