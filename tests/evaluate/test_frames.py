"""Others' splats, written as their projects write them, must show what they meant in our frame."""

import struct

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dd3g.core import Gaussians
from dd3g.core.cameras import orbit
from dd3g.core.errors import SplatError
from dd3g.evaluate.frames import covariances, load_in_frame, quaternions, with_covariances
from dd3g.formats import save
from dd3g.formats.ply import SH_C0
from dd3g.render import rasterize
from dd3g.render.reference import _rotations

WHITE = torch.ones(3)
RING = orbit([0.0, 90.0, 200.0], [0.0, 0.0, 30.0], size=64)
INPUT = orbit([0.0], 0.0, size=64)
MATTE = torch.ones(1, 64, 64)
COLUMNS = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


@pytest.fixture(scope="module")
def thing():
    """An object without any symmetry: its farthest splat is 0.5 from the middle of its box."""
    generator = torch.Generator().manual_seed(4)
    n = 300
    means = (torch.rand(n, 3, generator=generator) - 0.5) * torch.tensor([0.5, 0.7, 0.3])
    means[0], means[1] = torch.tensor([0.25, 0.35, 0.15]), torch.tensor([-0.25, -0.35, -0.15])
    means = means * (0.5 / means.norm(dim=-1).max())
    quats = F.normalize(torch.randn(n, 4, generator=generator), dim=-1)
    scales = 0.01 + 0.04 * torch.rand(n, 3, generator=generator)
    return Gaussians(means, quats, scales, torch.full((n,), 0.8), (means / means.abs().max() + 1) / 2)


def write(path, means, quats, splats, elements=()):
    """A PLY as LGM, TRELLIS and SHARP write it: no normals, then any other elements of one column."""
    table = torch.cat([means, (splats.rgb - 0.5) / SH_C0, torch.logit(splats.opacities)[:, None], splats.scales.log(), quats], -1).numpy()
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}", *(f"property float {name}" for name in COLUMNS)]
    data = table.astype("<f4").tobytes()
    for name, kind, values in elements:
        lines += [f"element {name} {len(values)}", f"property {'float' if kind == 'f' else 'uint'} {name}"]
        data += struct.pack(f"<{len(values)}{kind}", *values)
    path.write_bytes(("\n".join([*lines, "end_header"]) + "\n").encode() + data)
    return path


def shown(splats, cameras=RING):
    return rasterize(splats, cameras, WHITE).rgb


def read(path, frame, camera=INPUT, matte=MATTE):
    return load_in_frame(path, frame, camera, matte, 1.5)


def rotated(quats, matrix):
    """Quaternions of ``matrix @ R(q)``."""
    return quaternions(matrix.double() @ _rotations(quats).double()).float()


def test_our_own_files_are_in_our_frame(thing, tmp_path):
    save(thing, tmp_path / "a.ply")
    assert torch.allclose(shown(read(tmp_path / "a.ply", "dd3g")), shown(thing), atol=2e-3)


def test_lgm_has_our_frame(thing, tmp_path):
    write(tmp_path / "a.ply", thing.means, thing.quats_wxyz, thing)
    assert torch.allclose(shown(read(tmp_path / "a.ply", "lgm")), shown(thing), atol=2e-3)


def test_quaternions_of_any_length_are_taken_as_lgms_rasterizer_takes_them(thing, tmp_path):
    """A short quaternion hardly turns anything there; normalised it would turn splats that were trained unturned."""
    write(tmp_path / "a.ply", thing.means, thing.quats_wxyz * 0.05, thing)
    found = read(tmp_path / "a.ply", "lgm")
    axes = thing.scales.sort(-1).values
    assert torch.allclose(found.scales.sort(-1).values, axes, rtol=0.02)  # R(q) is the unit matrix up to |q|^2
    sigma = covariances(found.quats_wxyz, found.scales)
    assert torch.allclose(sigma.diagonal(dim1=-2, dim2=-1).float(), thing.scales**2, rtol=0.05, atol=1e-5)


def test_trellis_writes_z_up_and_fills_a_cube(thing, tmp_path):
    """Ours (x, y, z) is theirs (x, -z, y), written as (x, -y', ...): (X, Y, Z) -> (X, -Z, Y); and twice as large, off centre."""
    native_from_ours = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up; the front, +z, to -y
    file_from_native = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # save_ply's default transform
    matrix = file_from_native @ native_from_ours
    means = (thing.means * 1.3) @ matrix.T + torch.tensor([0.05, 0.1, -0.02])
    scaled = Gaussians(thing.means, thing.quats_wxyz, thing.scales * 1.3, thing.opacities, thing.rgb)
    write(tmp_path / "a.ply", means, rotated(thing.quats_wxyz, matrix), scaled)
    found = read(tmp_path / "a.ply", "trellis")
    assert torch.allclose(found.means, thing.means, atol=0.02)
    assert (shown(found) - shown(thing)).abs().mean() < 0.01


