"""The student's recipe: it learns, resumes exactly, and is exported for use."""

import dataclasses
import json
import shutil

import pytest
import torch

from dd3g.cli.main import main
from dd3g.core.errors import InputError, WeightsError
from dd3g.core.model_file import save_model_file
from dd3g.distill.codec_perceptual import load_codec_perceptual
from dd3g.distill.signatures import SIGNATURES
from dd3g.encoders.codec import Codec, CodecConfig
from dd3g.recipes import graphed
from dd3g.recipes.student import StudentLossConfig, depth_loss, student_losses, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.views_pack import open_pack
from dd3g.student import PEPD
from dd3g.student.anchored_decoding import Decoded
from dd3g.student.load import load_student
from dd3g.student.presets import tiny
from dd3g.student.seeding import Seeds
from dd3g.training import FitConfig, SessionConfig, fit
from dd3g.training.checkpoint import load_state
from dd3g.training.journal import read_journal
from tests.recipes.blobs import blob

DATA = StudentDataConfig(batch=2, target_views=2, image_size=64, render_size=32)
LOSS = StudentLossConfig(perceptual="none")
QUIET = SessionConfig(threads=1, quiet=True)
FIT = FitConfig(steps=6, lr=1e-3, warmup_steps=2, log_every=1, evaluate_every=3, sheet_every=6)


@pytest.fixture(scope="module")
def packs(blob_views, dev_views):
    return open_pack(blob_views, quiet=True), open_pack(dev_views, quiet=True)


def recipe_of(packs, **changes):
    return student_recipe(tiny(), DATA, dataclasses.replace(LOSS, **changes), [packs[0]], packs[1], seed=0, provenance={"data": "blobs"})


def test_resumed_training_equals_uninterrupted_bit_for_bit(packs, tmp_path):
    fit(recipe_of(packs), FIT, tmp_path / "whole", QUIET)
    result = fit(recipe_of(packs), FIT, tmp_path / "parts", dataclasses.replace(QUIET, max_minutes=0.0))
    assert 0 < result["step"] < 6
    fit(recipe_of(packs), FIT, tmp_path / "parts", QUIET)
    first, second = (load_state(tmp_path / run / "checkpoints" / "last.pt") for run in ("whole", "parts"))
    for name in ("network", "average"):
        a, b = getattr(first, name), getattr(second, name)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert (tmp_path / "whole" / "model.safetensors").read_bytes()[-1000:] == (tmp_path / "parts" / "model.safetensors").read_bytes()[
        -1000:
    ]


def test_the_export_is_loaded_by_name_and_tells_its_data(packs, tmp_path):
    fit(recipe_of(packs), FIT, tmp_path, QUIET)
    loaded = load_student(tmp_path / "model.safetensors")
    assert loaded.about["data"] == "blobs"
    scores = loaded.about["scores"]
    assert scores["dev_psnr"] > 10
    assert {f"dev_{name}" for name in SIGNATURES} <= set(scores)  # the paper's failure signatures are in every training log
    assert all(0 <= scores[f"dev_{name}"] <= 1 for name in SIGNATURES if name != "saturation")
    assert (tmp_path / "sheets" / "0000006.png").is_file()
    assert {e["kind"] for e in read_journal(tmp_path / "metrics.jsonl")} == {"train", "evaluate"}


def test_every_term_is_there_and_finite(packs):
    recipe = recipe_of(packs)
    terms = recipe.losses(recipe.network, recipe.batch(0), 0)
    assert set(terms) == {"mse", "alpha", "depth", "surfaces", "slopes", "camera"}
    assert all(torch.isfinite(term) for term in terms.values())


def test_losses_see_the_same_in_a_decoding_that_went_through_a_graphs_door(packs):
    """Graphs take and give tensors alone; what is put together again from them loses nothing that a loss looks at."""
    recipe = recipe_of(packs)
    student, batch = recipe.network, recipe.batch(0)
    assert isinstance(student, PEPD)
    plain = student_losses(student, batch, LOSS, None)

    def decode(network, b):
        return graphed._assembled(graphed._Tensors(network)(*graphed._arguments(b)), b)

    passed = student_losses(student, batch, LOSS, None, decode)
    assert all(torch.equal(plain[name], passed[name]) for name in plain)
    assert plain.keys() == passed.keys()


def test_a_named_perceptual_network_whose_weights_are_absent_is_an_error(packs, monkeypatch, tmp_path):
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="set DD3G_WEIGHTS"):
        recipe_of(packs, perceptual="lpips-alex")


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    """Two codecs' files."""
    config = CodecConfig(channels=8, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1))
    root = tmp_path_factory.mktemp("codecs")
    for seed in (0, 1):
        torch.manual_seed(seed)
        tensors = Codec(config).state_dict()
        save_model_file(root / f"{seed}.safetensors", kind="codec", config=dataclasses.asdict(config), about={}, tensors=tensors)
    return [str(root / f"{seed}.safetensors") for seed in (0, 1)]


def test_the_codecs_features_are_a_perceptual_term(packs, codecs):
    loss = dataclasses.replace(LOSS, perceptual="codec")
    given = load_codec_perceptual(codec=codecs[0])
    recipe = student_recipe(tiny(), DATA, loss, [packs[0]], None, seed=0, provenance={}, codec=given)
    terms = recipe.losses(recipe.network, recipe.batch(0), 0)
    assert 0 < terms["perceptual"].item() < 4 * loss.explicit.perceptual
    grown = torch.autograd.grad(terms["perceptual"], list(recipe.network.parameters()), allow_unused=True)
    assert any(g is not None and g.any() for g in grown)
    with pytest.raises(InputError, match="--perceptual codec: no codec given"):
        student_recipe(tiny(), DATA, loss, [packs[0]], None, seed=0, provenance={})


