"""The paper's student in small: pictures as tokens of ImageDream's tower, extraction that begins with its weights; trained, rehearsed."""

from dataclasses import replace

import pytest
import torch

from dd3g.cli.main import main
from dd3g.core import canonical_rig
from dd3g.core.errors import InputError
from dd3g.core.sheet import to_image
from dd3g.encoders import GivenTokensConfig
from dd3g.recipes.image_tokens import GREY, teacher_tokens
from dd3g.recipes.init_extraction import extracting_as, start_extraction, unet_outside
from dd3g.recipes.presets import tiny_codec, tiny_teacher
from dd3g.student import PEPD
from dd3g.student.config import ExtractionConfig, PlainDecodingConfig, TeacherExtractionConfig
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS, tiny
from dd3g.student.teacher_extraction import TeacherExtraction
from dd3g.teacher.imagedream.door import cameras_inward
from dd3g.teacher.imagedream.sizes import VAESizes
from dd3g.teacher.schedule import scaled_linear
from dd3g.teacher.teacher import Teacher, TeacherNetworks, load_teacher
from tests.extras import needs_train
from tests.teacher.imagedream.synthetic import SMALL, original

pytestmark = needs_train

# attention where places are few: 16 x 16 of the 32 x 32 latents a view, the second level
SIZES = replace(SMALL, unet=replace(SMALL.unet, attention=(False, True)), vae=VAESizes(widths=(32, 32, 32), layers=1))
TOKENS = GivenTokensConfig(count=5, given_width=40, width=32)  # 2 x 2 patches and the class token of the small tower
SIBLING = replace(
    tiny(),
    encoder=TOKENS,
    extraction=ExtractionConfig(latent_size=32, channels=(8, 16), blocks=(0, 1), halve_first=False, head_width=16, camera_width=16),
    width=32,
    heads=2,
    blocks=(1, 1, 1),
    decoding=PlainDecodingConfig(gaussians_per_token=1),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return original(tmp_path_factory.mktemp("imagedream") / "any.pt", SIZES)


@pytest.fixture(scope="module")
def teacher(path):
    return load_teacher(path)


def picture():
    made = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    made[:, 3] = (made[:, 3] > 0.5).float()
    return made


def test_tokens_are_the_towers_features_of_the_picture_over_grey(teacher):
    tokens = teacher_tokens(teacher, TOKENS, "cpu")
    found = tokens(picture())
    assert found.shape == (2, 5, 40)
    assert not found.requires_grad
    hidden = picture()
    hidden[:, :3] = torch.where(hidden[:, 3:] > 0, hidden[:, :3], GREY)
    hidden[:, 3] = 1
    torch.testing.assert_close(tokens(hidden), found)  # what lies behind the matte is the grey
    resampled = teacher_tokens(teacher, GivenTokensConfig(count=4, given_width=32), "cpu")(picture())
    torch.testing.assert_close(resampled, teacher.network._tokens(teacher.network.text, found)[:, -4:])


def test_tokens_of_other_sizes_and_of_other_teachers_are_refused(teacher):
    with pytest.raises(InputError, match=r"takes \(257, 1280\), the teacher's are \(5, 40\), or \(4, 32\) resampled"):
        teacher_tokens(teacher, GivenTokensConfig(), "cpu")
    with pytest.raises(InputError, match="give --teacher, an ImageDream checkpoint"):
        teacher_tokens(None, TOKENS, "cpu")


def test_imagedreams_camera_convention_goes_into_the_layer_that_reads_it(teacher):
    """The copied network, told dd3g's cameras, embeds what the teacher's embeds of the same cameras in its own frame and order."""
    config = extracting_as(SIBLING, teacher.network.config.unet)
    student = PEPD(config)
    start_extraction(student, teacher)
    assert isinstance(student.extraction, TeacherExtraction)
    conditions = canonical_rig().conditions()[None]
    with torch.no_grad():
        ours = student.extraction.class_embedding(conditions)
        theirs = teacher.network.unet.class_embedding(cameras_inward(conditions, teacher.network.config.front))
    torch.testing.assert_close(ours, theirs.roll(-teacher.network.config.front, 1), rtol=1e-5, atol=1e-5)
    weights = unet_outside(teacher.network)
    place = "down_blocks.1.attentions.0.transformer_blocks.0.attn2"
    assert torch.equal(student.extraction.state_dict()[f"{place}.to_k.weight"], weights[f"{place}.processor.to_k_ip.0.weight"])
    assert torch.equal(student.extraction.state_dict()["conv_in.weight"], teacher.network.unet.state_dict()["conv_in.weight"])


SHORT = ["--perceptual", "none", "--steps", "2", "--batch", "2", "--threads", "1", "--preset", "sibling"]
SHORT += ["--set", "data.target_views=1", "--set", "data.image_size=64", "--set", "data.render_size=32"]


def test_a_shrunken_sibling_trains_by_command_and_generates(blob_views, dev_views, path, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "sibling", lambda: SIBLING)
    run = ["train", str(blob_views), *SHORT, "--dev", str(dev_views), "--teacher", str(path), "--init-extraction", str(path)]
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    loaded = load_student(tmp_path / "run" / "model.safetensors")
    assert loaded.network.config.encoder == TOKENS
    assert isinstance(loaded.network.config.extraction, TeacherExtractionConfig)
    assert loaded.network.config.extraction.channels == (32, 64)
    assert loaded.about["scores"]["dev_psnr"] > 0

    shown = tmp_path / "picture.png"
    to_image(picture()[0]).save(shown)
    generate = ["generate", str(shown), "--model", str(tmp_path / "run" / "model.safetensors"), "--format", "ply", "--background", "alpha"]
    generate += ["--out", str(tmp_path / "out"), "--quiet"]
    assert main(generate) == 2
    assert "give --teacher, the ImageDream checkpoint" in capsys.readouterr().err
    assert main([*generate, "--teacher", str(path)]) == 0
    assert (tmp_path / "out" / "picture.ply").is_file()
    assert main([*generate[:2], "--out", str(tmp_path / "out"), "--teacher", str(path)]) == 2
    assert "--teacher: says nothing beside bundled" in capsys.readouterr().err


def test_without_a_tower_it_is_rehearsed_and_not_trained(blob_views, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "sibling", lambda: SIBLING)
    run = ["train", str(blob_views), *SHORT, "--out", str(tmp_path / "run")]
    assert main([*run, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "zeros stand in" in said.err
    assert "parameters:" in said.out + said.err
    assert not (tmp_path / "run").exists()
    assert main(run) == 2
    assert "give --teacher, an ImageDream checkpoint" in capsys.readouterr().err
    assert main([*run, "--init", "bundled", "--init-extraction", "any"]) == 2
    assert "not together with --init" in capsys.readouterr().err


def test_an_encoder_that_is_not_there_is_not_taught(blob_views, tmp_path, monkeypatch, capsys):
    assert main(["teach", "encoder", str(blob_views), "--preset", "paper", "--out", str(tmp_path)]) == 2
    assert "has no encoder to teach" in capsys.readouterr().err


def test_our_own_teachers_weights_go_into_a_student_of_its_latents():
    torch.manual_seed(0)
    networks = TeacherNetworks(tiny_teacher(), tiny_codec())
    teacher = Teacher(networks.network, networks.codec, scaled_linear(), {}, "made up")
    config = extracting_as(tiny(), networks.network.config.unet)
    student = PEPD(config)
    start_extraction(student, teacher)
    assert config.extraction.token_count == tiny().extraction.token_count
    ours, theirs = student.extraction.state_dict(), networks.network.unet.state_dict()
    for name in ("conv_in.weight", "class_embedding.linear_1.weight", "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v.weight"):
        assert torch.equal(ours[name], theirs[name])
