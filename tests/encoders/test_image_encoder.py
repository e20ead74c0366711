"""The image encoder: shapes, and what may and may not influence it."""

import torch

from dd3g.encoders import ImageEncoder, ImageEncoderConfig

CONFIG = ImageEncoderConfig(size=64, channels=(8, 16, 32), width=48, blocks=1, heads=4, fine_channels=12)


def encoder():
    torch.manual_seed(0)
    network = ImageEncoder(CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return network.eval()


def picture(seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 4, size, size, generator=generator)


PLACE = torch.zeros(2, 4)


def test_shapes():
    features = encoder()(picture(), PLACE)
    assert features.tokens.shape == (2, 16, 48)
    assert features.fine.shape == (2, 12, 16, 16)
    assert ImageEncoder(ImageEncoderConfig()).token_count == 64


def test_colour_under_alpha_zero_has_no_influence():
    image = picture()
    image[:, 3, 20:40] = 0
    other = image.clone()
    other[:, :3, 20:40] = 0.9
    network = encoder()
    assert torch.equal(network(image, PLACE).tokens, network(other, PLACE).tokens)


def test_pixels_and_place_have_influence():
    network, image = encoder(), picture()
    base = network(image, PLACE)
    assert not torch.allclose(base.tokens, network(image.flip(-1), PLACE).tokens, atol=1e-3)
    assert not torch.allclose(base.tokens, network(image, PLACE + 1).tokens, atol=1e-3)
    assert not torch.allclose(base.fine, network(image, PLACE + 1).fine, atol=1e-4)


def test_pictures_of_a_batch_are_apart():
    network, image = encoder(), picture()
    together = network(image, PLACE)
    for i in range(2):
        alone = network(image[i : i + 1], PLACE[:1])
        assert torch.allclose(alone.tokens[0], together.tokens[i], atol=1e-5)
        assert torch.allclose(alone.fine[0], together.fine[i], atol=1e-5)


def test_other_sizes_are_resampled():
    """A smooth picture at twice the size is the same picture."""
    small = torch.nn.functional.interpolate(picture(size=4), (64, 64), mode="bilinear")
    large = torch.nn.functional.interpolate(picture(size=4), (128, 128), mode="bilinear")
    network = encoder()
    difference = (network(large, PLACE).tokens - network(small, PLACE).tokens).abs().mean()
    assert difference < 0.1 * (network(small, PLACE).tokens - network(small.flip(-1), PLACE).tokens).abs().mean()
