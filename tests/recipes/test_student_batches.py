"""What the student is fed: pure in the step, fair over objects, and geometrically true."""

import dataclasses

import numpy as np
import pytest
import torch

from dd3g.core import orbit
from dd3g.core.errors import ViewsError
from dd3g.recipes.source_views import PictureStore, frame_inputs, read_sources
from dd3g.recipes.student_batches import StudentBatches, StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student.look_back import points_on_rays
from tests.recipes.blobs import INPUTS, write_blobs

NOISE = (4, 4, 8, 8)
PLAIN = StudentDataConfig(batch=6, target_views=3, image_size=64, render_size=48, mirror=0.0, recolour=0.0, degrade=0.0)


@pytest.fixture(scope="module")
def pack(blob_views):
    return open_pack(blob_views, quiet=True)


def sources(pack, objects, views):
    return read_sources(PictureStore([pack], "inputs", torch.device("cpu")), np.array(objects), np.array(views))


def lifted(batch, k):
    """Surface points that the input shows, in the (turned) frame of the object."""
    side = batch.image.shape[-1]
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    towards = batch.towards[k, :1].flatten(1)
    seen = torch.isfinite(towards[0])
    places = torch.stack([x, y], -1).reshape(1, -1, 2)
    points = points_on_rays(places, torch.nan_to_num(towards), batch.elevation_deg[k : k + 1], batch.distance[k : k + 1])[0][seen]
    return (points - batch.offset[k]) / batch.scale[k], batch.image[k, :3].flatten(1).T[seen]


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_what_the_input_shows_stands_where_the_targets_show_it(pack, mirror):
    """Framing, lens, elevation, turning and mirroring at once: surfaces lifted from the input land inside every target's silhouette."""
    batches = StudentBatches([pack], dataclasses.replace(PLAIN, mirror=mirror), NOISE, seed=1)
    for step in range(3):
        batch = batches(step)
        for k in range(6):
            points, _ = lifted(batch, k)
            cameras = batch.cameras.pick(k)
            for view in range(3):
                p = points @ cameras.camera_from_world[view, :3, :3].T + cameras.camera_from_world[view, :3, 3]
                pixel = (p / p[:, 2:]) @ cameras.intrinsics[view].T
                row, column = (pixel[:, i].long().clamp(0, 47) for i in (1, 0))
                inside = (batch.target_alpha[k, view, 0] > 0.05)[row, column].float().mean()
                assert inside > 0.97, (step, k, view)  # rims of a soft blob fall out


def test_a_share_of_the_targets_stands_over_white(pack):
    white, half = (StudentBatches([pack], dataclasses.replace(PLAIN, batch=30, white=w), NOISE, seed=1)(0) for w in (1.0, 0.5))
    assert (white.background == 1).all()
    share = (half.background == 1).all(-1).float().mean().item()
    assert 0.3 < share < 0.7  # of 90: four standard errors
    other = StudentBatches([pack], dataclasses.replace(PLAIN, batch=30), NOISE, seed=1)(0)
    assert torch.equal(other.noise, half.noise)
    assert torch.equal(other.target_rgb, half.target_rgb)
    assert torch.equal(other.background[(half.background != 1).any(-1)], half.background[(half.background != 1).any(-1)])


def test_a_mirrored_sample_is_the_mirror_image(pack):
    plain, mirrored = (StudentBatches([pack], dataclasses.replace(PLAIN, mirror=m), NOISE, seed=1)(0) for m in (0.0, 1.0))
    assert torch.equal(mirrored.image, plain.image.flip(-1))
    assert torch.equal(mirrored.target_rgb, plain.target_rgb.flip(-1))
    assert torch.equal(mirrored.offset, plain.offset * torch.tensor([-1.0, 1, 1]))
    determinants = torch.linalg.det(mirrored.cameras.camera_from_world[..., :3, :3])
    assert torch.allclose(determinants, torch.ones_like(determinants), atol=1e-5)  # still a camera, not a reflection


def test_a_view_of_the_rig_may_stay_as_it_is(pack):
    source = sources(pack, [0, 0], [0, 3])
    assert source.on_rig.tolist() == [True, False]
    framed = frame_inputs(source, 64, as_is=source.on_rig)
    assert torch.allclose(framed.image[0], source.rgba[0], atol=1e-5)
    assert framed.scale[0].item() == pytest.approx(1, abs=1e-6)
    assert framed.offset[0].abs().max() < 1e-7


