"""The student's forward and backward as two CUDA graphs: thousands of small launches become two, and the GPU no longer waits for Python.

What has a fixed shape is in the graph: everything from pictures to Gaussians. Rendering, whose lists have a length of their own in
every step, and the loss stay outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from dd3g.core import Gaussians
from dd3g.encoders import ImageFeatures
from dd3g.recipes.image_tokens import TokensOf
from dd3g.recipes.student_batches import StudentBatch
from dd3g.student import PEPD
from dd3g.student.anchored_decoding import Decoded, InputCamera, View
from dd3g.student.latent_head import latent_head_of
from dd3g.student.object_box import ObjectBox
from dd3g.student.seeding import Seeds

Decode = Callable[[PEPD, StudentBatch], Decoded]


def decode_batch(student: PEPD, batch: StudentBatch, tokens: TokensOf | None = None) -> Decoded:
    """Gaussians of a batch, op by op; ``tokens`` makes those of the pictures, for students that read them."""
    noise, conditions, image, elevation, distance, guidance, *given = _arguments(batch, tokens)
    return student.decode(noise, conditions, image, elevation, distance, guidance=guidance, image_tokens=given[0] if given else None)


def graphed_decode(student: PEPD, example: StudentBatch, tokens: TokensOf | None = None) -> Decode:
    """The same function for batches of the example's shape, recorded once. The student's parameters must stay the same tensors."""
    plain = _Tensors(student)
    graphed = torch.cuda.make_graphed_callables(plain, _arguments(example, tokens), allow_unused_input=True)
    recorded = cast(Callable[..., tuple[Tensor, ...]], graphed)

    def decode(network: PEPD, batch: StudentBatch) -> Decoded:
        assert network is student, "a graph belongs to the network it was recorded of"
        return _assembled(recorded(*_arguments(batch, tokens)), batch)

    return decode


class _Tensors(nn.Module):
    """Decoding with tensors alone at its door, as graphs want it."""

    def __init__(self, student: PEPD) -> None:
        super().__init__()
        self.student = student

    def forward(
        self, noise: Tensor, conditions: Tensor, image: Tensor, elevation_deg: Tensor, distance: Tensor, guidance: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        decoded = self.student.decode(
            noise, conditions, image, elevation_deg, distance, guidance=guidance, image_tokens=given[0] if given else None
        )
        g, view = decoded.gaussians, decoded.view
        tensors = [g.means, g.quats_wxyz, g.scales, g.opacities, g.rgb, decoded.xy, decoded.towards]
        tensors += [view.predicted.elevation_deg, view.predicted.distance, view.box.centre, view.box.half]
        # no loss goes through these; an output with a gradient would be one more buffer to fill in every backward
        tensors += [view.cropped, view.features.tokens.detach(), view.features.fine.detach()]
        assert decoded.patterns is not None
        tensors += [decoded.patterns if latent_head_of(self.student) is not None else decoded.patterns.detach()]
        if decoded.seeds is not None and view.surfaces is not None:
            tensors += [view.surfaces, decoded.seeds.xy, decoded.seeds.layer, decoded.seeds.spacing, decoded.seeds.rim]
        return tuple(tensors)


def _arguments(batch: StudentBatch, tokens: TokensOf | None = None) -> tuple[Tensor, ...]:
    given = () if tokens is None else (tokens(batch.image),)
    return (batch.noise, batch.conditions.contiguous(), batch.image, batch.elevation_deg, batch.distance, batch.guidance, *given)


def _assembled(tensors: tuple[Tensor, ...], batch: StudentBatch) -> Decoded:
    """The record again that went in pieces through the graph's door."""
    means, quats, scales, opacities, rgb, xy, towards, elevation, distance, centre, half, cropped, tokens, fine, patterns, *seeded = tensors
    surfaces = seeded[0] if seeded else None
    box, predicted = ObjectBox(centre, half), InputCamera(elevation, distance)
    camera = InputCamera(batch.elevation_deg, batch.distance)
    view = View(batch.image, cropped, box, ImageFeatures(tokens, fine), surfaces, predicted, camera)
    gaussians = Gaussians(means, quats, scales, opacities, rgb)
    return Decoded(gaussians, xy, towards, Seeds(*seeded[1:]) if seeded else None, view, patterns)
