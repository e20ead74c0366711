"""Networks that look at pictures: one look, the same figures as two; real loaders on files that the test writes; laws of the metrics."""

import hashlib
import os
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from dd3g.core import weights as weights_module
from dd3g.core.errors import WeightsError
from dd3g.core.weights import ThirdPartyWeights, WeightsFile
from dd3g.distill.lpips import LPIPS, load_lpips
from dd3g.evaluate.clip import ClipSizes, ClipVision, load_clip
from dd3g.evaluate.perceptual import Looker, load_lookers

SHARED = Path(__file__).parents[3] / "shared" / "weights"
TINY = ClipSizes(width=128, layers=2, patch=16, side=32, embedding=24)


def test_a_picture_is_looked_at_once_and_a_single_guess_stands_for_all_views():
    looks = []

    def see(pictures):
        looks.append(len(pictures))
        return pictures

    truth = torch.rand(6, 3, 4, 4)
    looker = Looker(see, lambda a, b: (a - b).abs().mean((1, 2, 3)))
    found = looker.figures(truth, {"ours": truth * 0.5, "copy": truth[:1]})
    assert sorted(looks) == [1, 2, 2, 4, 4]
    assert torch.allclose(found["copy"], (truth[:1] - truth).abs().mean((1, 2, 3)))
    assert torch.allclose(found["ours"], truth.mean((1, 2, 3)) * 0.5, atol=1e-6)


@pytest.mark.parametrize("backbone", ["alex", "squeeze", "vgg"])
def test_two_halves_of_lpips_are_the_whole(backbone):
    torch.manual_seed(0)
    lpips = LPIPS(backbone)
    for head in lpips.heads:
        head.copy_(torch.rand(head.shape))
    a, b = torch.rand(2, 3, 40, 40), torch.rand(2, 3, 40, 40)
    assert torch.equal(lpips.between(lpips.seen(a), lpips.seen(b)), lpips(a, b))
    assert torch.equal(lpips(a, a), torch.zeros(2))
    assert torch.allclose(lpips(a, b), lpips(b, a), rtol=1e-5)
    assert torch.allclose(lpips.between(lpips.seen(a[:1]), lpips.seen(b)), lpips(a[:1].expand(2, -1, -1, -1), b), rtol=1e-5)


def named(monkeypatch, tmp_path, **files):
    """Makes files of the test the official ones of their names, checksums and all."""
    entries = {}
    for name, path in files.items():
        name = name.replace("_", "-")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        entries[name] = ThirdPartyWeights(name, "made by a test", (WeightsFile(path.name, found, "https://nowhere.example"),))
    monkeypatch.setattr(weights_module, "THIRD_PARTY", {**weights_module.THIRD_PARTY, **entries})
    monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path))


def test_lpips_is_read_from_official_files_as_they_are(monkeypatch, tmp_path):
    """torchvision's states hold a classifier, the heads a convolution of their own name."""
    torch.manual_seed(0)
    made = LPIPS("vgg")
    state = {f"features.{name}": t for name, t in made.features.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.rand(3, 3)}, tmp_path / "vgg16.pth")
    heads = {f"lin{k}.model.1.weight": torch.rand(1, len(head), 1, 1) for k, head in enumerate(made.heads)}
    torch.save(heads, tmp_path / "vgg.pth")
    named(monkeypatch, tmp_path, lpips_vgg_backbone=tmp_path / "vgg16.pth", lpips_vgg_heads=tmp_path / "vgg.pth")
    found = load_lpips("vgg")
    assert torch.equal(found.heads[2], heads["lin2.model.1.weight"].flatten())
    for head, values in zip(made.heads, heads.values(), strict=True):
        head.copy_(values.flatten())
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    assert torch.equal(found(a, b), made(a, b))
    assert set(load_lookers(["psnr", "lpips_vgg", "clip"]).here) == {"lpips_vgg"}
    assert "clip" in load_lookers(["psnr", "lpips_vgg", "clip"]).why
    (tmp_path / "vgg16.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="SHA-256"):
        load_lpips("vgg")


def clip_by_hand(state, rgb):
    """The same tower written with products and sums alone."""
    mean, deviation = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    x = (rgb - mean[:, None, None]) / deviation[:, None, None]
    patches = x.unfold(2, 16, 16).unfold(3, 16, 16)  # b c rows columns y x
    tokens = torch.einsum("bcrsyx,wcyx->brsw", patches, state["conv1.weight"]).flatten(1, 2)
    tokens = torch.cat([state["class_embedding"].expand(len(rgb), 1, -1), tokens], 1) + state["positional_embedding"]

    def normed(x, name):
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]

    tokens = normed(tokens, "ln_pre")
    for k in range(TINY.layers):
        block = f"transformer.resblocks.{k}."
        y = normed(tokens, block + "ln_1") @ state[block + "attn.in_proj_weight"].T + state[block + "attn.in_proj_bias"]
        q, key, v = (part.unflatten(-1, (2, 64)).transpose(1, 2) for part in y.chunk(3, -1))
        mixed = ((q @ key.transpose(-1, -2) / 8).softmax(-1) @ v).transpose(1, 2).flatten(2)
        tokens = tokens + mixed @ state[block + "attn.out_proj.weight"].T + state[block + "attn.out_proj.bias"]
        y = normed(tokens, block + "ln_2") @ state[block + "mlp.c_fc.weight"].T + state[block + "mlp.c_fc.bias"]
        tokens = tokens + (y * (1.702 * y).sigmoid()) @ state[block + "mlp.c_proj.weight"].T + state[block + "mlp.c_proj.bias"]
    made = normed(tokens[:, 0], "ln_post") @ state["proj"]
    return made / made.norm(dim=-1, keepdim=True)


