"""Metrics against an independent implementation, and the laws they obey (check 35)."""

import numpy as np
import pytest
import torch

from dd3g.evaluate.metrics import METRICS, ssim, ssim_of_many


def pictures(seed=0, size=40):
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.nn.functional.interpolate(torch.rand(3, 3, 6, 6, generator=generator), (size, size), mode="bilinear")
    return smooth, (smooth + 0.1 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


def test_ssim_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    first, second = pictures()
    for a, b, ours in zip(first.numpy(), second.numpy(), ssim(first, second).tolist(), strict=True):
        full = structural_similarity(
            a, b, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )[1]
        inside = full[:, 5:-5, 5:-5]  # the independent one pads; its inner part has whole windows
        assert ours == pytest.approx(float(np.mean(inside)), abs=1e-4)


def test_a_picture_is_like_itself():
    first, _ = pictures()
    assert torch.allclose(ssim(first, first), torch.ones(3))
    assert (METRICS["psnr"](first, first) >= 99.9).all()


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_symmetric_and_fall_with_degradation(name):
    first, _ = pictures()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(first.shape, generator=generator)
    values = [METRICS[name](first, (first + strength * noise).clamp(0, 1)) for strength in (0.02, 0.08, 0.3)]
    assert torch.allclose(
        METRICS[name](first, (first + 0.08 * noise).clamp(0, 1)), METRICS[name]((first + 0.08 * noise).clamp(0, 1), first)
    )
    assert (values[0] > values[1]).all()
    assert (values[1] > values[2]).all()


def test_a_views_score_does_not_depend_on_the_others():
    first, second = pictures()
    for metric in METRICS.values():
        assert torch.allclose(metric(first, second)[1:2], metric(first[1:2], second[1:2]), atol=1e-6)


def test_many_guesses_at_once_are_each_alone_and_one_picture_stands_for_all_views():
    truth, other = pictures()
    found = ssim_of_many(truth, {"other": other, "copy": truth[:1]})
    assert torch.equal(found["other"], ssim(other, truth))
    assert torch.equal(found["copy"], ssim(truth[:1].expand_as(truth), truth))
