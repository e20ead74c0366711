"""The record every room passes on: a set of activated 3D Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Gaussians:
    """3D Gaussians in the object frame, all attributes activated (docs/conventions.md).

    A leading batch dimension is allowed on all fields alike. The paper's G = {mu, s, q, c, alpha}.
    """

    means: Float[Tensor, "*batch n 3"]  # mu: object frame, +Y up, front faces +Z
    quats_wxyz: Float[Tensor, "*batch n 4"]  # q: unit, w first; columns of R(q) are the ellipsoid's axes
    scales: Float[Tensor, "*batch n 3"]  # s: standard deviations, > 0
    opacities: Float[Tensor, "*batch n"]  # alpha: [0, 1]
    rgb: Float[Tensor, "*batch n 3"]  # c: sRGB, [0, 1], the same from every side
    sh_rest: Float[Tensor, "*batch n k 3"] | None = None  # spherical harmonics above degree 0; formats carry it

    def __len__(self) -> int:
        """Number of Gaussians of one scene."""
        return self.means.shape[-2]

    def map(self, function) -> Gaussians:
        """Applies ``function`` to every tensor, for example ``gaussians.map(lambda t: t[0])``."""
        changed = {f.name: function(getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) is not None}
        return replace(self, **changed)

    def to(self, device: torch.device | str) -> Gaussians:
        """The same Gaussians on another device."""
        return self.map(lambda t: t.to(device))

    def detach(self) -> Gaussians:
        """The same Gaussians without their graph."""
        return self.map(lambda t: t.detach())

    def transformed(self, scale: Float[Tensor, "*batch"], offset: Float[Tensor, "*batch 3"]) -> Gaussians:
        """The similarity x -> scale * x + offset; orientation and colour stay."""
        return replace(self, means=self.means * scale[..., None, None] + offset[..., None, :], scales=self.scales * scale[..., None, None])
