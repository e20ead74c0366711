"""The codec's latents of views are made once, kept beside the pack, and never taken for those of other views or another codec."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dd3g.core.errors import OutputError
from dd3g.encoders.codec import Codec
from dd3g.recipes import view_latents
from dd3g.recipes.view_latents import LatentStore
from dd3g.recipes.views_pack import open_pack
from tests.extras import needs_train
from tests.teacher.tiny import CODEC

pytestmark = needs_train

CPU = torch.device("cpu")


def codec_of(seed):
    torch.manual_seed(seed)
    codec = Codec(CODEC).eval().requires_grad_(False)
    for parameter in codec.parameters():  # as made, every codec's latents are the same averages
        parameter.add_(0.01 * torch.randn_like(parameter))
    return codec


@pytest.fixture
def views(blob_views, tmp_path):
    return shutil.copytree(blob_views, tmp_path / "views", ignore=shutil.ignore_patterns(".pack"))


def store_of(views, codec):
    return LatentStore([open_pack(views, quiet=True)], codec, CPU, quiet=True)


def kept(views):
    return sorted((views / ".pack").glob("latents-*.npy"))


def refuse(*_):
    raise AssertionError("encoded again")


def test_a_second_start_reads_the_same_bits_and_encodes_nothing(views, monkeypatch):
    codec = codec_of(0)
    first = store_of(views, codec).latents
    monkeypatch.setattr(Codec, "encode", refuse)
    assert torch.equal(store_of(views, codec).latents, first)


def test_they_are_the_codecs_of_each_view_and_of_its_mirror_image(views):
    codec, pack = codec_of(0), open_pack(views, quiet=True)
    found = store_of(views, codec).latents
    pictures = torch.from_numpy(np.array(pack.targets.rgba[1])).float() / 255
    for mirrored, seen in enumerate((pictures, pictures.flip(-1))):
        torch.testing.assert_close(found[1, mirrored], codec.encode(seen), rtol=0, atol=1e-5)  # batches of another size


def test_another_codec_has_its_own(views):
    first, second = (store_of(views, codec_of(seed)).latents for seed in (0, 1))
    assert not torch.equal(first, second)
    assert len(kept(views)) == 2


def test_they_go_when_the_views_change(views):
    codec = codec_of(0)
    store_of(views, codec)
    shutil.rmtree(next(folder for folder in sorted(views.iterdir()) if (folder / "object.json").is_file()))
    fewer = store_of(views, codec).latents
    assert len(fewer) == len(open_pack(views, quiet=True))
    assert len(kept(views)) == 1


def test_several_packs_stand_one_after_the_other(views, tmp_path):
    codec, other = codec_of(0), shutil.copytree(views, tmp_path / "other")
    both = LatentStore([open_pack(place, quiet=True) for place in (views, other)], codec, CPU, quiet=True).latents
    half = len(both) // 2
    assert torch.equal(both[:half], both[half:])


def test_a_pack_without_a_folder_keeps_them_in_memory(views):
    pack = replace(open_pack(views, quiet=True), folder=None)
    found = LatentStore([pack], codec_of(0), CPU, quiet=True).latents
    assert torch.equal(found, store_of(views, codec_of(0)).latents)


def test_where_nothing_can_be_written_it_says_so_and_goes_on(views, monkeypatch, capsys):
    def full(*_):
        raise OutputError("latents.npy: can't be written (No space left on device); is the disk full?")

    expected = store_of(views, codec_of(1)).latents
    kept(views)[0].unlink()
    monkeypatch.setattr(view_latents, "write_atomically", full)
    assert torch.equal(store_of(views, codec_of(1)).latents, expected)
    assert "No space left on device" in capsys.readouterr().err
    assert not kept(views)


def test_half_a_file_of_a_killed_process_goes_after_an_hour_and_no_sooner(views):
    open_pack(views, quiet=True)
    old, new = (views / ".pack" / f".partial-{name}.npy" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3700, time.time() - 3700))
    store_of(views, codec_of(0))
    assert not old.exists()
    assert new.exists()
