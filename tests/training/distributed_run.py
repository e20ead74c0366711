"""A toy run as torchrun starts it, once on each rank: ``python -m tests.training.distributed_run OUT STEPS PARALLEL STOP SHARDED``."""

import os
import signal
import sys
from dataclasses import replace
from typing import cast

import torch
from torch import nn

from dd3g.training import FitConfig, SessionConfig, fit
from dd3g.training.spread import Parallel
from tests.training.toy import toy_recipe

CONFIG = FitConfig(steps=20, lr=1e-2, warmup_steps=5, log_every=4, evaluate_every=10, save_every_s=60.0)


class Blocks(nn.Module):
    """The toy's network with blocks in a list, one of which has no gradient, and a door beside ``forward``."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(1, 33)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(33, 33), nn.Tanh()) for _ in range(2))
        self.unused = nn.Linear(3, 3)
        self.leave = nn.Linear(33, 1)

    def guess(self, x):
        x = self.enter(x)
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x)


def still_losses(network, points, step):
    return {"mse": (network.guess(points.x) - points.y).square().mean()}


def scores(network):
    x = torch.linspace(0, 6, 50)[:, None]
    with torch.no_grad():
        return {"error": (network.guess(x) - x.sin()).square().mean().item()}


def run(out, steps, parallel: Parallel = "ddp", stop=None, accumulate=1, sharded=False):
    """Trains ``steps`` steps; ``stop`` presses Ctrl-C on the last rank alone in that step."""

    def interrupted(network, points, step):
        last_rank = str(int(os.environ.get("WORLD_SIZE", "1")) - 1)
        if stop is not None and step == stop - 1 and os.environ.get("RANK", "0") == last_rank:
            os.kill(os.getpid(), signal.SIGINT)
        return still_losses(network, points, step)

    torch.manual_seed(0)
    recipe = replace(toy_recipe(losses=interrupted, evaluate=scores), network=Blocks())
    session = SessionConfig(threads=1, quiet=True, parallel=parallel, sharded_state=sharded)
    return fit(recipe, replace(CONFIG, steps=steps, accumulate=accumulate), out, session)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), cast(Parallel, sys.argv[3]), int(sys.argv[4]) or None, sharded=sys.argv[5] == "sharded")
