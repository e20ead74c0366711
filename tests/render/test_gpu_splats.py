"""The GPU backend's splats and lists, before anything is composited: Triton's kernels, interpreted where there is no GPU.

Compositing is what takes the interpreter's time. These tests see more Gaussians and more cameras than those of whole pictures can.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dd3g.core import Cameras, Gaussians
from dd3g.render import reference
from dd3g.render.constants import ALPHA_CUTOFF, FAR, NEAR
from dd3g.render.validation import prepare_scenes
from tests.render.scenes import FIELDS, device_of, fog, gradients, joined, leaves, one_gaussian, shell, two_views
from tests.render.test_agreement import Case, needles

pytest.importorskip("triton")

from dd3g.render.gpu.autograd import project
from dd3g.render.gpu.binning import TILE, Bins, bin_splats

CASES = {
    "shell": Case(lambda: shell(300, seed=1, scenes=3), two_views()),
    "fog antialiased": Case(lambda: fog(300, seed=2), two_views(), antialiased=True),
    "splats below a pixel antialiased": Case(lambda: shell(300, spread=0.15, seed=4), two_views(), antialiased=True),
    "needles": Case(lambda: needles(200), two_views()),
    "needles antialiased": Case(lambda: needles(200), two_views(), antialiased=True),
    "clamped Jacobian": Case(lambda: fog(300, seed=5), two_views(fov_y_deg=110.0, radius=0.5)),
    "clamped Jacobian antialiased": Case(lambda: fog(300, seed=5), two_views(fov_y_deg=110.0, radius=0.5), antialiased=True),
    "some behind the camera": Case(lambda: shell(300, seed=6), two_views(radius=0.3)),
    "out of the frame": Case(lambda: fog(300, seed=7), two_views(fov_y_deg=12.0)),
}


@dataclass(frozen=True)
class Splats:
    """Of all pictures: (s v n 10) records, and what each record's field has as gradient to the Gaussians under fixed weights."""

    records: Tensor
    drawn: Tensor
    gradients: dict[str, Tensor]


def found_splats(case: Case, weights: Tensor) -> Splats:
    device = device_of("gpu")
    own = leaves(case.make(), torch.float32, device)
    scenes, cameras, _ = prepare_scenes(own, case.cameras.to(device), torch.zeros(3, device=device))
    records, _, _ = project(scenes, cameras, antialiased=case.antialiased)
    weights = weights.to(records)
    (records * weights.flatten(0, 2)).sum().backward()
    drawn = weights.any(-1).cpu()
    return Splats(records.detach().cpu().view(weights.shape), drawn, {k: v.cpu() for k, v in gradients(own).items()})


def true_splats(case: Case) -> tuple[Splats, Tensor]:
    """The oracle's splats in float64, and weights that are 0 for what is culled."""
    own = leaves(case.make(), torch.float64)
    scenes, cameras, _ = prepare_scenes(own, case.cameras, torch.zeros(3))
    images = []
    for s in range(len(scenes.means)):
        scene = scenes.map(lambda t, s=s: t[s])
        for pose, lens in zip(cameras.camera_from_world[s], cameras.intrinsics[s], strict=True):
            p = reference._project_all(scene, pose, lens, cameras, case.antialiased)
            images.append(torch.cat([p.means2d, p.conics, p.opacities[:, None], p.rgb, p.depths[:, None]], -1))
    records = torch.stack(images).unflatten(0, cameras.intrinsics.shape[:2])
    drawn = ((records[..., 9] >= NEAR) & (records[..., 9] <= FAR) & (records[..., 5] >= ALPHA_CUTOFF)).detach()
    weights = torch.randn(records.shape, generator=torch.Generator().manual_seed(12)) * drawn[..., None]
    torch.where(drawn[..., None], records * weights, 0).sum().backward()
    return Splats(records.detach(), drawn, gradients(own)), weights


@pytest.mark.parametrize("name", CASES)
def test_records_and_their_gradients_are_those_of_the_oracle(name: str) -> None:
    expected, weights = true_splats(CASES[name])
    assert 0.1 < expected.drawn.float().mean() <= 1
    found = found_splats(CASES[name], weights)
    for field in range(10):
        true = torch.where(expected.drawn, expected.records[..., field], 0)
        assert (torch.where(expected.drawn, found.records[..., field], 0) - true).norm() < 1e-5 * true.norm(), field
    for field, gradient in expected.gradients.items():
        assert (found.gradients[field] - gradient).norm() < 1e-4 * gradient.norm(), field  # float32 with room: 2e-6 is usual


