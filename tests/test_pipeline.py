"""The everyday way in Python: what goes in, what comes out, and that nothing but picture, seed and options matters."""

import numpy as np
import pytest
import torch
from PIL import Image

import dd3g
from dd3g import ImageTo3D
from dd3g.core.errors import CheckpointError, InputError, PictureError
from dd3g.formats import load
from tests.cli.conftest import disc, model  # noqa: F401 - the fixture


@pytest.fixture(scope="module")
def generate(model):  # noqa: F811
    return ImageTo3D.from_pretrained(model)


@pytest.fixture
def picture(tmp_path):
    return disc(tmp_path / "chair.png")


def same(one, other):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("means", "quats_wxyz", "scales", "opacities", "rgb"))


def test_the_door_of_the_package_is_the_pipeline():
    assert set(dd3g.__all__) == {"Generated", "ImageTo3D", "__version__"}
    assert all(hasattr(dd3g, name) for name in dd3g.__all__)
    with pytest.raises(AttributeError, match="no attribute 'pictures'"):
        dd3g.pictures  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue] - that there is none is the point


def test_a_path_its_bytes_an_image_and_an_array_are_the_same_picture(generate, picture):
    first = generate(picture, gaussians=256)
    with Image.open(picture) as image:
        others = [str(picture), picture.read_bytes(), image.copy(), np.asarray(image)]
    for other in others:
        assert same(generate(other, gaussians=256).gaussians, first.gaussians)


def test_a_list_gives_what_each_gives_alone(generate, tmp_path):
    pictures = [disc(tmp_path / f"{i}.png", i) for i in range(2)]
    together = generate(pictures, seed=7, gaussians=256)
    assert len(together) == 2
    for picture, made in zip(pictures, together, strict=True):
        assert made.seed == 7
        assert same(made.gaussians, generate(picture, seed=7, gaussians=256).gaussians)
    assert not same(together[0].gaussians, together[1].gaussians)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_threads_nor_the_random_state_matter(generate, picture, threads):
    first = generate(picture, gaussians=256).gaussians
    torch.set_num_threads(threads)
    torch.manual_seed(99)
    assert same(generate(picture, gaussians=256).gaussians, first)
    assert torch.get_num_threads() == threads


def test_another_seed_is_another_object(generate, picture):
    assert not same(generate(picture, seed=0, gaussians=256).gaussians, generate(picture, seed=1, gaussians=256).gaussians)


def test_options_are_heard(generate, picture):
    made = generate(picture, elevation_deg=33.0, gaussians=1024, background="none")
    assert made.elevation_deg == pytest.approx(33)
    assert 512 < len(made.gaussians) <= 1024
    assert made.prepared.method == "none"
    assert set(made.milliseconds) == {"prepare", "network"}


def test_results_are_written_by_suffix(generate, picture, tmp_path):
    made = generate(picture, gaussians=256)
    made.save(tmp_path / "a.ply")
    assert torch.allclose(load(tmp_path / "a.ply").means, made.gaussians.means, atol=1e-6)
    made.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 9 * 256
    assert made.prepared_image().mode == "RGBA"
    with pytest.raises(InputError, match=r"'\.stl' is no splat format"):
        made.save(tmp_path / "a.stl")


def test_what_is_wrong_is_said_in_its_own_error(generate, tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        generate(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="null"):
        generate("a\0.png")
    with pytest.raises(InputError, match="seed: found -1"):
        generate(np.zeros((20, 20, 3), np.uint8), seed=-1)
    with pytest.raises(InputError, match=r"gaussians: found 3, expected 64 \(one a token\)"):
        generate(disc(tmp_path / "a.png"), gaussians=3)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        ImageTo3D.from_pretrained(tmp_path / "nowhere.safetensors")
