import pytest
import torch

from dd3g.core import canonical_rig
from dd3g.student import PEPD
from dd3g.student.presets import PRESETS, tiny


def inputs(config, batch=2, seed=0, size=64):
    """Noise, cameras, an RGBA picture of a disc, elevations."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    alpha = (x**2 + y**2 < 0.3).float().expand(batch, 1, size, size)
    rgb = torch.rand(batch, 3, size, size, generator=generator)
    noise = torch.randn(batch, *config.noise_shape, generator=generator)
    return noise, canonical_rig(), torch.cat([rgb, alpha], 1), torch.linspace(0, 20, batch)


def student_of(name="tiny", seed=0, **changes):
    from dataclasses import replace

    torch.manual_seed(seed)
    config = tiny() if name == "tiny" else PRESETS[name]()
    return PEPD(replace(config, **changes))


def stir(network, seed=0):
    """Moves every parameter a little, so that nothing is zero because it started at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.fixture
def tiny_student():
    return stir(student_of())
