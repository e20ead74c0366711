"""CLIP's towers against torch's own transformer layers, and the texts as they are stored."""

import pytest
import torch
from torch import nn

from dd3g.core.errors import InputError
from dd3g.teacher.imagedream.clip import TextTower, VisionTower
from dd3g.teacher.imagedream.clip_rows import text_rows, vision_rows
from dd3g.teacher.imagedream.prompts import PROMPTS, TEXTS, prompt_ids, prompts_named
from dd3g.teacher.imagedream.rows import target_shapes
from dd3g.teacher.imagedream.sizes import PUBLISHED, TextSizes, VisionSizes
from tests.teacher.imagedream.golden import FACTS

TEXT = TextSizes(vocabulary=50, length=12, width=32, hidden=64, layers=3, head_width=16)
VISION = VisionSizes(side=28, patch=7, width=48, hidden=96, layers=3, head_width=16)


def made(tower):
    torch.manual_seed(0)
    built = tower[0](tower[1]).eval().requires_grad_(False)
    for parameter in built.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))  # biases and norms count as well
    return built


@pytest.fixture(scope="module")
def text():
    return made((TextTower, TEXT))


@pytest.fixture(scope="module")
def vision():
    return made((VisionTower, VISION))


def test_parameters_are_those_of_a_file():
    with torch.device("meta"):
        towers = {"text": TextTower(PUBLISHED.text), "vision": VisionTower(PUBLISHED.vision)}
    rows = {"text": text_rows(PUBLISHED.text), "vision": vision_rows(PUBLISHED.vision, PUBLISHED.text.width)}
    numbers = {"text": (372, 340_387_840), "vision": (519, 630_766_080)}
    for name, tower in towers.items():
        found = {n: tuple(p.shape) for n, p in tower.state_dict().items()}
        assert found == target_shapes(rows[name])
        assert (len(found), sum(p.numel() for p in tower.parameters())) == numbers[name]


def torchs(layer, width, heads, hidden):
    """The same layer as torch has it."""
    other = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    ours = layer.self_attn
    other.self_attn.in_proj_weight.data = torch.cat([p.weight for p in (ours.q_proj, ours.k_proj, ours.v_proj)])
    other.self_attn.in_proj_bias.data = torch.cat([p.bias for p in (ours.q_proj, ours.k_proj, ours.v_proj)])
    pairs = {"self_attn.out_proj": ours.out_proj, "linear1": layer.mlp.fc1, "linear2": layer.mlp.fc2}
    pairs |= {"norm1": layer.layer_norm1, "norm2": layer.layer_norm2}
    for name, module in pairs.items():
        other.get_submodule(name).load_state_dict(module.state_dict())
    return other


def test_the_text_tower_is_all_its_layers_under_a_causal_mask_and_its_norm(text):
    ids = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(1))
    x = text.embeddings.token_embedding.weight[ids] + text.embeddings.position_embedding.weight
    mask = nn.Transformer.generate_square_subsequent_mask(12)
    for layer in text.encoder.layers:
        x = torchs(layer, 32, 2, 64)(x, src_mask=mask)
    torch.testing.assert_close(text(ids), text.final_layer_norm(x), rtol=0, atol=1e-5)


def test_text_sees_what_stands_before_it(text):
    ids = torch.randint(0, 50, (1, 12), generator=torch.Generator().manual_seed(1))
    other = ids.clone()
    other[0, 6] = (ids[0, 6] + 1) % 50
    changed = (text(ids) - text(other)).abs().amax(-1)[0]
    assert (changed[:6] < 1e-6).all()
    assert (changed[6:] > 1e-5).all()


def test_the_image_tower_stops_before_its_last_layer_and_without_a_norm(vision):
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    kernel = vision.embeddings.patch_embedding.weight.flatten(1)
    patches = pixels.unfold(2, 7, 7).unfold(3, 7, 7).permute(0, 2, 3, 1, 4, 5).reshape(2, 16, -1) @ kernel.T
    first = vision.embeddings.class_embedding.expand(2, 1, -1)
    x = vision.pre_layrnorm(torch.cat([first, patches], 1) + vision.embeddings.position_embedding.weight)
    for layer in vision.encoder.layers[:2]:
        x = torchs(layer, 48, 3, 96)(x)
    torch.testing.assert_close(vision(pixels), x, rtol=0, atol=1e-5)


def test_texts_are_the_published_ids_filled_up_with_zeros():
    assert set(TEXTS.values()) < set(FACTS["token_ids"]) | {""}
    assert TEXTS["poor"] == FACTS["negative_prompt_demo"]
    assert TEXTS["poor-sds"] == FACTS["negative_prompt_sds"]
    for name in PROMPTS:
        ids = prompt_ids(name).tolist()
        known = FACTS["token_ids"][TEXTS[name]]
        assert ids == known + [0] * (77 - len(known))


def test_a_text_that_is_not_stored_is_refused():
    assert prompts_named("empty", "poor-sds") == ("empty", "poor-sds")
    with pytest.raises(InputError, match="prompt: found 'a red chair', expected one of asset, empty"):
        prompts_named("a red chair", "poor")