class Archive(nn.Module):
    """What OpenAI's archive is: a module of towers with parameters under their names."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        self.logit_scale = nn.Parameter(torch.zeros(()))


class Holder(nn.Module):
    """Holds parameters, and runs nothing."""


def held(state):
    """A module whose state dictionary has these names."""
    root = Holder()
    for name, value in state.items():
        place = root
        *path, last = name.split(".")
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, Holder())
            place = getattr(place, part)
        place.register_parameter(last, nn.Parameter(value, requires_grad=False))
    return root


def test_clip_is_read_from_its_archive_and_is_the_tower(monkeypatch, tmp_path):
    torch.manual_seed(0)
    state = {name: torch.randn(t.shape) * 0.1 for name, t in ClipVision(TINY).state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out of torch
        torch.jit.save(torch.jit.script(Archive(held(state))), tmp_path / "ViT.pt")
    named(monkeypatch, tmp_path, clip_vit_b_32=tmp_path / "ViT.pt")
    found = load_clip(TINY)
    pictures = torch.rand(3, 3, 32, 32)
    seen = found(pictures)
    assert torch.allclose(seen, clip_by_hand(state, pictures), atol=1e-5)
    assert torch.allclose(seen.norm(dim=-1), torch.ones(3), atol=1e-6)
    assert found(torch.rand(1, 3, 50, 50)).shape == (1, 24)
    with pytest.raises(WeightsError, match="another network"):
        load_clip()


@pytest.mark.skipif(
    not (SHARED / "lpips").is_dir() and "DD3G_WEIGHTS" not in os.environ, reason="LPIPS weights are not here (DD3G_WEIGHTS)"
)
@pytest.mark.parametrize("column", ["lpips_alex", "lpips_squeeze"])
def test_known_degradations_come_in_order(monkeypatch, column):
    """More noise, more blur, more shift: farther; and one look in channels-last form is the metric itself."""
    monkeypatch.setenv("DD3G_WEIGHTS", os.environ.get("DD3G_WEIGHTS", str(SHARED)))
    looker = load_lookers([column]).here[column]
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 12, 12, generator=generator)
    truth = nn.functional.interpolate(small, (96, 96), mode="bicubic").clamp(0, 1)
    noise = torch.randn(truth.shape, generator=generator)
    blurred = [
        nn.functional.interpolate(nn.functional.interpolate(truth, (s, s), mode="area"), (96, 96), mode="bilinear") for s in (48, 24, 12)
    ]
    kinds = {"noise": [(truth + s * noise).clamp(0, 1) for s in (0.02, 0.08, 0.3)], "blur": blurred}
    for name, guesses in kinds.items():
        values = [looker.figures(truth, {"a": guess})["a"].item() for guess in [truth, *guesses]]
        assert values == sorted(values), name
        assert values[0] == pytest.approx(0, abs=1e-6)
        assert values[1] > 1e-4
    assert looker.figures(truth, {"a": blurred[1]})["a"].item() == pytest.approx(load_lpips(column[6:])(truth, blurred[1]).item(), abs=1e-5)
