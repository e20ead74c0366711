"""Views on disk: what is written comes back, and what is missing is named."""

import dataclasses

import pytest
import torch

from dd3g.core import Views, orbit
from dd3g.core.errors import ViewsError
from dd3g.core.views import composite, unpremultiply
from dd3g.core.views_folder import ObjectViews, list_object_folders, load_object_views, original_name, save_object_views, version_name


def example(seed=0, depth=True):
    generator = torch.Generator().manual_seed(seed)

    def views(count, size, with_depth):
        rgba = torch.randint(0, 256, (count, 4, size, size), generator=generator) / 255
        z = 1 + torch.rand(count, 2, size, size, generator=generator) if with_depth else None
        return Views(rgba[:, :3].contiguous(), rgba[:, 3:].contiguous(), orbit(torch.arange(count) * 30.0, 5.0, size=size), z)

    return ObjectViews("chair", {"targets": views(3, 8, False), "inputs": views(2, 12, depth)}, {"credit": "own"})


def test_round_trip_is_exact_in_pictures_and_cameras_and_to_a_step_in_depth(tmp_path):
    written = example()
    folder = save_object_views(tmp_path, written)
    read = load_object_views(folder)
    assert read.name == "chair"
    assert read.about == {"credit": "own"}
    for name, group in written.groups.items():
        found = read.groups[name]
        assert torch.equal(found.rgb, group.rgb)
        assert torch.equal(found.alpha, group.alpha)
        assert torch.equal(found.cameras.camera_from_world, group.cameras.camera_from_world)
        assert torch.equal(found.cameras.intrinsics, group.cameras.intrinsics)
    z, found = written.groups["inputs"].depth, read.groups["inputs"].depth
    assert z is not None
    assert found is not None
    assert torch.allclose(found, z, atol=float(z.max()) / 65535)  # half a step, and float32
    assert read.groups["targets"].depth is None


def test_one_group_can_be_read_alone(tmp_path):
    folder = save_object_views(tmp_path, example())
    assert list(load_object_views(folder, ["inputs"]).groups) == ["inputs"]


def test_folders_are_listed_by_name_and_half_written_ones_are_not(tmp_path):
    for name in ("b", "a"):
        save_object_views(tmp_path, dataclasses.replace(example(), name=name))
    (tmp_path / ".partial-x").mkdir()
    (tmp_path / ".partial-x" / "object.json").write_text("{}")
    assert [folder.name for folder in list_object_folders(tmp_path)] == ["a", "b"]


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ViewsError, match="no such folder"):
        list_object_folders(tmp_path / "nowhere")
    with pytest.raises(ViewsError, match="holds no views"):
        list_object_folders(tmp_path)
    folder = save_object_views(tmp_path, example())
    with pytest.raises(ViewsError, match="has no group extra"):
        load_object_views(folder, ["extra"])
    picture = folder / "inputs" / "001.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ViewsError, match=r"001\.png: not a whole PNG"):
        load_object_views(folder)
    picture.write_bytes((folder / "targets" / "000.png").read_bytes())
    with pytest.raises(ViewsError, match=r"is 8x8 RGBA, object\.json says 12x12"):
        load_object_views(folder)
    picture.unlink()
    with pytest.raises(ViewsError, match=r"001\.png: missing"):
        load_object_views(folder)


def test_compositing_is_linear_in_the_background_and_inverts_unpremultiplying():
    generator = torch.Generator().manual_seed(1)
    rgb, alpha = torch.rand(2, 3, 4, 4, generator=generator), torch.rand(2, 1, 4, 4, generator=generator)
    one, zero = composite(rgb, alpha, torch.ones(3)), composite(rgb, alpha, torch.zeros(3))
    assert torch.allclose(one - zero, (1 - alpha).expand_as(rgb), atol=1e-6)
    assert torch.allclose(unpremultiply(rgb * alpha, alpha), rgb, atol=1e-5)


@pytest.mark.parametrize("name", ["chair", "gso-Dino_4", "a~b", "x~0", "PROGRA~1x"])
def test_versions_lead_back_to_their_object_and_begin_with_its_name(name):
    assert original_name(name) == name
    for number in (1, 12):
        assert version_name(name, number).startswith(name)
        assert original_name(version_name(name, number)) == name
    assert version_name(name, 1) != version_name(name, 12)
