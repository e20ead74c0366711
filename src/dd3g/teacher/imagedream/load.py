"""ImageDream's checkpoint as a teacher that is ready for use."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dd3g.core.errors import CheckpointError
from dd3g.core.noise import digest
from dd3g.teacher.imagedream.clip import TextTower
from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
from dd3g.teacher.imagedream.prompts import NEGATIVE, PROMPT, PromptName, prompt_ids
from dd3g.teacher.imagedream.read import Checkpoint, read_checkpoint
from dd3g.teacher.imagedream.vae import OpaqueCodec
from dd3g.teacher.schedule import scaled_linear
from dd3g.teacher.teacher import Teacher

GUIDANCE = 5.0
ELEVATION_DEG = 5.0
_ELEVATIONS_DEG = (0.0, 30.0)


def load_imagedream(
    path: str | os.PathLike[str],
    *,
    dtype: torch.dtype = torch.float32,
    prompts: tuple[PromptName, PromptName] = (PROMPT, NEGATIVE),
) -> Teacher:
    """Loads ImageDream's "pixel" model, from any layout that :func:`read_checkpoint` reads.

    The text tower runs here, on the two texts, and is let go of.

    Args:
        path: File, folder, or a hub's ``owner/name``.
        dtype: Of the networks' weights; latents, coefficients and sums stay float32.
        prompts: What it is told, and what the other half of guidance is told.

    Raises:
        CheckpointError: Not ImageDream's, damaged, or without the towers.
    """
    checkpoint = read_checkpoint(path, dtype=dtype)
    absent = [part for part in ("text", "vision") if part not in checkpoint.parts]
    if absent:
        raise CheckpointError(
            f"{checkpoint.path}: holds no {' and no '.join(absent)} tower of CLIP's; give the folder of its port,"
            " or add them by `dd3g convert-teacher --towers`"
        )
    config = ImageDreamConfig(checkpoint.sizes)
    text, negative = _told(checkpoint, prompts)
    with torch.device("meta"):
        network, codec = ImageDreamNetwork(config), OpaqueCodec(config.sizes.vae, config.latent_size)
    _fill(network.unet, checkpoint.parts["unet"])
    _fill(network.vision, checkpoint.parts["vision"])
    _fill(codec.vae, checkpoint.parts["vae"])
    network.tell(text, negative)
    about = {"imagedream": {"layout": checkpoint.layout, "sha256": checkpoint.source.identity, "stored": dict(checkpoint.source.storage)}}
    name = digest(f"imagedream pixel {checkpoint.source.identity} front {config.front}".encode())
    return Teacher(network, codec, scaled_linear(), about, name, GUIDANCE, ELEVATION_DEG, _ELEVATIONS_DEG, prompts)


def _told(checkpoint: Checkpoint, prompts: tuple[PromptName, PromptName]) -> list[Tensor]:
    with torch.device("meta"):
        tower = TextTower(checkpoint.sizes.text)
    _fill(tower, checkpoint.parts["text"])
    with torch.inference_mode():
        told = tower(torch.stack([prompt_ids(name, checkpoint.sizes.text.length) for name in prompts]))
    return [t.clone() for t in told]


def _fill(network: nn.Module, part: Mapping[str, Tensor]) -> None:
    network.load_state_dict(part, strict=True, assign=True)
    network.eval().requires_grad_(False)
