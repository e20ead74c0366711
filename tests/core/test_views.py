"""Straight RGBA at other sizes: what is seen stays, and hidden colour stays hidden."""

import torch

from dd3g.core.views import composite, resized


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_hidden_colour_does_not_bleed_into_what_is_seen():
    rgba = torch.zeros(1, 4, 8, 8)
    rgba[:, 0] = 1.0  # all red, the left half hidden under green
    rgba[:, 3, :, 4:] = 1.0
    rgba[:, :3, :, :4] = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    small = resized(rgba, 4)
    seen = small[:, 3] > 0
    assert torch.allclose(small[:, 0][seen], torch.tensor(1.0), atol=1e-6)
    assert small[:, 1][seen].max() < 1e-6


def test_over_a_background_it_is_the_picture_over_that_background_made_smaller():
    rgba, grey = picture(2, 3, 4, 16, 16), torch.tensor([0.2, 0.5, 0.7])
    small = resized(rgba, 4)
    whole = composite(rgba[:, :, :3], rgba[:, :, 3:], grey).flatten(0, 1)
    wanted = torch.nn.functional.interpolate(whole, (4, 4), mode="bilinear", antialias=True).unflatten(0, (2, 3))
    torch.testing.assert_close(composite(small[:, :, :3], small[:, :, 3:], grey), wanted, rtol=0, atol=1e-5)


def test_at_its_own_size_it_is_the_same_picture_and_none_stay_none():
    rgba = picture(2, 4, 8, 8)
    torch.testing.assert_close(resized(rgba, 8), rgba, rtol=0, atol=1e-6)
    assert resized(torch.zeros(3, 0, 4, 8, 8), 5).shape == (3, 0, 4, 5, 5)
