"""Which backend is chosen, and what is said when one can't be."""

from __future__ import annotations

import importlib.util
import platform
import sys
import warnings
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import llvmlite.binding
import numba
import pytest
import torch

from dd3g.core.errors import InputError, MissingExtraError
from dd3g.render import backends, rasterize
from dd3g.render.backends import BACKENDS, choose_backend
from dd3g.render.gsplat import VERSION
from dd3g.render.gsplat import rasterize as rasterize_gsplat
from dd3g.render.processor import obstacle
from dd3g.render.reference import rasterize as rasterize_reference
from dd3g.render.validation import prepare_scenes
from tests.render.scenes import shell, two_views

CPU, CUDA, F32, F64 = torch.device("cpu"), torch.device("cuda", 0), torch.float32, torch.float64


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DD3G_RENDERER", raising=False)
    backends._warn_of_slowness.cache_clear()


def test_cpu_tensors_are_drawn_by_the_cpu_backend() -> None:
    assert choose_backend(None, CPU, F32) == "cpu"


def test_the_argument_beats_the_environment_and_that_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD3G_RENDERER", "reference")
    assert choose_backend(None, CPU, F32) == "reference"
    assert choose_backend("cpu", CPU, F32) == "cpu"


def test_pictures_are_drawn_by_whom_the_environment_or_the_argument_names(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = shell(40), two_views(), torch.zeros(3)
    ours, oracle = (rasterize(*scene, backend=name).rgb for name in ("cpu", "reference"))
    assert not torch.equal(ours, oracle)  # rounding tells them apart
    monkeypatch.setenv("DD3G_RENDERER", "reference")
    assert torch.equal(rasterize(*scene).rgb, oracle)
    assert torch.equal(rasterize(*scene, backend="cpu").rgb, ours)


def test_an_unknown_name_is_answered_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"backend: found 'cuda', which is no renderer; known are cpu, gpu, gsplat, reference"):
        choose_backend("cuda", CPU, F32)
    monkeypatch.setenv("DD3G_RENDERER", "fast")
    with pytest.raises(InputError, match=r"DD3G_RENDERER: found 'fast'"):
        choose_backend(None, CPU, F32)


def test_a_backend_refuses_another_device_and_precision() -> None:
    with pytest.raises(InputError, match=r"'gsplat' renders tensors on cuda, found them on cpu"):
        choose_backend("gsplat", CPU, F32)
    with pytest.raises(InputError, match=r"'cpu' renders tensors on cpu, found them on cuda:0"):
        choose_backend("cpu", CUDA, F32)
    with pytest.raises(InputError, match=r"'cpu' renders float32, found float64; .*'reference'"):
        choose_backend("cpu", CPU, F64)
    with pytest.raises(InputError, match=r"none renders on mps"):
        choose_backend(None, torch.device("mps"), F32)


def test_every_row_of_the_table_is_a_module_with_a_rasterize_function() -> None:
    for name in BACKENDS:
        assert callable(backends.load_backend(name))


# ---------------------------------------------------------------- processors without FMA
def test_a_processor_without_fma_falls_back_to_the_reference_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "obstacle", lambda: "this processor has no AVX2 and FMA")
    gaussians, cameras = shell(20), two_views()
    with pytest.warns(RuntimeWarning, match=r"backend 'reference', .* no AVX2 and FMA"):
        fallen_back = rasterize(gaussians, cameras, torch.zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = rasterize(gaussians, cameras, torch.zeros(3))
    assert torch.equal(fallen_back.rgb, again.rgb)
    assert torch.equal(fallen_back.rgb, rasterize(gaussians, cameras, torch.zeros(3), backend="reference").rgb)


def test_a_processor_without_fma_refuses_the_cpu_backend_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "obstacle", lambda: "this processor has no AVX2 and FMA")
    with pytest.raises(InputError, match=r"backend: 'cpu' can't run here, since this processor has no AVX2 and FMA; use 'reference'"):
        choose_backend("cpu", CPU, F32)


@pytest.mark.parametrize(
    ("machine", "features", "found"),
    [
        ("x86_64", {"avx2": True, "fma": True}, None),
        ("AMD64", {"avx2": True, "fma": True}, None),
        ("x86_64", {"avx2": True, "fma": False}, "this processor has no AVX2 and FMA"),
        ("x86_64", {}, "this processor has no AVX2 and FMA"),
        ("arm64", {}, None),
        ("aarch64", {}, None),
        ("riscv64", {}, "there is no vector code for riscv64 processors"),
    ],
)
def test_processors_are_told_apart(monkeypatch: pytest.MonkeyPatch, machine: str, features: dict[str, bool], found: str | None) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    assert obstacle() == found