@pytest.mark.parametrize("lens", [1.0, 0.7])
def test_sharp_stands_in_the_cameras_frame_in_metres(thing, tmp_path, lens):
    """Whatever lens it assumed: the input view stays, and with the true lens all other views do."""
    camera = orbit([0.0], 20.0, size=64)
    pose = camera.camera_from_world[0]
    seen = thing.means @ pose[:3, :3].T + pose[:3, 3]
    focal = float(camera.intrinsics[0, 0, 0]) / 64
    across = torch.tensor([1 / lens, 1 / lens, 1.0])
    stretch = torch.diag(across)
    rotation = _rotations(thing.quats_wxyz)
    sigma = covariances(thing.quats_wxyz, thing.scales).float()
    moved = stretch @ pose[:3, :3] @ sigma @ pose[:3, :3].T @ stretch.T * 4.0  # two metres for one unit
    wide = with_covariances(thing, moved)
    assert rotation.shape == (len(thing), 3, 3)
    side = 640
    intrinsic = [lens * focal * side, 0, side / 2, 0, lens * focal * side, side / 2, 0, 0, 1]
    elements = [("extrinsic", "f", np.eye(4).ravel()), ("intrinsic", "f", intrinsic), ("image_size", "I", (side, side))]
    path = write(tmp_path / "a.ply", seen * across * 2.0, wide.quats_wxyz, wide, elements)
    found = read(path, "sharp", camera)
    assert (shown(found, camera) - shown(thing, camera)).abs().mean() < 0.015
    assert (shown(found) - shown(thing)).abs().mean() < 0.03  # the median depth is the object's middle, nearly


def test_what_is_outside_of_the_matte_is_sharps_background(thing, tmp_path):
    camera, pose = INPUT, INPUT.camera_from_world[0]
    seen = thing.means @ pose[:3, :3].T + pose[:3, 3]
    focal = float(camera.intrinsics[0, 0, 0]) / 64
    elements = [("intrinsic", "f", [focal, 0, 0.5, 0, focal, 0.5, 0, 0, 1]), ("image_size", "I", (1, 1))]
    path = write(tmp_path / "a.ply", seen, thing.quats_wxyz, thing, elements)
    half = MATTE.clone()
    half[..., 32:] = 0
    found = read(path, "sharp", camera, half)
    assert 0.3 < len(found) / len(thing) < 0.7
    assert (found.means[:, 0] < 0.02).all()
    with pytest.raises(SplatError, match="was it made from that picture"):
        read(path, "sharp", camera, torch.zeros_like(MATTE))


def test_files_that_are_not_what_they_are_said_to_be_are_refused(thing, tmp_path):
    path = write(tmp_path / "a.ply", thing.means, thing.quats_wxyz, thing)
    with pytest.raises(SplatError, match="says nothing of its lens"):
        read(path, "sharp")
    path.rename(tmp_path / "a.splat")
    with pytest.raises(SplatError, match="frame lgm is that of PLY files"):
        read(tmp_path / "a.splat", "lgm")
    nothing = Gaussians(thing.means, thing.quats_wxyz, thing.scales, torch.full_like(thing.opacities, 0.01), thing.rgb)
    with pytest.raises(SplatError, match="none of its 300 splats is visible"):
        read(write(tmp_path / "b.ply", nothing.means, nothing.quats_wxyz, nothing), "trellis")


def test_covariances_and_their_axes_are_one_another():
    generator = torch.Generator().manual_seed(0)
    quats = F.normalize(torch.randn(200, 4, generator=generator), dim=-1)
    quats[:4] = torch.eye(4)  # half turns, where the trace is smallest
    scales = torch.rand(200, 3, generator=generator) + 0.1
    assert torch.allclose(_rotations(quaternions(_rotations(quats).double()).float()), _rotations(quats), atol=1e-5)
    sigma = covariances(quats, scales)
    splats = Gaussians(torch.zeros(200, 3), quats, scales, torch.ones(200), torch.zeros(200, 3))
    again = with_covariances(splats, sigma)
    assert torch.allclose(covariances(again.quats_wxyz, again.scales), sigma, atol=1e-5)
