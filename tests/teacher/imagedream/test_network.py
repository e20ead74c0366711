"""The multi-view network in ImageDream's shape: its size, its attention against plain formulas, and what may depend on what."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from dd3g.core import canonical_rig, orbit
from dd3g.teacher import ddim_sample, scaled_linear
from dd3g.teacher.attention import FoldedAttention, TwoContextAttention
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork, imagedream_unet
from dd3g.teacher.imagedream.sizes import Sizes, TextSizes, UNetSizes, VisionSizes
from dd3g.teacher.multi_view import Condition
from tests.extras import needs_train
from tests.teacher.imagedream.golden import FACTS

pytestmark = needs_train

TINY = ImageDreamConfig(
    Sizes(
        UNetSizes(
            widths=(32, 64), attention=(False, True), layers=1, head_width=32, context=32, tokens=4, image_width=40, resampler_layers=1,
            resampler_heads=1,
        ),
        text=TextSizes(vocabulary=8, width=32, hidden=32, layers=1, head_width=32),
        vision=VisionSizes(side=28, width=40, hidden=40, layers=2, head_width=40),
    ),
    latent_size=4,
)  # fmt: skip


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(config):
    torch.manual_seed(0)
    network = ImageDreamNetwork(config).eval().requires_grad_(False)
    text = config.sizes.text
    network.tell(drawn(text.length, text.width, seed=2), drawn(text.length, text.width, seed=3))
    return network


@pytest.fixture(scope="module")
def network():
    return made(TINY)


def condition(network, count=2):
    return network.condition(torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(4)), drawn(count, 4, 4, 4, seed=5))


def ask(network, z, told, cameras=None, t=500.0):
    given = canonical_rig(elevation_deg=5.0).conditions() if cameras is None else cameras
    return network(z, torch.full((len(z),), t), given.expand(len(z), -1, -1), told)


def test_the_published_network_has_every_name_and_number():
    """On the meta device: nothing of its 4 GB is there."""
    with torch.device("meta"):
        unet = imagedream_unet(ImageDreamConfig())
    parameters = unet.state_dict()
    assert len(parameters) == 777
    assert sum(p.numel() for p in parameters.values()) == 941_672_900
    assert sum(isinstance(p, TwoContextAttention) for p in unet.attn_processors.values()) == 16
    assert sum(isinstance(p, FoldedAttention) and p.frames == 5 for p in unet.attn_processors.values()) == 16


def attention(context=None) -> Any:  # diffusers' types know its own processors alone
    from diffusers.models.attention_processor import Attention, AttnProcessor2_0

    torch.manual_seed(1)
    return cast(Any, Attention)(24, context, heads=2, dim_head=12, processor=AttnProcessor2_0()).eval().requires_grad_(False)


def test_folding_views_is_attention_over_their_tokens_in_one_row():
    plain, hidden = attention(), drawn(10, 6, 24)
    wanted = plain(hidden.reshape(2, 30, 24)).reshape(10, 6, 24)
    plain.set_processor(FoldedAttention(5))
    torch.testing.assert_close(plain(hidden), wanted, rtol=0, atol=1e-6)


def test_text_and_picture_are_attended_to_as_the_stock_adapter_does():
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

    plain, hidden, text, picture = attention(16), drawn(10, 6, 24), drawn(2, 7, 16), drawn(2, 4, 16, seed=2)
    torch.manual_seed(2)
    stock = IPAdapterAttnProcessor2_0(24, cross_attention_dim=16, num_tokens=(4,), scale=1.0)
    plain.set_processor(stock)
    each = (text.repeat_interleave(5, 0), [picture.repeat_interleave(5, 0)[:, None]])
    wanted = plain(hidden, encoder_hidden_states=each)
    ours = TwoContextAttention(0, 24, 16, 4)
    ours.load_state_dict(stock.state_dict())
    plain.set_processor(ours)
    found = plain(hidden, encoder_hidden_states=torch.cat([text, picture], 1))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_keys_and_values_that_were_kept_are_those_that_would_be_made(network):
    """And are the ones that are used: with others' the answer is another."""
    z, told = drawn(2, 4, 4, 4, 4), condition(network)
    cameras = canonical_rig().conditions().expand(2, -1, -1)
    steady = network.steady(cameras, told)
    kept = network.predict(z, torch.full((2,), 500.0), steady)
    inside = torch.cat([z.roll(1, 1), told.latents[:, None]], 1)
    rows = torch.cat([steady.cameras, torch.zeros(2, 1, 16)], 1)
    plain = (
        network.unet(inside.flatten(0, 1), torch.full((10,), 500.0), encoder_hidden_states=told.tokens, class_labels=rows.flatten(0, 1))
        .sample.unflatten(0, (2, 5))[:, :4]
        .roll(-1, 1)
    )
    torch.testing.assert_close(kept, plain, rtol=0, atol=1e-6)
    others = replace(steady, kept=network.steady(cameras, Condition(told.latents, told.tokens + 1)).kept)
    assert (network.predict(z, torch.full((2,), 500.0), others) - kept).abs().max() > 1e-3