def test_the_gradient_over_views_has_the_same_bits_every_time() -> None:
    weights = torch.randn(2, 2, 300, 10, generator=torch.Generator().manual_seed(1))
    case = Case(lambda: shell(300), two_views())
    one, other = found_splats(case, weights).gradients, found_splats(case, weights).gradients
    assert all(torch.equal(one[field], other[field]) for field in FIELDS)


@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")  # NumPy, which interprets, minds the monster
def test_what_is_culled_has_no_gradient_and_no_tile() -> None:
    behind, monster = one_gaussian(mean=(0, 0, 9.0)), one_gaussian(mean=(0, 0, 1.45), scale=1e12)
    own = leaves(joined(behind, monster, one_gaussian(opacity=0.003)), torch.float32, device_of("gpu"))
    cameras = two_views().pick(slice(0, 1))
    scenes, posed, _ = prepare_scenes(own, cameras.to(device_of("gpu")), torch.zeros(3, device=device_of("gpu")))
    records, _, counts = project(scenes, posed, antialiased=False)
    assert not counts.any()
    # compositing leaves zeros for what is in no list
    (records * torch.zeros_like(records)).nan_to_num().sum().backward()
    assert all(not gradient.any() for gradient in gradients(own).values())


# ---------------------------------------------------------------- lists
def listed(gaussians: Gaussians, cameras: Cameras) -> tuple[Bins, Tensor, Tensor]:
    """Lists of a scene, its records (s v n 10), and the tiles touched of each splat."""
    device = device_of("gpu")
    scenes, posed, _ = prepare_scenes(gaussians.to(device), cameras.to(device), torch.zeros(3, device=device))
    records, boxes, counts = project(scenes, posed, antialiased=False)
    images = posed.intrinsics.shape[0] * posed.intrinsics.shape[1]
    bins = bin_splats(records, boxes, counts, images, cameras.height, cameras.width)
    return Bins(*(t.cpu() for t in vars(bins).values())), records.cpu().unflatten(0, (images, -1)), counts.cpu()


@pytest.mark.parametrize("size", [(35, 43), (8, 8), (3, 1)])
@pytest.mark.parametrize("make", [shell, fog])
def test_each_tile_lists_all_splats_that_reach_the_cutoff_in_it_by_depth_and_index(make, size: tuple[int, int]) -> None:
    height, width = size
    bins, records, counts = listed(make(150), two_views(height, width))
    rows, columns = -(-height // TILE), -(-width // TILE)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pairs = 0
    for image, splats in enumerate(records.double()):
        dx, dy = x[..., None] - splats[:, 0], y[..., None] - splats[:, 1]
        power = -0.5 * (splats[:, 2] * dx * dx + splats[:, 4] * dy * dy) - splats[:, 3] * dx * dy
        seen = (splats[:, 5] * power.exp() >= ALPHA_CUTOFF) & (splats[:, 9] >= NEAR)
        for row in range(rows):
            for column in range(columns):
                here = seen[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE].flatten(0, 1).any(0)
                tile = (image * rows + row) * columns + column
                found = bins.splats[bins.tile_starts[tile] : bins.tile_starts[tile + 1]] - image * len(splats)
                assert set(here.nonzero()[:, 0].tolist()) <= set(found.tolist())
                keys = [(float(records[image, i, 9]), i) for i in found.tolist()]
                assert keys == sorted(keys)
                pairs += len(found)
    assert pairs == len(bins.splats) == counts.sum()
    assert pairs > 0


def test_a_splat_finds_the_slots_of_its_pairs_together() -> None:
    bins, _, counts = listed(fog(150), two_views())
    owners = torch.empty_like(bins.splats)
    owners[bins.slots] = bins.splats
    assert torch.equal(owners.long(), torch.arange(len(counts)).repeat_interleave(counts))
    assert torch.equal(bins.splat_starts.diff(), counts.long())


def test_equal_depths_are_listed_by_index() -> None:
    same = joined(*(one_gaussian(opacity=0.5) for _ in range(5)))
    bins, _, _ = listed(same, two_views(8, 8))
    assert bins.splats[: bins.tile_starts[1]].tolist() == [0, 1, 2, 3, 4]


class HostReads(TorchDispatchMode):
    """Counts the operations for which a host waits for its device."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        waiting = ("_local_scalar_dense", "nonzero", "repeat_interleave", "masked_select", "equal", "unique")
        self.count += any(name in str(func) for name in waiting)
        return func(*args, **(kwargs or {}))


def test_the_lists_need_one_value_on_the_host() -> None:
    device = device_of("gpu")
    scenes, posed, _ = prepare_scenes(fog(50).to(device), two_views().to(device), torch.zeros(3, device=device))
    with HostReads() as reads:
        bin_splats(*project(scenes, posed, antialiased=False), 4, 35, 43)
    assert reads.count == 1
