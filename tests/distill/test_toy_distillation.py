"""Distillation in small (check 40): a teacher with two modes a picture, followed from noise to views by the real sampler.

A student that is given the noise which the teacher began at learns which mode it leads to. One that is given the noise of another draw of
the same picture learns their mean and nothing else: its error is the variance that is left when the picture is known. This is why
quadruples keep N.
"""

from itertools import pairwise

import pytest
import torch
from torch import nn

from dd3g.core import NoiseKey, draw_noise
from dd3g.evaluate.alignment import compare
from dd3g.teacher import ddim_sample, scaled_linear

SCHEDULE = scaled_linear()
PICTURES, DRAWS, HELD_OUT = 2, 8192, 256
SHAPE = (1, 3, 2, 2)  # one view
STEPS = 50
BRIGHTNESS = 0.2  # of a picture for a unit of latents


def modes_of(picture):
    """Two points of latents, both of about unit size."""
    middle, apart = draw_noise(NoiseKey(f"toy {picture}", 0), (2, *SHAPE)).double()
    return torch.stack([0.3 * middle - apart.sign(), 0.3 * middle + apart.sign()])


def two_modes(modes):
    """The exact predictor of data that are one of two points, each half the time."""

    def epsilon(z, t):
        signal, noise = SCHEDULE.signal(t), SCHEDULE.noise(t)
        off = (z[:, None] - signal * modes).flatten(2).square().sum(2)
        weight = torch.softmax(-off / (2 * noise**2), 1)
        clean = torch.einsum("nm,m...->n...", weight, modes)
        return (z - signal * clean) / noise

    return epsilon


def noise_of(picture, first, count):
    return torch.stack([draw_noise(NoiseKey(f"toy {picture}", 1 + first + k), SHAPE) for k in range(count)])


def views_of(picture, noise):
    """What the teacher's ODE makes of noise, as pictures in [0, 1]."""
    latents = ddim_sample(two_modes(modes_of(picture)), noise.double(), SCHEDULE, STEPS)
    return (0.5 + BRIGHTNESS * latents).float()


class Student(nn.Module):
    """(noise, which picture) -> views."""

    def __init__(self):
        super().__init__()
        widths = (12 + PICTURES, 64, 64, 64)
        hidden = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.GELU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(64, 12))

    def forward(self, noise, picture):
        told = nn.functional.one_hot(picture, PICTURES).float()
        return 0.5 + BRIGHTNESS * self.layers(torch.cat([noise.flatten(1), told], 1)).reshape(-1, *SHAPE)


def distilled(noise, views, shuffle, steps=3000, batch=256):
    """A student of noise and views (picture, draw, ...); with ``shuffle``, each is paired with another draw of its picture, ever anew."""
    torch.manual_seed(0)
    student = Student()
    optimiser = torch.optim.Adam(student.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, steps)
    for _ in range(steps):
        picture, draw = torch.randint(PICTURES, (batch,)), torch.randint(DRAWS, (batch,))
        given = torch.randint(DRAWS, (batch,)) if shuffle else draw
        loss = (student(noise[picture, given], picture) - views[picture, draw]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return student


@pytest.fixture(scope="module")
def collection():
    noise = torch.stack([noise_of(picture, 0, DRAWS) for picture in range(PICTURES)])
    return noise, torch.stack([views_of(picture, noise[picture]) for picture in range(PICTURES)])


def held_out(student):
    """Figures of draws that it has not seen, a picture each."""
    found = []
    for picture in range(PICTURES):
        noise = noise_of(picture, DRAWS, HELD_OUT)
        fresh = noise_of(picture, DRAWS + HELD_OUT, HELD_OUT)

        def render(asked, picture=picture):
            return student(asked, torch.full((len(asked),), picture))

        found.append(compare(views_of(picture, noise), noise, fresh, render, at_once=HELD_OUT)[0])
    return found


def mean(figures, name):
    return sum(getattr(f, name) for f in figures) / len(figures)


def test_the_teacher_goes_to_one_mode_or_the_other_by_its_noise(collection):
    _, views = collection
    for picture in range(PICTURES):
        modes = (0.5 + BRIGHTNESS * modes_of(picture)).float()
        off = (views[picture][:, None] - modes).abs().flatten(2).amax(2)
        assert off.amin(1).quantile(0.98) < 0.02  # but for few that begin between the two
        assert 0.3 < (off[:, 0] < off[:, 1]).float().mean() < 0.7


def test_with_its_own_noise_the_student_learns_the_map(collection):
    found = held_out(distilled(*collection, shuffle=False))
    print(f"aligned: MSE {mean(found, 'paired_mse'):.2e}, variance of the draws {mean(found, 'variance'):.4f}")
    assert mean(found, "variance") > 0.03
    assert mean(found, "paired_mse") < 1e-3
    assert mean(found, "shuffled_mse") == pytest.approx(2 * mean(found, "variance"), rel=0.05)
    assert mean(found, "spread") == pytest.approx(mean(found, "variance"), rel=0.05)


def test_with_noise_of_other_draws_it_learns_their_mean(collection):
    found = held_out(distilled(*collection, shuffle=True))
    print(f"shuffled: MSE {mean(found, 'paired_mse'):.5f}, variance of the draws {mean(found, 'variance'):.5f}")
    assert mean(found, "paired_mse") == pytest.approx(mean(found, "variance"), rel=0.05)
    assert mean(found, "spread") < 0.05 * mean(found, "variance")
