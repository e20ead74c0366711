"""`--init-extraction TEACHER`: pattern extraction takes the topology and the weights of a teacher's way down.

The rule: extraction becomes the teacher's U-Net from its first convolution to the level whose grid has the preset's pattern tokens. Noise
must have the same shape for both. Tokens of the picture reach its cross-attention through one linear layer, which is new and begins as
nothing where both are equally wide; everything behind that level is the preset's own.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dd3g.core.errors import InputError
from dd3g.student import PEPD, PEPDConfig
from dd3g.student.config import TeacherExtractionConfig
from dd3g.student.teacher_extraction import TeacherExtraction, copy_teacher
from dd3g.teacher.imagedream.door import cameras_inward
from dd3g.teacher.imagedream.network import ImageDreamNetwork
from dd3g.teacher.multi_view import UNetShape
from dd3g.teacher.network import MultiViewUNet
from dd3g.teacher.teacher import Teacher

_READS_CAMERAS = "class_embedding.linear_1.weight"


def extracting_as(config: PEPDConfig, shape: UNetShape) -> PEPDConfig:
    """The student with a teacher's topology for its extraction; what is told of guidance stays.

    Raises:
        InputError: Noise of another shape, no level of the teacher has as many tokens, or the preset names another topology.
    """
    wanted = config.extraction
    ours, theirs = config.noise_shape, (shape.views, shape.latent_channels, shape.latent_size, shape.latent_size)
    if ours != theirs:
        raise InputError(
            f"--init-extraction: the teacher's noise is {theirs}, the student's {ours}; choose another preset, or sizes by --set"
        )
    levels = 1 + int(math.log2(shape.latent_size // wanted.token_grid))
    if levels > len(shape.channels) or shape.latent_size % 2 ** (levels - 1) or shape.latent_size // 2 ** (levels - 1) != wanted.token_grid:
        grids = ", ".join(str(shape.latent_size // 2**level) for level in range(len(shape.channels)))
        raise InputError(
            f"--init-extraction: the student has {wanted.token_grid} x {wanted.token_grid} pattern tokens a view, and the teacher's levels "
            f"have grids of {grids}; choose another preset, or sizes by --set"
        )
    found = TeacherExtractionConfig(
        views=shape.views,
        latent_channels=shape.latent_channels,
        latent_size=shape.latent_size,
        channels=shape.channels[:levels],
        attention=shape.attention[:levels],
        layers=shape.layers,
        heads=tuple(width // shape.head_width for width in shape.channels[:levels]),
        context_width=shape.context_width,
        groups=shape.groups,
        guidance=wanted.guidance,
    )
    if isinstance(wanted, TeacherExtractionConfig) and replace(wanted, time=found.time) != found:
        raise InputError(f"--init-extraction: the preset extracts as {wanted}, the teacher as {found}; take another preset or teacher")
    return replace(config, extraction=replace(found, time=wanted.time) if isinstance(wanted, TeacherExtractionConfig) else found)


def start_extraction(student: PEPD, teacher: Teacher) -> None:
    """Fills a student's extraction with the teacher's weights.

    Raises:
        CheckpointError: They don't fit; the student is not of :func:`extracting_as`.
    """
    assert isinstance(student.extraction, TeacherExtraction)
    copy_teacher(student.extraction, unet_outside(teacher.network))


def unet_outside(network: MultiViewUNet | ImageDreamNetwork) -> dict[str, Tensor]:
    """The weights of a teacher's U-Net, told of cameras in dd3g's convention.

    ImageDream's own convention is a linear map of the sixteen numbers, which goes into the first layer that reads them; all else is as it
    was. Its order of views is no matter: extraction takes them as a set.
    """
    weights = dict(network.unet.state_dict())
    if isinstance(network, ImageDreamNetwork):
        each = torch.eye(16)[:, None].expand(-1, network.config.views, -1)
        inside = cameras_inward(each, network.config.front)[:, 0]  # a number a row, as it is told inside
        weights[_READS_CAMERAS] = (weights[_READS_CAMERAS].float() @ inside.T).to(weights[_READS_CAMERAS])
    return weights
