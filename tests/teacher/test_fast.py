"""What makes a teacher fast changes nothing but rounding: kept keys and values, bfloat16, a batch's company, recordings."""

from dataclasses import replace

import pytest
import torch

from dd3g.core import canonical_rig
from dd3g.core.errors import InputError
from dd3g.teacher import ddim_times, scaled_linear
from dd3g.teacher.fast import graphed, in_precision, recorded
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
from dd3g.teacher.multi_view import Condition
from dd3g.teacher.network import MultiViewUNet
from dd3g.teacher.teacher import Teacher, TeacherNetworks, condition_of, epsilon_of, sample
from tests.extras import needs_train
from tests.teacher.imagedream.synthetic import SMALL
from tests.teacher.tiny import CODEC, TEACHER

pytestmark = needs_train

CAMERAS = canonical_rig()


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stirred(module):
    """Layers that begin at zero opened, so that everything may bear on everything."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module.eval().requires_grad_(False)


def made():
    torch.manual_seed(0)
    networks = stirred(TeacherNetworks(TEACHER, CODEC))
    return Teacher(networks.network, networks.codec, scaled_linear(), {}, "")


@pytest.fixture(scope="module")
def teacher():
    return made()


@pytest.fixture(scope="module")
def half():
    return in_precision(made(), "bf16")


def pictures(count, seed=2):
    return torch.rand(count, 4, 48, 48, generator=torch.Generator().manual_seed(seed))


def test_kept_keys_and_values_are_made_once_a_sampling(teacher):
    """And are those that every step would make."""
    made, network = [], teacher.network
    z, told = drawn(2, 4, 4, 6, 6), network.steady(CAMERAS.conditions().expand(2, -1, -1), condition_of(teacher, pictures(2)))
    cross = [m for name, m in network.unet.named_modules() if name.endswith(("attn2.to_k", "attn2.to_v"))]
    hooks = [m.register_forward_hook(lambda *_: made.append(1)) for m in cross]
    kept = network.predict(z, torch.full((2,), 500.0), told)
    assert not made  # by a step
    for hook in hooks:
        hook.remove()
    again = network.steady(CAMERAS.conditions().expand(2, -1, -1), condition_of(teacher, pictures(2, seed=8))).kept
    assert (network.predict(z, torch.full((2,), 500.0), replace(told, kept=again)) - kept).abs().max() > 1e-4  # they are what is heard
    with pytest.MonkeyPatch.context() as patch:
        plain = network.unet.forward
        patch.setattr(network.unet, "forward", lambda *a, cross_attention_kwargs, **k: plain(*a, **k))
        torch.testing.assert_close(network.predict(z, torch.full((2,), 500.0), told), kept, rtol=0, atol=0)


def test_times_reach_the_network_as_the_integers_they_are(half):
    """In bfloat16 37 of the 50 are others, 981 would be 980: so times and their sinusoid never are."""
    times = ddim_times(half.schedule, 50)
    exact = torch.tensor(times, dtype=torch.float32)
    assert (exact.bfloat16().float() != exact).sum() == 37
    asked, waves = [], []
    projection = half.network.unet.time_proj
    hooks = [
        projection.register_forward_pre_hook(lambda _, given: asked.append(given[0])),
        projection.register_forward_hook(lambda _, given, made: waves.append(made)),
    ]
    epsilon = epsilon_of(half, condition_of(half, pictures(1)), CAMERAS.conditions()[None])
    for t in times[::7]:
        epsilon(drawn(1, 4, 4, 6, 6), t)
    for hook in hooks:
        hook.remove()
    assert [t.unique().tolist() for t in asked] == [[t] for t in times[::7]]
    assert {t.dtype for t in (*asked, *waves)} == {torch.float32}


def test_in_bfloat16_latents_guidance_and_steps_stay_float32(half):
    """What the network computes is rounded, what is done with its answer is not."""
    assert half.network.unet.dtype == torch.bfloat16
    image, z = pictures(2), drawn(2, 4, 4, 6, 6)
    condition, cameras = condition_of(half, image), CAMERAS.conditions().expand(2, -1, -1)
    assert condition.latents.dtype == torch.float32
    one, two, three = (epsilon_of(half, condition, cameras, w)(z, 400) for w in (1.0, 2.0, 3.0))
    assert one.dtype == torch.float32
    torch.testing.assert_close(three - two, two - one, rtol=0, atol=1e-2)  # one's is another batch's product: a rounding of bfloat16
    again = epsilon_of(half, condition, cameras, 5.0)(z, 400)
    torch.testing.assert_close(again - two, 3 * (three - two), rtol=0, atol=1e-5)  # exact but for float32: the sum is not rounded
    assert sample(half, image, CAMERAS, z, guidance=3.0, steps=2).dtype == torch.float32


@pytest.fixture(scope="module")
def together(teacher, half):
    """Five objects in one batch, 8 guided steps, in both precisions."""
    return [sample(t, pictures(5), CAMERAS, drawn(5, 4, 4, 6, 6), guidance=3.0, steps=8) for t in (teacher, half)]


def rms(x):
    return x.square().mean().sqrt()


def test_bfloat16_draws_what_float32_draws(together):
    """A network that was never trained. Measured: 0.8 % of the latents' size."""
    whole, rounded = together
    assert 0 < rms(rounded - whole) / rms(whole) < 0.02