def test_framed_inputs_fill_three_quarters(pack):
    framed = frame_inputs(sources(pack, [1, 3], [4, 5]), 64, as_is=torch.zeros(2, dtype=torch.bool))
    for picture in framed.image:
        spans = [int((picture[3] > 0.5).any(axis).sum()) for axis in (0, 1)]
        assert max(spans) == pytest.approx(48, abs=1.5)


def test_a_picture_is_framed_alone_as_in_a_batch(pack):
    one, many = (
        frame_inputs(sources(pack, o, m), 64, as_is=torch.zeros(len(o), dtype=torch.bool)) for o, m in (([2], [4]), ([0, 2, 1], [3, 4, 5]))
    )
    for name in ("image", "towards", "scale", "offset"):
        assert torch.equal(torch.nan_to_num(getattr(one, name)[0]), torch.nan_to_num(getattr(many, name)[1])), name


def test_cameras_taken_apart_are_those_put_together(pack):
    source = sources(pack, [2] * INPUTS, range(INPUTS))
    again = orbit(source.azimuth_deg, source.elevation_deg, size=64, radius=source.radius).camera_from_world
    assert np.allclose(again, pack.inputs.camera_from_world[2], atol=1e-5)


def test_two_packs_are_one_row_of_objects(pack):
    twice = PictureStore([pack, pack], "targets", torch.device("cpu"))
    objects, views = np.array([[1], [len(pack) + 1]]), np.array([[0, 3], [0, 3]])
    first, second = twice.rgba(objects, views)
    assert torch.equal(first, second)
    assert torch.equal(first[1], torch.from_numpy(np.array(pack.targets.rgba[1, 3])).float() / 255)


def test_batches_are_pure_functions_of_the_step(pack):
    changing = dataclasses.replace(PLAIN, mirror=0.5, recolour=0.5, degrade=0.5)
    first, again = (StudentBatches([pack], changing, NOISE, seed=3) for _ in range(2))
    for step in (0, 9):
        first(step)  # what was asked before leaves no trace
    for name, value in first(4).__dict__.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(again(4), name)) or bool(value.isnan().any()), name
    assert not torch.equal(first(4).image, first(5).image)
    assert not torch.equal(first(4).image, StudentBatches([pack], changing, NOISE, seed=4)(4).image)


def test_every_object_is_seen_once_an_epoch_and_repeats_as_often_as_asked(pack):
    batches = StudentBatches([pack], dataclasses.replace(PLAIN, batch=1, repeat=(("blob-001", 3),)), NOISE, seed=0)
    seen = [int(batches.samples[batches._order(step)[0]]) for step in range(14)]
    for epoch in (seen[:7], seen[7:]):
        assert sorted(epoch) == [0, 1, 1, 1, 2, 3, 4]


def test_recolouring_changes_input_and_targets_alike(pack):
    """Where input and targets had one colour they still have one: a flat grey stays flat."""
    from dd3g.recipes.student_batches import recoloured

    picture = torch.rand(2, 4, 8, 8)
    both = recoloured([picture, picture[:, None]], torch.tensor([True, False]), np.random.default_rng(0))
    assert torch.allclose(both[0], both[1][:, 0])
    assert torch.equal(both[0][:, 3], picture[:, 3])
    assert not torch.allclose(both[0][0], picture[0], atol=0.01)
    assert torch.equal(both[0][1], picture[1])


def test_packs_are_remade_when_objects_change_and_refuse_mixtures(tmp_path):
    write_blobs(tmp_path / "v", 1)
    one = open_pack(tmp_path / "v", quiet=True)
    assert len(open_pack(tmp_path / "v", quiet=True)) == 1
    write_blobs(tmp_path / "v", 1, first=1)
    two = open_pack(tmp_path / "v", quiet=True)
    assert len(two) == 2
    assert one.digest != two.digest
    assert np.array_equal(one.targets.rgba[0], two.targets.rgba[0])
    write_blobs(tmp_path / "v", 1, first=2, target_size=40)
    with pytest.raises(ViewsError, match="render all objects of a folder with the same options"):
        open_pack(tmp_path / "v", quiet=True)
