"""The CPU backend as a citizen of torch and of the operating system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading

import pytest
import torch
from torch import Tensor

from dd3g.render import rasterize
from dd3g.render.cpu.pool import run_tasks
from tests.render.scenes import fog, gradients, leaves, shell, two_views

BLACK = torch.zeros(3)


def test_a_change_in_place_before_backward_is_noticed() -> None:
    own = leaves(shell(20))
    render = rasterize(own, two_views(), BLACK, backend="cpu")
    with torch.no_grad():
        own.scales.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        render.rgb.sum().backward()


def test_there_is_no_second_derivative() -> None:
    own = leaves(shell(20))
    render = rasterize(own, two_views(), BLACK, backend="cpu")
    (first,) = torch.autograd.grad(render.rgb.square().sum(), own.means, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_backward_twice_through_a_retained_graph_doubles_the_gradient() -> None:
    own = leaves(shell(20))
    loss = rasterize(own, two_views(), BLACK, backend="cpu").rgb.square().sum()
    loss.backward(retain_graph=True)
    once = {name: g.clone() for name, g in gradients(own).items()}
    loss.backward()
    assert all(torch.equal(g, 2 * once[name]) for name, g in gradients(own).items())


def test_expanded_and_strided_inputs_are_drawn_like_contiguous_ones() -> None:
    gaussians, cameras = shell(50), two_views()
    strided = gaussians.map(lambda t: t.transpose(0, 1).contiguous().transpose(0, 1))
    assert not strided.means.is_contiguous()
    plain = rasterize(gaussians, cameras, BLACK, backend="cpu")
    assert torch.equal(rasterize(strided, cameras, BLACK, backend="cpu").rgb, plain.rgb)
    own = leaves(gaussians)
    rasterize(own, cameras, BLACK, backend="cpu").rgb.sum().backward()  # the incoming gradient is an expanded one


def test_each_output_alone_has_its_gradient() -> None:
    gaussians, cameras = leaves(fog(50)), two_views()
    total = torch.zeros_like(gaussians.means)
    for name in ("rgb", "alpha", "depth"):
        (part,) = torch.autograd.grad(getattr(rasterize(gaussians, cameras, BLACK, backend="cpu"), name).sum(), gaussians.means)
        assert part.any(), name
        total += part
    render = rasterize(gaussians, cameras, BLACK, backend="cpu")
    (whole,) = torch.autograd.grad(render.rgb.sum() + render.alpha.sum() + render.depth.sum(), gaussians.means)
    assert torch.allclose(whole, total, rtol=1e-4, atol=1e-3 * float(whole.abs().max()))  # float32 sums


@pytest.mark.parametrize(("scenes", "n", "views"), [(0, 5, 2), (2, 0, 2), (2, 5, 0)])
def test_any_count_may_be_zero(scenes: int, n: int, views: int) -> None:
    own = leaves(shell(5).map(lambda t: t[:scenes, :n]))
    cameras = two_views().pick(slice(0, views))
    render = rasterize(own, cameras, torch.ones(3), backend="cpu")
    assert render.rgb.shape == (scenes, views, 3, 35, 43)
    assert render.alpha.shape == render.depth.shape == (scenes, views, 1, 35, 43)
    render.rgb.sum().backward()
    assert not any(g.any() for g in gradients(own).values())


def test_two_python_threads_at_once_get_their_own_pictures() -> None:
    torch.set_num_threads(2)
    jobs = [shell(400, seed=1), fog(400, seed=2)]

    def step(index: int) -> list[Tensor]:
        own = leaves(jobs[index])
        render = rasterize(own, two_views(), BLACK, backend="cpu")
        render.rgb.sum().backward()
        return [render.rgb.detach(), *gradients(own).values()]

    expected = [step(0), step(1)]
    wrong: list[int] = []

    def repeat(index: int) -> None:
        torch.set_num_threads(2)
        for _ in range(10):
            same = [torch.equal(a, b) for a, b in zip(step(index), expected[index], strict=True)]
            wrong.extend([index] * same.count(False))

    callers = [threading.Thread(target=repeat, args=(index,)) for index in (0, 1, 0)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_an_error_in_a_helper_reaches_the_caller() -> None:
    torch.set_num_threads(3)

    def kernel(counter: object, tasks: int) -> None:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        run_tasks(kernel, 3)


_FORKING = """
import os, sys, torch
from dd3g.render import rasterize
from tests.render.scenes import shell, two_views
torch.set_num_threads(2)
gaussians, cameras, background = shell(100), two_views(), torch.zeros(3)  # torch's own threads do not survive a fork
draw = lambda: rasterize(gaussians, cameras, background, backend="cpu").rgb.numpy()
before = draw()
child = os.fork()
if child == 0:
    os._exit(0 if (draw() == before).all() else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert (draw() == before).all()
sys.exit(status)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
def test_a_forked_child_draws_the_same_picture() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKING], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_DIGEST = """
import hashlib, torch
from dd3g.render import rasterize
from tests.render.scenes import fog, gradients, leaves, shell, two_views
digest = hashlib.sha256()
for antialiased, gaussians in ((False, leaves(shell(500))), (True, leaves(fog(500)))):
    render = rasterize(gaussians, two_views(), torch.ones(3), antialiased=antialiased, backend="cpu")
    (render.rgb.square().sum() + render.depth.sum()).backward()
    for tensor in (render.rgb, render.alpha, render.depth, *gradients(gaussians).values()):
        digest.update(tensor.detach().numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow  # compiles everything for another processor
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX2 is x86's")
def test_code_for_avx2_gives_the_bits_of_code_for_this_processor(tmp_path) -> None:
    avx2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"}
    digests = []
    for chosen in ({}, avx2):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / str(len(chosen))), **chosen}
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", _DIGEST], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout)
    assert digests[0] == digests[1]


_ASSEMBLY = """
import re, torch
from dd3g.render import rasterize
from dd3g.render.cpu import autograd
from tests.render.scenes import leaves, shell, two_views
rasterize(leaves(shell(20)), two_views(), torch.zeros(3), backend="cpu").rgb.sum().backward()
for kernel in (autograd.project, autograd.composite, autograd.composite_backward, autograd.gather):
    (text,) = kernel.inspect_asm().values()
    assert len(re.findall(r"vfmadd.*ymm", text)) > 10, kernel
    assert "cvtss2sd" not in text, kernel  # a number that is not float32 slipped in
    assert not re.search(r"call.*(fma|exp|floor|ceil|sqrt)", text), kernel  # a call in a loop spills all registers
"""


@pytest.mark.slow  # compiles everything, since code from the cache has no listing
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 assembly")
def test_the_kernels_are_vector_code_without_doubles_or_library_calls() -> None:
    uncached = {**os.environ, "NUMBA_CACHE_DIR": os.devnull + "/nowhere"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _ASSEMBLY], env=uncached, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
