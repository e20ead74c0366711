"""An archive shows what the folder shows, within what its compression may lose."""

import numpy as np
import pytest
import torch

from dd3g.core.errors import ViewsError
from dd3g.recipes.student_batches import StudentBatches, StudentDataConfig
from dd3g.recipes.views_archive import _DEPTH_SIDE, unpack_archive, write_archive
from dd3g.recipes.views_pack import open_pack
from dd3g.recipes.views_run import credits_of


@pytest.fixture(scope="module")
def both(blob_views, tmp_path_factory):
    pack = open_pack(blob_views, quiet=True)
    path = write_archive(pack, credits_of(blob_views), tmp_path_factory.mktemp("archive") / "blobs.views", quality=90, quiet=True)
    return pack, path


def test_pictures_cameras_and_depth_survive(both):
    pack, path = both
    again = open_pack(path, quiet=True)
    assert again.names == pack.names
    for name in ("targets", "inputs"):
        old, new = getattr(pack, name), getattr(again, name)
        assert np.array_equal(old.camera_from_world, new.camera_from_world)
        assert np.array_equal(old.intrinsics, new.intrinsics)
        assert np.array_equal(old.rgba[:, :, 3], new.rgba[:, :, 3])  # WebP keeps alpha
        solid = np.broadcast_to(old.rgba[:, :, 3:] > 250, old.rgba[:, :, :3].shape)
        assert np.abs(old.rgba[:, :, :3].astype(float) - new.rgba[:, :, :3])[solid].mean() < 8  # of 255, at quality 90
    assert pack.inputs.depth.shape[-1] <= _DEPTH_SIDE  # nothing is thinned out here
    z_old, z_new = (g.depth * g.depth_step[:, None, None, None, None] for g in (pack.inputs, again.inputs))
    assert np.array_equal(z_old > 0, z_new > 0)
    assert np.abs(z_old - z_new).max() < 1.0 / 254  # a step of 8 bits over an object of at most unit size


def test_depth_of_large_pictures_is_thinned_out_and_still_lies_under_them(tmp_path_factory):
    from tests.recipes.blobs import write_blobs

    root = write_blobs(tmp_path_factory.mktemp("large") / "v", 1, input_size=192)
    pack = open_pack(root, quiet=True)
    again = open_pack(write_archive(pack, {}, root.parent / "large.views", quality=95, quiet=True), quiet=True)
    assert again.inputs.depth is not None
    assert again.inputs.depth.shape[-2:] == (96, 96)
    plain = StudentDataConfig(batch=4, target_views=1, image_size=96, mirror=0, recolour=0, degrade=0)
    one, other = (StudentBatches([p], plain, (4, 4, 8, 8), seed=0)(0) for p in (pack, again))
    seen = torch.isfinite(one.towards) & torch.isfinite(other.towards)
    assert seen.sum() > 0.95 * torch.isfinite(one.towards).sum()
    assert (one.towards - other.towards)[seen].abs().median() < 0.01  # the blobs' own depth is rough from pixel to pixel


def test_unpacking_happens_once_and_again_when_the_file_changes(both):
    _, path = both
    place, _, identity = unpack_archive(path, quiet=True)
    stamp = (place / "pack.json").stat().st_mtime_ns
    assert unpack_archive(path, quiet=True)[2] == identity
    assert (place / "pack.json").stat().st_mtime_ns == stamp


def test_training_from_an_archive_names_the_same_credits(both, blob_views):
    assert credits_of(both[1]) == credits_of(blob_views)


def test_what_is_no_archive_is_refused_by_name(tmp_path):
    (tmp_path / "a.views").write_bytes(b"nothing")
    with pytest.raises(ViewsError, match=r"a\.views: not a whole archive"):
        open_pack(tmp_path / "a.views", quiet=True)
