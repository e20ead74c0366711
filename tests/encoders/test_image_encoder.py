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


PLACE, CAMERA = torch.zeros(2, 4), torch.zeros(2, 2)


def features_of(network, image, place=PLACE, camera=CAMERA):
    return network.features(network.glimpse(image, place), camera)


def test_shapes():
    features = features_of(encoder(), picture())
    assert features.tokens.shape == (2, 16, 48)
    assert features.fine.shape == (2, 12, 16, 16)
    assert ImageEncoder(ImageEncoderConfig()).token_count == 64


def test_colour_under_alpha_zero_has_no_influence():
    image = picture()
    image[:, 3, 20:40] = 0
    other = image.clone()
    other[:, :3, 20:40] = 0.9
    network = encoder()
    assert torch.equal(features_of(network, image).tokens, features_of(network, other).tokens)


def test_pixels_and_place_have_influence():
    network, image = encoder(), picture()
    base = features_of(network, image)
    assert not torch.allclose(base.tokens, features_of(network, image.flip(-1)).tokens, atol=1e-3)
    assert not torch.allclose(base.tokens, features_of(network, image, PLACE + 1).tokens, atol=1e-3)
    assert not torch.allclose(base.fine, features_of(network, image, PLACE + 1).fine, atol=1e-4)


def test_the_camera_is_told_to_the_second_half_alone():
    network, image = encoder(), picture()
    glimpse = network.glimpse(image, PLACE)
    known, elsewhere = network.features(glimpse, CAMERA), network.features(glimpse, CAMERA + 1)
    assert not torch.allclose(known.tokens, elsewhere.tokens, atol=1e-3)
    assert not torch.allclose(known.fine, elsewhere.fine, atol=1e-4)


def test_before_training_a_known_camera_changes_nothing():
    """Weights of before can go on: what is told begins at zero."""
    torch.manual_seed(0)
    network = ImageEncoder(CONFIG)
    glimpse = network.glimpse(picture(), PLACE)
    assert torch.equal(network.tokens(glimpse), network.tokens(glimpse, CAMERA + 1))


def test_an_encoder_may_be_told_nothing():
    network = ImageEncoder(
        ImageEncoderConfig(size=64, channels=(8, 16, 32), width=48, blocks=1, heads=4, place_numbers=0, camera_numbers=0)
    )
    assert network.tokens(network.glimpse(picture(), torch.zeros(2, 0))).shape == (2, 16, 48)
    assert not any(name.startswith(("place", "camera")) for name, _ in network.named_parameters())


def test_pictures_of_a_batch_are_apart():
    network, image = encoder(), picture()
    together = features_of(network, image)
    for i in range(2):
        alone = features_of(network, image[i : i + 1], PLACE[:1], CAMERA[:1])
        assert torch.allclose(alone.tokens[0], together.tokens[i], atol=1e-5)
        assert torch.allclose(alone.fine[0], together.fine[i], atol=1e-5)


def test_other_sizes_are_resampled():
    """A smooth picture at twice the size is the same picture."""
    small = torch.nn.functional.interpolate(picture(size=4), (64, 64), mode="bilinear")
    large = torch.nn.functional.interpolate(picture(size=4), (128, 128), mode="bilinear")
    network = encoder()
    difference = (features_of(network, large).tokens - features_of(network, small).tokens).abs().mean()
    assert difference < 0.1 * (features_of(network, small).tokens - features_of(network, small.flip(-1)).tokens).abs().mean()