def test_views_are_a_set_that_knows_its_cameras(network):
    z, told, cameras = drawn(2, 4, 4, 4, 4), condition(network), canonical_rig().conditions()
    plain, order = ask(network, z, told, cameras), [2, 0, 3, 1]
    torch.testing.assert_close(ask(network, z[:, order], told, cameras[order]), plain[:, order], rtol=0, atol=1e-5)
    assert (ask(network, z, told, cameras.flip(0)) - plain).abs().max() > 1e-3


def test_six_views_and_their_picture(network):
    """A larger teacher: other numbers of views and cameras by configuration alone."""
    six = made(replace(TINY, views=6))
    z, told = drawn(1, 6, 4, 4, 4), condition(six, 1)
    cameras = orbit([60.0 * k for k in range(6)], 5.0).conditions()
    plain, order = ask(six, z, told, cameras), [4, 0, 5, 2, 1, 3]
    assert plain.shape == z.shape
    torch.testing.assert_close(ask(six, z[:, order], told, cameras[order]), plain[:, order], rtol=0, atol=1e-5)
    changed = z.clone()
    changed[:, 5] += 1
    assert (ask(six, changed, told, cameras)[:, 0] - plain[:, 0]).abs().max() > 1e-4
    assert {p.frames for p in six.unet.attn_processors.values() if isinstance(p, FoldedAttention)} == {7}


def test_what_is_predicted_for_the_picture_is_dropped(network, monkeypatch):
    z, told = drawn(2, 4, 4, 4, 4), condition(network)
    plain, unet = ask(network, z, told), network.unet.forward

    def spoilt(*given, **named):
        frames = unet(*given, **named).sample.unflatten(0, (-1, 5)).clone()
        frames[:, 4] = float("nan")
        return SimpleNamespace(sample=frames.flatten(0, 1))

    monkeypatch.setattr(network.unet, "forward", spoilt)
    assert torch.equal(ask(network, z, told), plain)


def test_without_a_picture_text_features_and_latents_go_and_the_cameras_stay(network):
    nothing, given = network.unconditioned(2), condition(network)
    assert not nothing.latents.any()
    length = TINY.sizes.text.length
    torch.testing.assert_close(nothing.tokens[:, :length], network.negative.expand(2, -1, -1))
    torch.testing.assert_close(given.tokens[:, :length], network.text.expand(2, -1, -1))
    assert nothing.tokens[:, length:].abs().max() > 0.1  # zeros through the resampler are not zero
    z, rig = drawn(2, 4, 4, 4, 4), canonical_rig().conditions()
    assert (ask(network, z, nothing, rig) - ask(network, z, nothing, rig.flip(0))).abs().max() > 1e-3


def test_times_reach_the_sinusoid_as_whole_numbers_whatever_the_network_computes_in():
    """bfloat16 would make 980 of 981."""
    network = made(TINY)
    seen = []
    network.unet.time_proj.register_forward_hook(lambda _module, given, _made: seen.append(given[0]))
    torch.nn.Module.to(network.unet, torch.bfloat16)
    found = ask(network, drawn(1, 4, 4, 4, 4), condition(network, 1), t=981.0)
    assert seen[0].double().unique().tolist() == [981.0]
    assert found.dtype == torch.float32


def test_our_ode_is_diffusers_ddim_under_the_documented_configuration():
    from diffusers import DDIMScheduler

    theirs: Any = DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        steps_offset=1,
        timestep_spacing="leading",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="epsilon",
    )
    theirs.set_timesteps(50)
    schedule, asked = scaled_linear(), []

    def epsilon(z, t):
        asked.append(t)
        return drawn(*z.shape, seed=t)  # asks nothing of z: a slope would make more of a rounding error

    noise = drawn(2, 4, 4, 8, 8)
    ours = ddim_sample(epsilon, noise, schedule, 50)
    assert asked == theirs.timesteps.tolist() == FACTS["ddim50"]["timesteps_ascending"][::-1]
    z = noise
    for t in asked:
        z = theirs.step(drawn(*z.shape, seed=t), t, z, eta=0.0).prev_sample
    torch.testing.assert_close(ours, z, rtol=0, atol=2e-6 * noise.abs().max().item() * 13)  # their table is float32; kappa begins at 13
    for t, kept, before in zip(
        sorted(asked), FACTS["ddim50"]["alphas_cumprod_at_timesteps"], FACTS["ddim50"]["alphas_cumprod_previous"], strict=True
    ):
        assert schedule.alphas_bar[t].item() == pytest.approx(kept, rel=1e-6)
        assert schedule.alphas_bar[max(t - 20, 0)].item() == pytest.approx(before, rel=1e-6)


def test_parameters_have_gradients_where_somebody_asks_for_them():
    """Nothing in between is detached: latents of renders are verified through it only forwards, but a teacher may be tuned."""
    network = made(TINY).requires_grad_(True)
    ask(network, drawn(1, 4, 4, 4, 4), condition(network, 1)).square().mean().backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None and not n.startswith(("vision.encoder.layers.1", "vision.post"))]
    assert missing == []
