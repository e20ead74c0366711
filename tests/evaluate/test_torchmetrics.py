"""Figures against torchmetrics, written by others: PSNR, SSIM, intersection over union, retrieval (check 35).

Definitions are compared in double precision, where no rounding hides a difference; what single precision, in which evaluation runs, adds to
that is a test of its own. Left out is LPIPS, for which torchmetrics wants torchvision (tests/distill/test_lpips.py holds ours against the
published values), and CLIP, for which it wants transformers. torchmetrics takes a second to import: no test does so at collection.
"""

import pytest
import torch
import torch.nn.functional as F

from dd3g.distill.explicit import psnr
from dd3g.evaluate.alignment import found_first
from dd3g.evaluate.metrics import ssim
from dd3g.evaluate.silhouettes import silhouette_iou

BORDER = 5  # px: half of SSIM's window, where torchmetrics mirrors the picture and ours has no windows
SIZE = (56, 48)  # not square: no axis may be taken for the other


def random(seed, views=3):
    return torch.rand(views, 3, *SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(seed):
    return F.interpolate(random(seed)[..., :6, :6], SIZE, mode="bilinear")


def on_white(seed=7):
    """A textured ellipse on white, as evaluation has its views."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIZE[0]), torch.linspace(-1, 1, SIZE[1]), indexing="ij")
    return torch.where((x / 0.7) ** 2 + (y / 0.5) ** 2 < 1, smooth(seed), 1.0)


def noisy(pictures, strength):
    return (pictures + strength * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).clamp(0, 1)


PAIRS = {
    "random": (random(0), random(1)),
    "smooth": (smooth(2), smooth(3)),
    "noise": (on_white(), noisy(on_white(), 0.05)),
    "blur": (on_white(), F.avg_pool2d(on_white(), 5, 1, 2, count_include_pad=False)),
    "steps": (on_white(), (on_white() * 7).round() / 7),
    "moved": (on_white(), on_white().roll(3, -1)),
    "mirrored": (on_white(), on_white().flip(-1)),
    "negative": (on_white(), 1 - on_white()),  # SSIM is below 0
    "veil": (on_white(), on_white() * 0.999),  # nearly equal, and nearly flat
}
of_all_pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def their_psnr(first, second):
    from torchmetrics.image import PeakSignalNoiseRatio

    return PeakSignalNoiseRatio(data_range=1.0, reduction="none", dim=(1, 2, 3))(first, second)


def their_ssim(first, second):
    """Of each picture, borders and all; and the map."""
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    return StructuralSimilarityIndexMeasure(
        gaussian_kernel=True, sigma=1.5, kernel_size=11, data_range=1.0, k1=0.01, k2=0.03, reduction="none", return_full_image=True
    )(first, second)


def inside(similarity):
    """Mean over the windows that lie in the picture whole."""
    return similarity[..., BORDER:-BORDER, BORDER:-BORDER].mean((1, 2, 3))


@of_all_pairs
def test_psnr_of_each_picture_is_torchmetrics(pair):
    torch.testing.assert_close(psnr(*pair), their_psnr(*pair), rtol=0, atol=1e-5)  # theirs takes logarithms of 1 and 10 in single precision


@of_all_pairs
def test_ssim_of_each_picture_is_torchmetrics_where_windows_are_whole(pair):
    torch.testing.assert_close(ssim(*pair), inside(their_ssim(*pair)[1]), rtol=0, atol=1e-10)  # rounding


@of_all_pairs
def test_ssim_of_mirrored_borders_is_torchmetrics_own_figure(pair):
    """The borders are all that differs: mirrored as torchmetrics does, ours is the figure that it reports."""
    mirrored = (F.pad(pictures, (BORDER,) * 4, mode="reflect") for pictures in pair)
    torch.testing.assert_close(ssim(*mirrored), their_ssim(*pair)[0], rtol=0, atol=1e-10)


@of_all_pairs
def test_single_precision_costs_less_than_is_promised(pair):
    """As evaluation computes them, against torchmetrics in double: 1e-4 of SSIM (docs/evaluation.md)."""
    single = tuple(pictures.float() for pictures in pair)
    torch.testing.assert_close(ssim(*single).double(), inside(their_ssim(*pair)[1]), rtol=0, atol=1e-4)
    torch.testing.assert_close(psnr(*single).double(), their_psnr(*pair), rtol=0, atol=1e-3)  # a difference of 1e-3 is right to 6e-5


def test_single_precision_of_flat_pictures():
    """A variance of 0 is the difference of two squares near 1, each right to 1e-7 and divided by 0.03**2: 1e-3 is the most of it."""
    first = torch.linspace(0, 0.99, 100, dtype=torch.float64).reshape(-1, 1, 1, 1).expand(-1, 3, 12, 12)
    second = first + 0.01
    torch.testing.assert_close(ssim(first.float(), second.float()).double(), inside(their_ssim(first, second)[1]), rtol=0, atol=1e-3)


def test_single_precision_is_exact_about_white_paper():
    """All pictures here lie on white, most of their windows in nothing else: 1e-6 is a few roundings of the mean over the windows."""
    white = torch.ones(1, 3, 32, 32, dtype=torch.float64)
    for veil in (0.0, 1e-3, 1e-2):
        pair = (white, white - veil)
        single = ssim(*(pictures.float() for pictures in pair)).double()
        torch.testing.assert_close(single, inside(their_ssim(*pair)[1]), rtol=0, atol=1e-6)
        assert (single <= 1 + 1e-6).all()


def test_both_know_the_figures_of_degradations_that_have_closed_forms():
    dimmed = on_white() * 0.9
    for found in (psnr(dimmed, dimmed + 0.1), their_psnr(dimmed, dimmed + 0.1)):
        assert found.tolist() == pytest.approx([20.0] * 3, abs=1e-5)  # a tenth everywhere
    first, second = torch.full_like(dimmed, 0.5), torch.full_like(dimmed, 0.6)
    expected = (2 * 0.5 * 0.6 + 0.01**2) / (0.5**2 + 0.6**2 + 0.01**2)  # without variance, luminance alone
    for found in (ssim(first, second), their_ssim(first, second)[0]):
        assert found.tolist() == pytest.approx([expected] * 3, abs=1e-10)


def test_equal_pictures_have_100_db_where_torchmetrics_says_infinity():
    assert psnr(on_white(), on_white()).tolist() == pytest.approx([100.0] * 3)
    assert their_psnr(on_white(), on_white()).isinf().all()


def test_a_mean_of_views_psnr_is_not_torchmetrics_default():
    """Its default pools the squared errors of all views first, where the worst view counts for all: another figure, never a higher one."""
    from torchmetrics.image import PeakSignalNoiseRatio

    truth = on_white()
    views = torch.cat([noisy(truth[:1], 0.01), noisy(truth[1:2], 0.05), noisy(truth[2:], 0.2)])
    each, pooled = psnr(views, truth), PeakSignalNoiseRatio(data_range=1.0)(views, truth)
    assert each.mean() > pooled + 3
    assert -10 * (10 ** (-each / 10)).mean().log10().item() == pytest.approx(pooled.item(), abs=1e-5)


def test_intersection_over_union_is_torchmetrics_jaccard_index():
    from torchmetrics.functional.classification import binary_jaccard_index

    alpha, truth = random(4)[:, :1], F.interpolate(random(5)[:, :1, :6, :6], SIZE, mode="bilinear")
    alpha[1] = truth[1] * 0.9  # nearly right
    alpha[2] = truth[2] = 0.1  # nothing: 1 by agreement
    theirs = [binary_jaccard_index(a, (t >= 0.5).int(), zero_division=1.0).item() for a, t in zip(alpha, truth, strict=True)]
    assert silhouette_iou(alpha, truth).tolist() == pytest.approx(theirs, abs=1e-6)  # both divide in single precision


def test_retrieval_is_torchmetrics_accuracy():
    from torchmetrics.functional.classification import multiclass_accuracy

    likeness = random(6)[0, 0, :40, :40] + 0.9 * torch.eye(40)
    found = found_first(likeness)
    assert 0.2 < found < 0.9  # some are missed
    assert found == pytest.approx(multiclass_accuracy(likeness, torch.arange(40), num_classes=40, average="micro").item(), abs=1e-6)
