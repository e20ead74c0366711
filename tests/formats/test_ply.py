"""The PLY writer and reader: layout to the byte, round trips, orientation, hostile files."""

import numpy as np
import pytest
import torch

from dd3g.core import Gaussians, orbit
from dd3g.core.errors import InputError, SplatError
from dd3g.formats import ORIENTATIONS, load, save
from dd3g.formats.orientation import turned_to
from dd3g.render import rasterize


def example(n=50, seed=0):
    g = torch.Generator().manual_seed(seed)
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1)
    return Gaussians(
        torch.randn(n, 3, generator=g) * 0.2,
        torch.where(quats[:, :1] < 0, -quats, quats),
        0.01 + 0.05 * torch.rand(n, 3, generator=g),
        torch.rand(n, generator=g) * 0.98 + 0.01,
        torch.rand(n, 3, generator=g),
    )


def golden():
    """Splat A of the three golden ones whose bytes are known from other tools."""
    return Gaussians(
        torch.tensor([[0.25, -0.5, 0.75]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.tensor([[0.01, 0.02, 0.04]]),
        torch.tensor([0.9]),
        torch.tensor([[1.0, 0.5, 0.0]]),
    )


def test_layout_is_seventeen_columns_and_a_411_byte_header(tmp_path):
    three = golden().map(lambda t: t.expand(3, *t.shape[1:]))
    save(three, tmp_path / "a.ply", orientation="yup")
    data = (tmp_path / "a.ply").read_bytes()
    assert len(data) == 615
    assert data.index(b"end_header\n") + 11 == 411
    row = np.frombuffer(data, "<f4", 17, 411)
    dc = 0.5 / 0.28209479177387814
    expected = [0.25, -0.5, 0.75, 0, 0, 0, dc, 0, -dc, 2.1972246, -4.6051702, -3.9120231, -3.2188759, 1, 0, 0, 0]
    assert np.allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_round_trip(tmp_path, orientation):
    written = example()
    save(written, tmp_path / "a.ply", orientation=orientation)
    read = load(tmp_path / "a.ply", orientation=orientation)
    for name in ("means", "scales", "opacities", "rgb"):
        assert torch.allclose(getattr(read, name), getattr(written, name), atol=1e-5), name
    dots = (read.quats_wxyz * written.quats_wxyz).sum(-1).abs()
    assert torch.allclose(dots, torch.ones(50), atol=1e-5)


def test_a_reread_file_renders_the_same(tmp_path):  # check 39
    written = example(300)
    save(written, tmp_path / "a.ply")
    cameras = orbit([0.0, 130.0], 10.0, size=48)
    ours, theirs = (rasterize(g, cameras, torch.ones(3)).rgb for g in (written, load(tmp_path / "a.ply")))
    assert (ours - theirs).abs().max() < 1 / 255


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turning_a_scene_is_the_same_as_turning_its_cameras(orientation):
    """The quaternion rule of orientation.py against the renderer, which knows nothing of it."""
    scene, cameras = example(200), orbit([20.0, 200.0], 15.0, size=40)
    signs = torch.diag(torch.tensor([*ORIENTATIONS[orientation], 1.0]))
    moved = type(cameras)(cameras.camera_from_world @ signs, cameras.intrinsics, 40, 40)
    ours = rasterize(turned_to(scene, orientation), moved, torch.zeros(3)).rgb
    assert torch.allclose(ours, rasterize(scene, cameras, torch.zeros(3)).rgb, atol=1e-4)


def test_supersplat_sees_the_object_upright_and_face_on(tmp_path):
    """SuperSplat turns a PLY by 180 degrees about z; what it then shows must have up on +y and the front on +z."""
    up_front = golden().map(lambda t: t)
    up_front = Gaussians(torch.tensor([[0.1, 0.3, 0.2]]), *[getattr(up_front, f) for f in ("quats_wxyz", "scales", "opacities", "rgb")])
    save(up_front, tmp_path / "a.ply")
    stored = load(tmp_path / "a.ply", orientation="yup").means[0]
    shown = stored * torch.tensor([-1.0, -1, 1])
    assert torch.allclose(shown, torch.tensor([0.1, 0.3, 0.2]), atol=1e-6)


def test_equal_gaussians_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save(example(), tmp_path / f"{name}.ply")
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()


def test_foreign_layouts_are_read_by_name(tmp_path):
    """Other order, doubles, comments, CRLF, an extra column and a trailing element."""
    save(golden(), tmp_path / "a.ply", orientation="yup")
    row = np.frombuffer((tmp_path / "a.ply").read_bytes(), "<f4", 17, 411)
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
    names += [f"scale_{i}" for i in range(3)] + [f"rot_{i}" for i in range(4)]
    values: dict[str, np.float32] = dict(zip(names, row, strict=True))
    order = [
        "rot_0",
        "rot_1",
        "rot_2",
        "rot_3",
        "x",
        "y",
        "z",
        "opacity",
        "scale_0",
        "scale_1",
        "scale_2",
        "f_dc_0",
        "f_dc_1",
        "f_dc_2",
        "extra",
    ]
    header = "ply\r\nformat binary_little_endian 1.0\r\ncomment by hand\r\nelement vertex 1\r\n"
    header += "".join(f"property double {name}\r\n" for name in order) + "element camera 1\r\nproperty float f\r\nend_header\r\n"
    body = np.array([values.get(name, 7.0) for name in order], "<f8").tobytes() + b"\0\0\0\0"
    (tmp_path / "b.ply").write_bytes(header.encode() + body)
    read, expected = (load(tmp_path / f"{name}.ply", orientation="yup") for name in ("b", "a"))
    assert torch.allclose(read.means, expected.means)
    assert torch.allclose(read.scales, expected.scales)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: b"", "not a PLY"),
        (lambda d: b"ply\n" + b"x" * 100_000, "not a PLY"),
        (lambda d: d[:-1], "cut off"),
        (lambda d: d[: d.index(b"end_header") + 11], "cut off"),
        (lambda d: d.replace(b"vertex 50", b"vertex 4000000000"), "promises 4000000000"),
        (lambda d: d.replace(b"vertex 50", b"vertex -3"), "promises -3"),
        (lambda d: d.replace(b"binary_little_endian", b"ascii"), "format ascii"),
        (lambda d: d.replace(b"rot_3", b"rot_9"), "no column rot_3"),
        (lambda d: d.replace(b"float rot_3", b"float rot_2"), "named twice"),
        (lambda d: d.replace(b"float x\n", b"list uchar int x\n"), "lists among"),
        (lambda d: d.replace(b"element vertex", b"element chunk 1\nelement vertex"), "compressed"),
        (lambda d: d[:500] + b"\xff" * 8 + d[508:], "not finite"),
    ],
)
def test_damaged_files_are_refused_with_their_name(tmp_path, change, message):
    save(example(), tmp_path / "a.ply")
    (tmp_path / "a.ply").write_bytes(change((tmp_path / "a.ply").read_bytes()))
    with pytest.raises(SplatError, match=rf"a\.ply: .*{message}"):
        load(tmp_path / "a.ply")


def test_what_can_not_be_written_is_refused(tmp_path):
    broken = example()
    broken.means[3, 1] = float("nan")
    with pytest.raises(InputError, match="splat 3 is not finite"):
        save(broken, tmp_path / "a.ply")
    with pytest.raises(InputError, match="at least one splat"):
        save(example().map(lambda t: t[:0]), tmp_path / "a.ply")
    with pytest.raises(InputError, match=r"'\.obj' is no splat format known here; use one of \.ply"):
        save(example(), tmp_path / "a.obj")
    assert not list(tmp_path.iterdir())
