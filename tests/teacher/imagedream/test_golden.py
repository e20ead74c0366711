"""ImageDream's numbers without its weights: the reduced network answers as the original did, and no usual mistake goes unseen."""

import pytest
import torch

from dd3g.teacher.attention import FoldedAttention
from dd3g.teacher.multi_view import kept_context
from tests.extras import needs_train
from tests.teacher.imagedream.golden import CONFIG, GOLDEN, VIEW_FRAMES, ask, cameras, drawn, golden_inputs, golden_unet, ranks

pytestmark = needs_train
TOLERANCE = 2e-5  # the original's own float32 sums differ from ours by 4e-6
CHECKS = GOLDEN["checks"]


@pytest.fixture(scope="module")
def unet():
    return golden_unet()


@pytest.fixture(scope="module")
def inputs(unet):
    return golden_inputs(unet)


@pytest.fixture(scope="module")
def output(unet, inputs):
    return ask(unet, **inputs)


def near(found, wanted, tolerance=TOLERANCE):
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=0, atol=tolerance)


def test_the_generator_is_the_files(unet):
    assert {name: ranks()[name] for name in CHECKS["key_rank"]} == CHECKS["key_rank"]
    state = unet.state_dict()
    resampler = "encoder_hid_proj.image_projection_layers.0"
    for source, target in {
        "camera_embed.0.bias": "class_embedding.linear_1.bias",
        "input_blocks.10.0.in_layers.2.weight": "down_blocks.3.resnets.0.conv1.weight",
        "image_embed.layers.0.0.to_kv.weight": f"{resampler}.layers.0.attn.to_k.weight",
        "time_embed.0.weight": "time_embedding.linear_1.weight",
    }.items():
        near(state[target].flatten()[:4], CHECKS["weight_sample"][source])
    near(drawn(1000, 10, 4, 16, 16).flatten()[:4], CHECKS["x_first4"])


def test_time_cameras_and_image_tokens_are_the_originals(unet, inputs):
    sinusoid = unet.time_proj(torch.tensor([741.0]))[0]
    width = len(sinusoid) // 2
    # an angle of 700 in float32 is known to 6e-5, and whose exponential made it decides
    near(torch.cat([sinusoid[:4], sinusoid[width : width + 4]]), CHECKS["timestep_embedding_741_first4_and_33to36"], 1e-4)
    near(unet.time_embedding(sinusoid[None])[0, :4], CHECKS["time_embed_out_first4"])
    told = unet.class_embedding(cameras(5))
    near(told[0, :4], CHECKS["camera_embed_out_frame0_first4"])
    near(told[4, :4], CHECKS["camera_embed_out_zero_camera_first4"])
    without, given = inputs["tokens"]
    near(without[0, :4], CHECKS["image_tokens_uncond_token0_first4"])
    near(given[0, :4], CHECKS["image_tokens_cond_token0_first4"])
    near(given[15, -4:], CHECKS["image_tokens_cond_token15_last4"])


def test_the_output_is_the_originals(output):
    wanted = GOLDEN["output"]
    assert list(output.shape) == wanted["shape"]
    near(output.flatten()[wanted["sample_flat_index"]], wanted["sample_value"])
    near(output.mean((1, 2, 3)), wanted["per_frame_mean"])
    near(output.std((1, 2, 3)), wanted["per_frame_std"])


def folded_by(frames):
    def mistaken(unet, inputs):
        before = unet.attn_processors
        unet.set_attn_processor({n: FoldedAttention(frames) if ".attn1." in n else p for n, p in before.items()})
        found = ask(unet, **inputs)
        unet.set_attn_processor(before)
        return found

    return mistaken


def without_picture(unet, inputs):
    context = torch.cat([inputs["text"], inputs["tokens"].repeat_interleave(5, 0)], 1)
    kept = tuple((text, (k, torch.zeros_like(v))) for text, (k, v) in kept_context(unet, context))
    return ask(unet, **inputs, cross_attention_kwargs={"kept": kept})


def changed(name, change):
    return lambda unet, inputs: ask(unet, **{**inputs, name: change(inputs[name].clone())})


def put(rows, values):
    def change(tensor):
        tensor[rows] = values
        return tensor

    return change


MISTAKES = {
    "no view folding": folded_by(1),
    "folding all 10 frames together": folded_by(10),
    "image branch scale 0": without_picture,
    "pixel frame not overwritten": lambda unet, inputs: ask(unet, **{**inputs, "x": drawn(1000, 10, 4, 16, 16)}),
    "fifth camera = identity instead of zeros": changed("cameras", put([4, 9], torch.eye(4).flatten())),
    "fifth frame timestep 0": changed("t", put([4, 9], 0.0)),
    "camera matrices transposed": changed("cameras", lambda c: c.unflatten(1, (4, 4)).transpose(1, 2).flatten(1)),
    "swapped cond/uncond image tokens": changed("tokens", lambda tokens: tokens.flip(0)),
}


def test_every_mistake_that_is_listed_is_made_here():
    assert set(MISTAKES) == set(GOLDEN["distances_of_common_mistakes_max_abs_over_the_8_view_frames"])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_as_far_off_as_the_original_would_be_with_it(unet, inputs, output, name):
    """Each at least 6,000 tolerances away; the very distance says that the mistake is the one that is meant."""
    far = (MISTAKES[name](unet, inputs) - output)[VIEW_FRAMES].abs().max().item()
    assert far == pytest.approx(GOLDEN["distances_of_common_mistakes_max_abs_over_the_8_view_frames"][name], abs=1e-4)


def test_groups_know_nothing_of_each_other(unet, inputs, output):
    second = {name: tensor[len(tensor) // 2 :] for name, tensor in inputs.items()}
    near(ask(unet, **second), output[5:].tolist())
    assert CONFIG.unet.frames == 5
