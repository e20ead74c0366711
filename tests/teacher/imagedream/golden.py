"""The reduced network whose answers are known: weights and inputs are a formula, so that no file of weights is needed."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
import torch

from dd3g.teacher.imagedream.network import ImageDreamConfig, image_tokens, imagedream_unet
from dd3g.teacher.imagedream.sizes import Sizes, UNetSizes
from dd3g.teacher.imagedream.unet_rows import unet_rows

FOLDER = Path(__file__).parents[2] / "data" / "imagedream"
GOLDEN = json.loads((FOLDER / "golden_small.json").read_text())
FACTS = json.loads((FOLDER / "facts.json").read_text())
CONFIG = ImageDreamConfig(Sizes(unet=UNetSizes(widths=(64, 128, 256, 256), context=128)), latent_size=16)
VIEW_FRAMES = [0, 1, 2, 3, 5, 6, 7, 8]  # of two groups of five


def hashed(j, count):
    """h(i, j) of the file for i = 0 ... count - 1: a 32-bit integer hash, in [-0.5, 0.5), as double."""
    with np.errstate(over="ignore"):
        u = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(2654435761) + np.uint32((j + 1) * 2246822519 % 2**32)
        u ^= u >> np.uint32(15)
        u *= np.uint32(2246822519)
        u ^= u >> np.uint32(13)
        u *= np.uint32(3266489917)
        u ^= u >> np.uint32(16)
    return u / 2**32 - 0.5


def ranks():
    """The original's names in ASCII order."""
    return {name: j for j, name in enumerate(sorted(row.source for row in unet_rows(CONFIG.sizes.unet)))}


def weight(name, shape, rank):
    """A tensor under its original name."""
    values = hashed(rank, prod(shape))
    values *= np.sqrt(12 / prod(shape[1:])) if len(shape) > 1 else 0.2
    values += len(shape) == 1 and name.endswith("weight")
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def golden_unet():
    """The stock network, filled through the map of names."""
    order, state = ranks(), {}
    for row in unet_rows(CONFIG.sizes.unet):
        values = weight(row.source, row.shape, order[row.source])
        state |= dict(zip(row.targets, values.chunk(len(row.targets)), strict=True))
    with torch.device("meta"):
        unet = imagedream_unet(CONFIG)
    unet.load_state_dict(state, assign=True)
    return unet.eval().requires_grad_(False)


def drawn(j, *shape):
    """An input."""
    return torch.from_numpy((hashed(j, prod(shape)) * np.sqrt(12)).astype(np.float32)).reshape(shape)


def cameras(elevation):
    """The five rows as they are published."""
    return torch.tensor(FACTS["cameras_c2w_row_major"][f"elevation_{elevation}"])


def golden_inputs(unet):
    """What the network is asked: two groups of five frames, the first without the picture."""
    features = drawn(1002, 1, 257, 1280)
    tokens = image_tokens(unet, torch.cat([torch.zeros_like(features), features]))
    x, pixel = drawn(1000, 10, 4, 16, 16), drawn(1003, 1, 4, 16, 16)
    x[4], x[9] = 0, pixel[0]
    return {
        "x": x,
        "t": torch.full((10,), 741.0),
        "text": drawn(1001, 10, 77, 128),  # another one a frame
        "tokens": tokens,
        "cameras": cameras(5).repeat(2, 1),
    }


def ask(unet, x, t, text, tokens, cameras, **more):
    """One call, frames as they are."""
    context = torch.cat([text, tokens.repeat_interleave(5, 0)], 1)
    with torch.no_grad():
        return unet(x, t, encoder_hidden_states=context, class_labels=cameras, **more).sample
