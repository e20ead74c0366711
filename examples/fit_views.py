"""Fits Gaussians to pictures of one object by gradient descent through the renderer: no network, no start but chance.

    python examples/fit_views.py [--seed 1] [--gaussians 20000] [--size 256] [--seconds 120] [--out fit]

Sixteen pictures round a procedural object are learnt, eight from between and above them are kept back. Everything that a Gaussian has is
a free number: Adam moves 20,000 of them at random places in a ball until the pictures match, over a background that changes at every
step, so that what is empty must become transparent and not white. Nothing is added or pruned on the way.

Writes fit.ply (drop it into a viewer), fit.png (kept-back views beside the truth, from early to late) and fit.json (PSNR by the second).
Needs the extra ``train``, for the object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core import Cameras, Gaussians, Views, orbit
from dd3g.core.files import make_folder, write_atomically, write_json
from dd3g.core.sheet import sheet
from dd3g.core.views import composite
from dd3g.distill.explicit import psnr
from dd3g.formats import ply
from dd3g.objects import SKY, make_object, render_views
from dd3g.render import rasterize

_WHITE = torch.ones(3)
_SHOWN = 4  # kept-back views on the sheet


@dataclass(frozen=True)
class FitSettings:
    """How the Gaussians begin and move. Learning rates are Adam's, at the start; all fall together by a cosine."""

    gaussians: int = 20_000
    views: int = 4  # pictures a step
    steps: int = 1500
    seed: int = 0
    start_scale: float = 0.012  # standard deviation, object units; the object lies in a ball of radius 0.5
    start_opacity: float = 0.1
    means: float = 4e-3
    log_scales: float = 2e-2
    quats: float = 1e-2
    opacity_logits: float = 8e-2
    rgb_logits: float = 4e-2
    final: float = 0.02  # of the rates, at the last step
    alpha: float = 0.5  # weight of the matte's squared error


class FreeGaussians:
    """Gaussians whose activated attributes are functions of unbounded tensors that an optimiser may move."""

    def __init__(self, settings: FitSettings) -> None:
        n, generator = settings.gaussians, torch.Generator().manual_seed(settings.seed)
        direction = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
        radius = 0.5 * torch.rand(n, 1, generator=generator) ** (1 / 3)  # uniform in the ball
        opacity = settings.start_opacity
        self.tensors = {
            "means": direction * radius,
            "log_scales": torch.full((n, 3), math.log(settings.start_scale)),
            "quats": torch.randn(n, 4, generator=generator),
            "opacity_logits": torch.full((n,), math.log(opacity / (1 - opacity))),
            "rgb_logits": 0.1 * torch.randn(n, 3, generator=generator),
        }
        for tensor in self.tensors.values():
            tensor.requires_grad_()

    def gaussians(self) -> Gaussians:
        """As the renderer wants them."""
        free = self.tensors
        return Gaussians(
            means=free["means"],
            quats_wxyz=torch.nn.functional.normalize(free["quats"], dim=-1),
            scales=free["log_scales"].exp(),
            opacities=free["opacity_logits"].sigmoid(),
            rgb=free["rgb_logits"].sigmoid(),
        )

    def groups(self, settings: FitSettings) -> list[dict[str, object]]:
        """One group an attribute, each with a rate of its own."""
        return [
            {"params": [tensor], "lr": getattr(settings, name), "start": getattr(settings, name)} for name, tensor in self.tensors.items()
        ]


def pictures_of(seed: int, size: int) -> tuple[Views, Views]:
    """Sixteen views to learn (two rings of eight), and eight to judge by, of the procedural object of that seed."""
    mesh = make_object(seed)
    azimuths = [45 * k + 22.5 * ring for ring in (0, 1) for k in range(8)]
    learnt = orbit(azimuths, [0.0] * 8 + [25.0] * 8, size=size)
    return render_views(mesh, learnt, SKY), render_views(mesh, orbit([11.25 + 45 * k for k in range(8)], 12.0, size=size), SKY)


def scores(gaussians: Gaussians, views: Views) -> tuple[float, Float[Tensor, "v 3 h w"]]:
    """Mean PSNR over white in dB, and the renders."""
    with torch.no_grad():
        ours = rasterize(gaussians, views.cameras, _WHITE).rgb
    return psnr(ours, composite(views.rgb, views.alpha, _WHITE)).mean().item(), ours