@pytest.mark.parametrize(("number", "tolerance"), [(0, 1e-5), (1, 3e-2)], ids=["fp32", "bf16"])
def test_what_is_drawn_does_not_depend_on_its_company(teacher, half, together, number, tolerance):
    """Alone, or beside others: products of other shapes are added up in another order, which moves a number by a rounding of its precision.

    Measured of the latents' size: 5e-7 in float32, 0 to 8e-3 in bfloat16, as much as from float32; on a trained teacher docs/lab-log.md.
    """
    asked = (teacher, half)[number]
    for k in (0, 3):
        alone = sample(asked, pictures(5)[k : k + 1], CAMERAS, drawn(5, 4, 4, 6, 6)[k : k + 1], guidance=3.0, steps=8)[0]
        error = rms(alone - together[number][k]) / rms(alone)
        assert error < tolerance


def test_a_recording_says_what_the_network_says(teacher):
    """A recording that is repeated on the CPU: one a size of batch, told once a sampling, with answers that the next leaves alone."""
    recordings = []

    def record(call):
        answer = call().clone()
        recordings.append(answer.shape)
        return (lambda: answer.copy_(call())), answer

    again = replace(teacher, predict=recorded(teacher.network.predict, record))
    for count, seed in ((2, 1), (2, 5), (1, 7), (2, 9)):  # the same size with other pictures, a smaller rest, and back
        asked = {"guidance": 3.0, "steps": 3, "solver": "unipc"}  # which remembers answers: the next must not be written over them
        arguments = (pictures(count, seed), CAMERAS, drawn(count, 4, 4, 6, 6, seed=seed))
        assert torch.equal(sample(again, *arguments, **asked), sample(teacher, *arguments, **asked))
    assert recordings == [(4, 4, 4, 6, 6), (2, 4, 4, 6, 6)]  # both halves of guidance


@pytest.mark.parametrize("which", ["ours", "imagedream"])
def test_what_a_graph_records_reads_nothing_back_and_brings_nothing_from_the_host(which):
    """On the meta device either is an error: there are no values to read, and tensors of the host don't mix."""
    with torch.device("meta"):
        network = MultiViewUNet(TEACHER) if which == "ours" else ImageDreamNetwork(ImageDreamConfig(SMALL, latent_size=6))
        told = network.steady(torch.empty(2, 4, 16), Condition(torch.empty(2, 4, 6, 6), torch.empty(2, 81, 32)))
        z, t = torch.empty(2, 4, 4, 6, 6), torch.empty(2)
    assert network.predict(z, t, told).shape == z.shape


def test_graphs_want_a_gpu(teacher):
    with pytest.raises(InputError, match="graphs: found a teacher on cpu"):
        graphed(teacher)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cuda_graph_draws_what_plain_calls_draw(precision):
    from dd3g.teacher.teacher import on_device

    plain = on_device(in_precision(made(), precision), "cuda")
    fast = graphed(plain)
    for count, seed in ((2, 1), (2, 5), (1, 7)):
        arguments = (pictures(count, seed).cuda(), CAMERAS.to("cuda"), drawn(count, 4, 4, 6, 6, seed=seed).cuda())
        wanted = sample(plain, *arguments, guidance=3.0, steps=5)
        torch.testing.assert_close(sample(fast, *arguments, guidance=3.0, steps=5), wanted, rtol=0, atol=1e-4 * wanted.abs().max().item())
