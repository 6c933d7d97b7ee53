"""The fused kernel: under Triton's interpreter against scipy, compiled for GPUs without one, and refused elsewhere."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dctbench.attention import build
from dctbench.errors import UnavailableError, UnsupportedError, UsageError
from dctbench.transforms import BasisDct, Resampler, TritonDct, make_dct, plan_dct, triton_dct
from dctbench.worker.metrics import flops

pytest.importorskip("triton", reason="Triton has no wheels for this system")
KERNELS = "dctbench.transforms.triton_kernels"
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
ALLOWED = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Of the norm. The interpreter cuts bfloat16 off, which a GPU rounds, so that its errors are twice as large."""


@pytest.fixture(scope="module", autouse=True)
def interpreter() -> Iterator[None]:
    """Kernels in Python. Triton decides when a kernel is defined."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        sys.modules.pop(KERNELS, None)
        assert importlib.import_module(KERNELS).INTERPRETED
        yield
        sys.modules.pop(KERNELS)


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def exact_dct(x: Tensor, n_kept: int) -> Tensor:
    return torch.from_numpy(scipy.fft.dct(x.double().numpy(), type=2, norm="ortho", axis=-2)[..., :n_kept, :])


def exact_inverse(z: Tensor, seq_len: int) -> Tensor:
    padded = np.zeros((*z.shape[:-2], seq_len, z.shape[-1]))
    padded[..., : z.shape[-2], :] = z.double().numpy()
    return torch.from_numpy(scipy.fft.idct(padded, type=2, norm="ortho", axis=-2))


def off(got: Tensor, exact: Tensor) -> float:
    return float((got.double() - exact).norm() / exact.norm())


# Accuracy

SHAPES = [
    # n, m, block, batch, columns
    (1, 1, 16, 1, 1),
    (2, 1, 16, 2, 3),
    (7, 7, 16, 2, 5),  # one block, most of it beyond the sequence
    (64, 16, 32, 3, 16),
    (65, 65, 16, 1, 17),  # the last block holds the middle alone
    (96, 70, 16, 1, 5),  # more than one tile of coefficients
    (97, 31, 32, 2, 40),  # three tiles of columns, the last one half
    (151, 19, 48, 2, 33),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("seq_len", "n_kept", "block", "batch", "columns"), SHAPES)
def test_equals_scipy(seq_len: int, n_kept: int, block: int, batch: int, columns: int, dtype: torch.dtype) -> None:
    transform = TritonDct(seq_len, n_kept, block=block, dtype=dtype)
    x, z = normal(batch, seq_len, columns, dtype=dtype), normal(batch, n_kept, columns, dtype=dtype, seed=1)
    y, w = transform(x), transform.inverse(z)
    assert (y.dtype, w.dtype) == (dtype, dtype)
    assert off(y, exact_dct(x, n_kept)) <= ALLOWED[dtype]
    assert off(w, exact_inverse(z, seq_len)) <= ALLOWED[dtype]


@given(data=st.data(), seq_len=st.integers(1, 90), block=st.sampled_from([16, 32]), batch=st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_any_shape_equals_scipy_and_the_inverse_is_the_adjoint(
    data: st.DataObject, seq_len: int, block: int, batch: int
) -> None:
    n_kept = data.draw(st.integers(1, seq_len))
    transform = TritonDct(seq_len, n_kept, block=block)
    x, z = normal(batch, seq_len, 3), normal(batch, n_kept, 3, seed=1)
    y, w = transform(x), transform.inverse(z)
    assert (y.double() - exact_dct(x, n_kept)).abs().max() <= 5e-6
    assert (w.double() - exact_inverse(z, seq_len)).abs().max() <= 5e-6
    assert (y * z).sum().item() == pytest.approx((x * w).sum().item(), rel=1e-4, abs=1e-4)


def test_rows_keep_their_order() -> None:
    transform, x = TritonDct(40, 9, block=16), normal(1, 40, 3)
    assert torch.equal(transform(x, ordered=False), transform(x))


# In a network


def test_gradients_are_the_adjoint_and_have_gradients() -> None:
    transform = TritonDct(30, 8, block=16)
    x, z = normal(2, 30, 3).requires_grad_(), normal(2, 8, 3, seed=1).requires_grad_()
    [gradient] = torch.autograd.grad((transform(x) * z).sum(), x, create_graph=True)
    torch.testing.assert_close(gradient, transform.inverse(z))
    weights = normal(2, 30, 3, seed=2)
    [second] = torch.autograd.grad((gradient * weights).sum(), z)
    torch.testing.assert_close(second, transform(weights))
    [of_inverse] = torch.autograd.grad((transform.inverse(z) * weights).sum(), z)
    torch.testing.assert_close(of_inverse, transform(weights))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own, in its forward mode
def test_the_transforms_of_torch_func_see_a_linear_map() -> None:
    transform, exact = TritonDct(30, 8, block=16), BasisDct(30, 8)
    x, tangent = normal(4, 2, 30, 3), normal(4, 2, 30, 3, seed=1)
    torch.testing.assert_close(torch.func.vmap(transform)(x), exact(x))
    y, dy = torch.func.jvp(transform, (x[0],), (tangent[0],))[:2]
    torch.testing.assert_close(y, exact(x[0]))
    torch.testing.assert_close(dy, exact(tangent[0]))
    per_sample = torch.func.vmap(torch.func.grad(lambda x: transform(x).square().sum()))(x)
    torch.testing.assert_close(per_sample, 2 * exact.inverse(exact(x)))


def test_a_compiler_takes_it_for_one_operator_and_differentiates_it() -> None:
    transform = TritonDct(30, 8, block=16)
    compiled = torch.compile(lambda x: transform(x).sin(), backend="aot_eager", fullgraph=True)
    x, y = normal(2, 30, 3).requires_grad_(), normal(2, 30, 3).requires_grad_()
    compiled(x).sum().backward()
    transform(y).sin().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_views_are_transformed_like_their_copies_and_leading_dimensions_are_a_batch() -> None:
    transform = TritonDct(32, 8, block=16)
    wide = normal(4, 40, 32).transpose(1, 2)[1::2, :, 3:10]  # (2, 32, 7)
    torch.testing.assert_close(transform(wide), transform(wide.contiguous()))
    repeated = normal(1, 32, 7).expand(3, -1, -1)
    torch.testing.assert_close(transform(repeated), transform(repeated.contiguous()))
    narrow = normal(2, 7, 8).transpose(1, 2)
    torch.testing.assert_close(transform.inverse(narrow), transform.inverse(narrow.contiguous()))
    many = normal(2, 3, 32, 4)
    torch.testing.assert_close(transform(many), exact_dct(many, 8).float(), atol=5e-6, rtol=0)


def test_tables_follow_the_module_and_stay_out_of_its_state() -> None:
    transform = TritonDct(60, 8, block=32)
    assert not transform.state_dict()
    x = normal(1, 60, 3, dtype=torch.float16)
    assert off(transform.half()(x), exact_dct(x, 8)) <= ALLOWED[torch.float16]
    assert transform.table_bytes == sum(table.nbytes for table in transform.buffers())
    assert transform(x[:0]).shape == (0, 8, 3)


def test_flops_are_counted_without_a_gpu_as_they_are_stated() -> None:
    transform = TritonDct(1000, 125, block=64, device="meta")
    x, z = (torch.empty(2, rows, 24, device="meta") for rows in (1000, 125))
    assert flops.count(lambda: transform(x)).flops == transform.flops(48)
    assert flops.count(lambda: transform.inverse(z)) == flops.Count(transform.flops(48), ())
    p = transform.compress.shape[1]
    assert transform.flops(1) == 2 * p * 8 * (2 * 64 + 125)  # eight blocks hold 500 rows


@pytest.mark.parametrize("name", ["dct-x", "dct-qkv", "dct-kv", "dct-resample"])
def test_a_layer_gives_the_same_result_by_it(name: str) -> None:
    made = {}
    for transform in ("triton", "basis"):
        torch.manual_seed(0)
        layer = build(name, seq_len=48, dim=16, heads=2, ratio=4, transform=transform).eval()
        with torch.inference_mode():
            made[transform] = layer(normal(2, 48, 16))
        assert transform in layer.plan  # type: ignore[operator]
    torch.testing.assert_close(made["triton"], made["basis"], atol=1e-5, rtol=1e-4)


# The plan


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_it_is_never_chosen_without_its_name(dtype: torch.dtype) -> None:
    for seq_len in (64, 1000, 4096, 32_768):
        for ratio in (1, 8, 32):
            plan = plan_dct(seq_len, max(1, seq_len // ratio), 512, dtype=dtype, device_type="cuda")
            assert plan.algorithm != "triton"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ratio", [1, 2, 8, 32])
@pytest.mark.parametrize("seq_len", [1, 97, 1024, 8192])
def test_its_name_chooses_blocks_that_its_kernel_can_hold(seq_len: int, ratio: int, dtype: torch.dtype) -> None:
    n_kept = max(1, seq_len // ratio)
    plan = plan_dct(seq_len, n_kept, 512, transform="triton", dtype=dtype)
    assert plan_dct(seq_len, n_kept, 512, transform=str(plan), dtype=dtype) == plan
    made = make_dct(seq_len, n_kept, 512, transform="triton", dtype=dtype, device="meta")
    assert made.plan == str(plan)
    assert isinstance(made, TritonDct)
    assert made.compress.shape[1] <= triton_dct.max_rank(dtype)


def test_a_resampler_uses_it_for_both_lengths() -> None:
    assert Resampler(64, 16, 3, transform="triton").plan == "triton:16 + triton:16"


# Refusals


def test_without_triton_it_is_unavailable_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="needs Triton, which is not installed") as refused:
        make_dct(64, 8, 4, transform="triton")
    assert "pip install triton" in str(refused.value.hint)
    assert make_dct(64, 8, 4, transform="triton", device="meta").flops(1)  # FLOPs need no kernel


def test_on_a_device_that_is_no_gpu_it_is_unavailable_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{KERNELS}.INTERPRETED", False)
    with pytest.raises(UnavailableError, match="needs a GPU; it cannot run on cpu") as refused:
        make_dct(64, 8, 4, transform="triton")
    assert "transform, such as auto" in str(refused.value.hint)
    assert refused.value.exit_code == 6


def test_float64_and_blocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="does not compute in float64"):
        make_dct(64, 8, 4, transform="triton", dtype=torch.float64)
    with pytest.raises(UnsupportedError, match="does not compute in float64"):
        TritonDct(64, 8, block=16).double()(normal(1, 64, 4, dtype=torch.float64))
    with pytest.raises(UsageError, match="multiple of 16 rows, not 24"):
        TritonDct(64, 8, block=24)
    with pytest.raises(UsageError, match="needs 64 sequences; the transform triton holds 32"):
        TritonDct(64, 64, block=64)
    with pytest.raises(UsageError, match="no transform 'triton:24'"):
        plan_dct(64, 8, 4, transform="triton:24")


def test_triton_is_imported_for_its_own_transform_only() -> None:
    code = (
        "import sys, torch\n"
        "import dctbench\n"
        "from dctbench.attention import build\n"
        "from dctbench.transforms import make_dct\n"
        "layer = build('dct-x', seq_len=512, dim=16, heads=2, ratio=8)\n"
        "layer(torch.zeros(1, 512, 16))\n"
        "make_dct(64, 8, 4, transform='triton', device='meta')\n"
        "sys.exit('triton' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# Compiled for GPUs

COMPILE = """
import os, re, subprocess, sys, tempfile
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dctbench.transforms import make_dct, triton_kernels

POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
for case in sys.argv[1:]:
    n, m, batch, name, capability = case.split(",")
    dtype = getattr(torch, name)
    transform = make_dct(int(n), int(m), 512, transform="triton", dtype=dtype, device="meta")
    for inverse in (False, True):
        kernel = triton_kernels.inverse_kernel if inverse else triton_kernels.forward_kernel
        repeats = int(batch) * (transform.blocks if inverse else 1)
        sizes = triton_kernels.tile_sizes(inverse, dtype, tuple(transform.compress.shape), int(m), 512, repeats)
        warps = sizes.pop("num_warps")
        tensors = ("x", "z", "compress", "weights", "phase")
        # As in a launch, an argument that is 1 is a constant of the kernel.
        tiles = -(-int(m) // (2 * sizes["KEPT"]))
        numbers = {"n_kept": int(m), "blocks": transform.blocks, "tiles": tiles, "even": transform.even}
        constants = sizes | {one: 1 for one, number in numbers.items() if number == 1 and one in kernel.arg_names}
        kinds = {
            one: "constexpr" if one in constants else POINTERS[dtype] if one in tensors else "i32"
            for one in kernel.arg_names
        }
        aligned = (*tensors, "columns", "batch_stride", "row_stride")
        hints = {(place,): [["tt.divisibility", 16]] for place, one in enumerate(kernel.arg_names) if one in aligned}
        source = ASTSource(kernel, kinds, constexprs=constants, attrs=hints)
        made = triton.compile(source, target=GPUTarget("cuda", int(capability), 32), options={"num_warps": warps})
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(made.asm["cubin"])
            file.flush()
            tool = os.path.join(os.path.dirname(triton.__file__), "backends", "nvidia", "bin", "cuobjdump")
            used = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
        stack = re.search(r"STACK:(\\d+)", used)[1]
        tensor_cores = len(re.findall(r"\\bmma\\.sync|wgmma\\.mma", made.asm["ptx"]))
        print(case, int(inverse), made.metadata.shared, stack, tensor_cores)
"""


def test_its_kernels_compile_for_gpus_and_fit_their_memory_and_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An A100, an RTX 30 and an H100. Half precision uses tensor cores, and float32 does not, since they take TF32."""
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    cases = ["1024,128,1,bfloat16,80", "8192,1024,16,bfloat16,90", "4093,512,1,float16,86", "8192,1024,16,float32,86",
             "16,1,1,float32,80"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, *cases], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [case for case in cases for _ in range(2)]
    for case, _, shared, stack, tensor_cores in rows:
        assert int(shared) <= 99 * 1024  # what a block may have on the GPUs with the least of it since Ampere
        assert int(stack) == 0  # no register is spilled
        assert (int(tensor_cores) > 0) is ("float32" not in case)