def step_loss(gaussians: Gaussians, views: Views, chosen: Tensor, background: Float[Tensor, "k 3"], alpha: float) -> Float[Tensor, ""]:
    """Squared error of colour over the backgrounds, and of the matte."""
    cameras = Cameras(views.cameras.camera_from_world[chosen], views.cameras.intrinsics[chosen], views.cameras.height, views.cameras.width)
    made = rasterize(gaussians, cameras, background)
    truth = composite(views.rgb[chosen], views.alpha[chosen], background)
    return (made.rgb - truth).square().mean() + alpha * (made.alpha - views.alpha[chosen]).square().mean()


def fit(
    learnt: Views, judged: Views, settings: FitSettings, seconds: float, *, quiet: bool = False
) -> tuple[Gaussians, list[dict[str, float]], list[Tensor]]:
    """Moves Gaussians until ``settings.steps`` are done or the time is up.

    Returns:
        The Gaussians; a record now and then of seconds, step and PSNR (dB) of learnt and kept-back views; and renders of a few
        kept-back views after a tenth, a third and all of it.
    """
    free = FreeGaussians(settings)
    optimiser = torch.optim.Adam(free.groups(settings), betas=(0.9, 0.99), eps=1e-12)
    generator = torch.Generator().manual_seed(settings.seed)
    log: list[dict[str, float]] = []
    shown: list[Tensor] = []
    moments = {max(round(settings.steps * share), 1) for share in (0.1, 0.33)}
    started = time.monotonic()
    for step in range(1, settings.steps + 1):
        share = step / settings.steps
        for group in optimiser.param_groups:
            group["lr"] = group["start"] * (settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * share)))
        chosen = torch.randperm(len(learnt), generator=generator)[: settings.views]
        background = torch.rand(len(chosen), 3, generator=generator)
        loss = step_loss(free.gaussians(), learnt, chosen, background, settings.alpha)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        spent = time.monotonic() - started
        last = step == settings.steps or spent > seconds
        if step in moments or last:
            shown.append(scores(free.gaussians(), judged)[1][: 2 * _SHOWN : 2])
        if step % max(settings.steps // 15, 1) == 0 or last:
            now = {name: scores(free.gaussians(), views)[0] for name, views in (("learnt_db", learnt), ("kept_back_db", judged))}
            log.append({"seconds": spent, "step": step, **now})
            if not quiet:
                print(
                    f"{step}/{settings.steps}  {spent:.0f} s  learnt {now['learnt_db']:.2f} dB  kept back {now['kept_back_db']:.2f} dB",
                    file=sys.stderr,
                )
        if last:
            break
    return free.gaussians().detach(), log, shown


def main(arguments: list[str] | None = None) -> None:
    """Makes the pictures, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="which procedural object")
    parser.add_argument("--gaussians", type=int, default=FitSettings.gaussians)
    parser.add_argument("--steps", type=int, default=FitSettings.steps)
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in pixels")
    parser.add_argument("--seconds", type=float, default=120.0, help="stop after this long")
    parser.add_argument("--out", type=Path, default=Path("fit"))
    options = parser.parse_args(arguments)
    settings = replace(FitSettings(), gaussians=options.gaussians, steps=options.steps)
    learnt, judged = pictures_of(options.seed, options.size)
    gaussians, log, shown = fit(learnt, judged, settings, options.seconds)
    out = make_folder(options.out)
    ply.save(gaussians, out / "fit.ply")
    truth = composite(judged.rgb, judged.alpha, _WHITE)[: 2 * _SHOWN : 2]
    rows = [[*columns] for columns in zip(*shown, truth, strict=True)]
    titles = ["a tenth", "a third", "all of it", "truth"][-len(rows[0]) :]
    with write_atomically(out / "fit.png") as temporary:
        sheet(rows, column_titles=titles).save(temporary)
    write_json(out / "fit.json", {"object_seed": options.seed, "size": options.size, "settings": asdict(settings), "log": log})
    print(json.dumps({"out": str(out), **log[-1]}))


if __name__ == "__main__":
    main()
