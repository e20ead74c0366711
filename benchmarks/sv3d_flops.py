"""What a teacher of SV3D's size would cost, counted on the device "meta": nothing is computed, held or fetched.

    python benchmarks/sv3d_flops.py [--rate TFLOPS] [--quadruples N] [--json FILE]

SV3D (Voleti et al. 2024) is Stable Video Diffusion's network on 21 frames of 576 px, that is of 72 x 72 latents, with the camera's
elevation and azimuth beside the other numbers of its time embedding, which cost nothing that is counted. So what is counted is diffusers'
UNetSpatioTemporalConditionModel in its own default sizes, which are that model's, and its autoencoder with the temporal decoder: both
halves of guidance at each of 50 steps, one picture encoded, 21 frames decoded, one look by CLIP's image tower.

# ours: the number of steps is the paper's for its own teacher; the published sampler of SV3D takes 50 as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from dd3g.evaluate.flops import flops_of
from dd3g.teacher.imagedream.clip import VisionTower
from dd3g.teacher.imagedream.sizes import VisionSizes

FRAMES, LATENT, PIXELS, STEPS = 21, 72, 576, 50
IMAGEDREAM_TFLOP = 112.3  # of one quadruple, as published code makes it; ours: docs/imagedream.md


def count() -> dict[str, float]:
    """TFLOP by part, and of one quadruple."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = cast(Any, UNetSpatioTemporalConditionModel)(num_frames=FRAMES)
        vae = cast(Any, AutoencoderKLTemporalDecoder)(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
        )
        tower = VisionTower(VisionSizes())
    for network in (unet, vae):
        nn.Module.to(network, "meta")  # a few of their parameters take no notice of the context
    with torch.device("meta"):
        z, ids = torch.zeros(1, FRAMES, 8, LATENT, LATENT), torch.zeros(1, 3)
        call = flops_of(lambda: unet(z, torch.tensor(1.0, device="meta"), torch.zeros(1, 1, 1024), ids))
        encode = flops_of(lambda: vae.encode(torch.zeros(1, 3, PIXELS, PIXELS)))
        decode = flops_of(lambda: vae.decode(torch.zeros(FRAMES, 4, LATENT, LATENT), num_frames=FRAMES))
        look = flops_of(lambda: tower(torch.zeros(1, 3, 224, 224)))
    quadruple = STEPS * 2 * call + encode + decode + look
    return {
        "parameters": float(sum(p.numel() for p in unet.parameters())),
        "unet_call_tflop": call / 1e12,
        "encode_tflop": encode / 1e12,
        "decode_tflop": decode / 1e12,
        "tower_tflop": look / 1e12,
        "quadruple_tflop": quadruple / 1e12,
    }


def main() -> int:
    """Prints the count and what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, metavar="TFLOPS", help="sustained, of one GPU (default: 200, a guess)")
    parser.add_argument("--quadruples", type=int, default=2_800_000, help="default: the paper's 2.8 million")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = count()
    hours = found["quadruple_tflop"] * options.quadruples / options.rate / 3600
    each, size = found["quadruple_tflop"], f"{FRAMES} frames of {LATENT} x {LATENT}"
    print(f"U-Net: {found['parameters']:,.0f} parameters; a call on {size}: {found['unet_call_tflop']:.2f} TFLOP")
    print(f"a picture encoded {found['encode_tflop']:.2f}, views decoded {found['decode_tflop']:.2f}, tower {found['tower_tflop']:.2f}")
    print(f"a quadruple, {STEPS} steps with guidance: {each:,.0f} TFLOP, {each / IMAGEDREAM_TFLOP:.1f} of ImageDream's")
    print(f"{options.quadruples:,} of them at {options.rate:g} TFLOP/s: {hours:,.0f} GPU hours")
    if options.json:
        options.json.write_text(json.dumps({**found, "gpu_hours": hours, "rate_tflops": options.rate}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
