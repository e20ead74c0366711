"""Folders of views of objects made of Gaussians, rendered by our own rasterizer: small, and their true shape is known."""

import math

import torch

from dd3g.core import Gaussians, Views, orbit
from dd3g.core.views import unpremultiply
from dd3g.core.views_folder import ObjectViews, save_object_views
from dd3g.render import rasterize

TARGETS, INPUTS = 20, 6


def blob(seed, n=1500):
    """A coloured ellipsoid, off centre in nothing: its front surface is where its Gaussians are."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
    means = directions * (0.15 + 0.3 * torch.rand(3, generator=generator))
    rgb = torch.sigmoid(4 * torch.sin(means * torch.randn(3, generator=generator) * 10) + torch.randn(3, generator=generator))
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1)
    return Gaussians(means, quats, torch.full((n, 3), 0.015), torch.full((n,), 0.95), rgb)


def views_of(gaussians, cameras, depth=False):
    render = rasterize(gaussians, cameras, torch.zeros(3))
    z = torch.where(render.alpha > 0.5, render.depth, 0.0).repeat(1, 2, 1, 1) if depth else None
    return Views(unpremultiply(render.rgb, render.alpha), render.alpha, cameras, z)


def write_blobs(root, count, first=0, target_size=48, input_size=64):
    """Objects blob-000 ... with a canonical orbit of sixteen views first, as `dd3g objects` writes them."""
    for i in range(first, first + count):
        generator = torch.Generator().manual_seed(1000 + i)
        extra = TARGETS - 16
        azimuths = [22.5 * k for k in range(16)] + (torch.rand(extra, generator=generator) * 360).tolist()
        elevations = [0.0] * 16 + (torch.rand(extra, generator=generator) * 40 - 10).tolist()
        fov = torch.rand(INPUTS, generator=generator) * 40 + 20
        radius = 1.5 * math.tan(math.radians(49.1 / 2)) / torch.tan(fov * math.pi / 360)
        lift = torch.rand(INPUTS, generator=generator) * 50 - 10
        fov[:2], radius[:2], lift[:2] = 49.1, 1.5, 0.0
        inputs = orbit(torch.rand(INPUTS, generator=generator) * 360, lift, size=input_size, radius=radius, fov_y_deg=fov)
        shape = blob(i)
        groups = {"targets": views_of(shape, orbit(azimuths, elevations, size=target_size)), "inputs": views_of(shape, inputs, depth=True)}
        save_object_views(root, ObjectViews(f"blob-{i:03d}", groups, {"credit": "made by the tests"}))
    return root