def test_the_command_wants_a_codec_and_goes_on_with_no_other(blob_views, codecs, tmp_path, capsys):
    short = [
        "--preset",
        "tiny",
        "--batch",
        "2",
        "--steps",
        "2",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "run"),
        "--set",
        "data.render_size=32",
    ]
    command = ["train", str(blob_views), *short]
    for asked in (["--perceptual", "codec"], ["--set", "loss.perceptual=codec"]):
        assert main([*command, *asked]) == 2
        error = capsys.readouterr().err
        assert "--perceptual codec: no codec given; name one with --codec" in error
        assert error.strip().count("\n") == 0
    assert main([*command, "--perceptual", "none", "--codec", codecs[0]]) == 2
    assert "--codec: says nothing beside --perceptual none" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*command, "--perceptual", "codec", "--codec", codecs[0]]) == 0
    capsys.readouterr()
    assert main([*command, "--perceptual", "codec", "--codec", codecs[1]]) == 2
    assert "codec" in capsys.readouterr().err


def test_depth_loss_is_zero_on_the_surfaces_and_counts_layers():
    """Two seeds on one ray, front and back, and a third half way; the truth has them at 0.3, -0.2 and 0.05."""
    xy = torch.zeros(1, 3, 2)
    one = torch.ones(1, 3)
    seeds = Seeds(xy, torch.tensor([[0.0, 1.0, 0.5]]), one, one)
    view = PEPD(tiny()).look_at(torch.ones(1, 4, 16, 16))
    truth = torch.stack([torch.full((1, 4, 4), 0.3), torch.full((1, 4, 4), -0.2)], 1)

    def loss(towards):
        return depth_loss(Decoded(blob(0, n=3), xy, torch.tensor([towards]), seeds, view), truth).item()

    assert loss([0.3, -0.2, 0.05]) == pytest.approx(0, abs=1e-12)
    assert loss([0.4, -0.2, 0.05]) == pytest.approx((0.1 - 0.01) / 3, abs=1e-6)  # smooth L1 with beta 0.02
    truth[0, :, :, :] = float("nan")
    assert loss([0.4, 0.9, 0.0]) == 0  # nothing is known there


def test_the_command_trains_resumes_and_exports_in_parts(blob_views, dev_views, tmp_path, capsys):
    arguments = [
        "train",
        str(blob_views),
        "--dev",
        str(dev_views),
        "--preset",
        "tiny",
        "--perceptual",
        "none",
        "--steps",
        "4",
        "--batch",
        "2",
    ]
    arguments += ["--threads", "1", "--set", "data.render_size=32", "--set", "fit.log_every=2", "--set", "fit.evaluate_every=4"]
    out = ["--out", str(tmp_path / "run"), "--export", str(tmp_path / "parts")]
    assert main([*arguments, *out, "--max-minutes", "0"]) == 0
    assert "the same command goes on" in capsys.readouterr().err
    assert main([*arguments, *out]) == 0
    assert "4/4" in capsys.readouterr().err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["data"]["render_size"] == 32
    assert (tmp_path / "parts" / "model.safetensors.parts.json").is_file()
    # A new run from these weights.
    assert main([*arguments, "--out", str(tmp_path / "more"), "--init", str(tmp_path / "run" / "model.safetensors")]) == 0


def test_learning_from_what_chooses_is_refused(blob_views, tmp_path, capsys):
    assert (
        main(["train", str(blob_views), "--dev", str(blob_views), "--preset", "tiny", "--perceptual", "none", "--out", str(tmp_path)]) == 2
    )
    assert "also learnt from" in capsys.readouterr().err


def test_learning_from_a_changed_version_of_what_chooses_is_refused(blob_views, dev_views, tmp_path, capsys):
    shutil.copytree(dev_views / "blob-051", tmp_path / "changed" / "blob-051~3")
    views = [str(blob_views), str(tmp_path / "changed")]
    arguments = ["--preset", "tiny", "--perceptual", "none", "--out", str(tmp_path / "run")]
    assert main(["train", *views, "--dev", str(dev_views), *arguments]) == 2
    assert "1 of its objects are also learnt from (blob-051, ...)" in capsys.readouterr().err
    assert main(["train", str(dev_views), "--dev", str(tmp_path / "changed"), *arguments]) == 2  # and the other way round
    assert "also learnt from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--preset", "huge"], "known are tiny"),
        (["--init", "nowhere.safetensors"], "no such checkpoint"),
        (["--set", "model.widht=3"], "did you mean width"),
        (["--device", "cuda:99"], "--device cuda:99: can't be used here"),
        (["--device", "gpu"], "--device gpu: can't be used here"),
        (["--graphs"], "--graphs: records CUDA graphs, found --device cpu"),
    ],
)
def test_wrong_options_are_explained(blob_views, tmp_path, capsys, extra, message):
    assert main(["train", str(blob_views), "--perceptual", "none", "--out", str(tmp_path), *extra]) == 2
    assert message in capsys.readouterr().err