def test_what_the_user_told_numba_to_compile_for_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+avx,+sse4.2")
    assert obstacle() == "this processor has no AVX2 and FMA"
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+avx2,+fma")
    assert obstacle() is None
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert obstacle() == "NUMBA_DISABLE_JIT is set"


# ---------------------------------------------------------------- gsplat
def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace() if name in names else None)


def test_gaussians_on_a_gpu_without_a_package_for_it_are_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"'triton', .*pip install 'dd3g\[gpu\]', or .*reference"):
        choose_backend(None, CUDA, F32)


def test_gaussians_on_a_gpu_are_drawn_by_triton_else_by_gsplat(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "triton", "gsplat")
    assert choose_backend(None, CUDA, F32) == "gpu"
    installed(monkeypatch, "gsplat")
    assert choose_backend(None, CUDA, F32) == "gsplat"


def test_the_gpu_backend_takes_cpu_tensors_under_the_interpreter_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert choose_backend("gpu", CPU, F32) == "gpu"
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(InputError, match=r"'gpu' renders tensors on cuda, found them on cpu"):
        choose_backend("gpu", CPU, F32)


def test_gsplat_by_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gsplat", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dd3g\[gpu\]'"):
        rasterize_gsplat(*prepare_scenes(shell(5), two_views(), torch.zeros(3)), antialiased=False)


def install_fake(monkeypatch: pytest.MonkeyPatch, version: str, called_with: dict[str, Any]) -> None:
    """A module of gsplat's signature that draws with the reference."""

    def rasterization(**options: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
        called_with.update(options)
        gaussians, cameras, _ = prepare_scenes(shell(50), two_views(), torch.zeros(3))
        render = rasterize_reference(gaussians, cameras, options["backgrounds"], antialiased=options["rasterize_mode"] == "antialiased")
        return torch.cat([render.rgb, render.depth], -3).movedim(-3, -1), render.alpha.movedim(-3, -1), {}

    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    monkeypatch.setattr(metadata, "version", lambda name: version)


@pytest.mark.parametrize("antialiased", [False, True])
def test_gsplat_is_asked_for_what_the_other_backends_draw(monkeypatch: pytest.MonkeyPatch, antialiased: bool) -> None:
    called_with: dict[str, Any] = {}
    install_fake(monkeypatch, f"{VERSION}+pt211cu128", called_with)
    gaussians, cameras, background = prepare_scenes(shell(50), two_views(), torch.tensor([0.1, 0.5, 0.9]))
    render = rasterize_gsplat(gaussians, cameras, background, antialiased=antialiased)
    expected = rasterize_reference(gaussians, cameras, background, antialiased=antialiased)
    assert torch.equal(render.rgb, expected.rgb)
    assert torch.equal(render.alpha, expected.alpha)
    assert torch.equal(render.depth, expected.depth)
    tensors = {
        "means": gaussians.means,
        "quats": gaussians.quats_wxyz,
        "scales": gaussians.scales,
        "opacities": gaussians.opacities,
        "colors": gaussians.rgb,
        "viewmats": cameras.camera_from_world,
        "Ks": cameras.intrinsics,
        "backgrounds": background,
    }
    assert all(called_with.pop(name) is tensor for name, tensor in tensors.items())
    assert called_with == {
        "width": 43,
        "height": 35,
        "near_plane": 0.01,
        "far_plane": 1e10,
        "radius_clip": 0.0,
        "eps2d": 0.3,
        "sh_degree": None,
        "packed": False,
        "tile_size": 16,
        "render_mode": "RGB+ED",
        "rasterize_mode": "antialiased" if antialiased else "classic",
        "absgrad": False,
        "camera_model": "pinhole",
        "with_ut": False,
        "with_eval3d": False,
    }


def test_another_version_of_gsplat_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(monkeypatch, "1.4.0", {})
    with pytest.raises(MissingExtraError, match=r"needs gsplat 1\.5\.3, found 1\.4\.0"):
        rasterize_gsplat(*prepare_scenes(shell(5), two_views(), torch.zeros(3)), antialiased=False)


def test_gsplat_is_not_asked_for_empty_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    called_with: dict[str, Any] = {}
    install_fake(monkeypatch, VERSION, called_with)
    nothing = shell(5).map(lambda t: t[:, :0])
    render = rasterize_gsplat(*prepare_scenes(nothing, two_views(), torch.ones(3)), antialiased=False)
    assert (render.rgb == 1).all()
    assert not called_with
