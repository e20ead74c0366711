"""Pattern extraction: views are a set (check 27)."""

import torch

from dd3g.student.config import ExtractionConfig
from dd3g.student.pattern_extraction import PatternExtraction, SpatialTransformer3D
from tests.student.conftest import stir

CONFIG = ExtractionConfig(latent_size=8, channels=(16, 32), blocks=(1, 1), head_width=16, camera_width=24)


def example(views=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    network = stir(PatternExtraction(CONFIG, context_width=12, token_width=20), seed)
    noise = torch.randn(2, views, 4, 8, 8, generator=generator)
    return network, noise, torch.randn(2, views, 16, generator=generator), torch.randn(2, 5, 12, generator=generator)


def test_permuting_views_permutes_pattern_tokens():
    network, noise, conditions, image = example()
    order = [2, 0, 3, 1]
    tokens = network(noise, conditions, image).unflatten(1, (4, -1))
    permuted = network(noise[:, order], conditions[:, order], image).unflatten(1, (4, -1))
    assert torch.allclose(permuted, tokens[:, order], atol=1e-5)  # sums over keys in another order


def test_every_view_hears_of_every_other():
    network, noise, conditions, image = example()
    changed = noise.clone()
    changed[:, 3] += 1
    difference = (network(noise, conditions, image) - network(changed, conditions, image)).unflatten(1, (4, -1))
    assert (difference.abs().amax((0, 2, 3)) > 1e-5).all()


def test_one_view_attends_to_itself_alone():
    """With one view 3D attention is 2D attention: two objects of one view each, or two pictures treated apart, are the same."""
    block = stir(SpatialTransformer3D(16, 12, 2))
    generator = torch.Generator().manual_seed(0)
    x, context = torch.randn(2, 16, 4, 4, generator=generator), torch.randn(2, 5, 12, generator=generator)
    together = block(x, context, 1)
    apart = torch.cat([block(x[i : i + 1], context[i : i + 1], 1) for i in range(2)])
    assert torch.allclose(together, apart, atol=1e-6)
    shared = block(x, context[:1], 2)
    assert not torch.allclose(shared, together, atol=1e-3)


def test_token_count_and_order_follow_the_configuration():
    network, noise, conditions, image = example()
    assert CONFIG.token_grid == 2
    assert network(noise, conditions, image).shape == (2, CONFIG.token_count, 20)
    noise = noise.clone().requires_grad_()
    first_view = network(noise, conditions, image)[:, : CONFIG.token_grid**2]
    # Convolutions alone, with attention shut, would leave other views out; the first view's own noise must matter most.
    gradient = torch.autograd.grad(first_view.square().sum(), noise)[0].abs().mean((0, 2, 3, 4))
    assert gradient.argmax() == 0


def test_the_image_enters():
    network, noise, conditions, image = example()
    assert not torch.allclose(network(noise, conditions, image), network(noise, conditions, image + 1), atol=1e-4)
