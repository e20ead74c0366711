"""A recipe small enough to train in milliseconds: a two-layer network learns a sine."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dd3g.core.model_file import save_model_file
from dd3g.training import Recipe, Score


@dataclass
class Points:
    x: torch.Tensor
    y: torch.Tensor


def batch(step):
    x = torch.rand(32, 1, generator=torch.Generator().manual_seed(step)) * 6
    return Points(x, x.sin())


def losses(network, points, step):
    # Dropout-like noise from the global generator: resuming must reproduce it as well.
    noise = 0.01 * torch.randn_like(points.y)
    return {"mse": (network(points.x) - points.y + noise).square().mean(), "size": 1e-4 * network[0].weight.square().mean()}


def export(path: Path, network, about):
    save_model_file(path, kind="toy", config={}, about=dict(about), tensors=network.state_dict())


def evaluate(network):
    x = torch.linspace(0, 6, 50)[:, None]
    with torch.no_grad():
        return {"error": (network(x) - x.sin()).square().mean().item()}


def toy_recipe(**changes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    settings = {"evaluate": evaluate, "score": Score("error", larger_is_better=False), "batch": batch, "losses": losses, **changes}
    return Recipe(kind="toy", identity={"data": "sine"}, network=network, export=export, **settings)
