"""CLIP towers from another place: for the original file, which may have none."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from dd3g.core.errors import CheckpointError
from dd3g.teacher.imagedream.layouts import PARTS, PREFIXES
from dd3g.teacher.imagedream.read import read_checkpoint
from dd3g.teacher.imagedream.write import write_converted

from .synthetic import SMALL, original, port


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The original without towers; and OpenCLIP's file, the port and the original with them, all of one seed."""
    folder = tmp_path_factory.mktemp("towers")
    original(folder / "bare.pt", towers=False)
    whole = torch.load(original(folder / "whole.pt"), weights_only=True)
    prefix = PREFIXES["text"]
    save_file({name.removeprefix(prefix): values for name, values in whole.items() if name.startswith(prefix)}, folder / "clip.safetensors")
    port(folder / "port")
    return folder


@pytest.mark.parametrize("given", ["clip.safetensors", "whole.pt", "port"])
def test_towers_from_any_place_are_the_same_tensors(place, given):
    joined, whole = read_checkpoint(place / "bare.pt", towers=place / given), read_checkpoint(place / "whole.pt")
    assert set(joined.parts) == set(PARTS)
    assert joined.sizes == SMALL
    for part in PARTS:
        assert all(torch.equal(tensor, joined.parts[part][name]) for name, tensor in whole.parts[part].items())


def test_where_towers_came_from_is_part_of_what_a_checkpoint_is(place, tmp_path):
    bare = read_checkpoint(place / "bare.pt")
    joined = read_checkpoint(place / "bare.pt", towers=place / "clip.safetensors")
    other = read_checkpoint(place / "bare.pt", towers=place / "port")
    assert bare.source.identity == bare.sha256 == joined.sha256
    assert len({bare.source.identity, joined.source.identity, other.source.identity}) == 3
    write_converted(joined, tmp_path / "c")
    assert read_checkpoint(tmp_path / "c").source == joined.source


def test_a_folder_without_the_u_net_will_do(place, tmp_path):
    folder = port(tmp_path / "port")
    (folder / "unet").rename(tmp_path / "elsewhere")
    assert set(read_checkpoint(place / "bare.pt", towers=folder).parts) == set(PARTS)


def test_towers_that_are_none_or_do_not_fit_are_refused(place, tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    for path, words in (
        (place / "bare.pt", "holds no CLIP"),
        (tmp_path, "holds no CLIP"),
        (tmp_path / "other.safetensors", "no CLIP"),
        (tmp_path / "x", "no such"),
    ):
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(place / "bare.pt", towers=path)
    wide = replace(SMALL, text=replace(SMALL.text, width=48, head_width=48))
    with pytest.raises(CheckpointError, match="text tower is 48 wide and the U-Net takes 32"):
        read_checkpoint(place / "bare.pt", towers=port(tmp_path / "wide", wide))

    def edit(tensors):
        del tensors["clip_model.model.visual.ln_pre.bias"]

    with pytest.raises(CheckpointError, match=r"CLIP towers with 1 faults \(missing clip_model\.model\.visual\.ln_pre\.bias\)"):
        read_checkpoint(place / "bare.pt", towers=original(tmp_path / "short.pt", edit=edit))
