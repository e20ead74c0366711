"""One call of ImageDream's noise predictor at its full size, with random weights: does it fit, and how long does it take?

python benchmarks/imagedream_forward.py                                 941,672,900 parameters in float32, both halves of guidance
python benchmarks/imagedream_forward.py --dtype bfloat16 --frames 5     half the memory; without guidance
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch

from dd3g.core import canonical_rig
from dd3g.core.machine import matmul_rate
from dd3g.teacher.imagedream.network import ImageDreamConfig, imagedream_unet
from dd3g.teacher.imagedream.sizes import PUBLISHED
from dd3g.teacher.multi_view import Condition, predict_views, steady

_TFLOP = {5: 1.040, 10: 2.080}  # of a call without what is made once a picture: docs/imagedream.md


def main() -> None:
    """Builds, calls, and prints a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32", help="of weights and activations")
    parser.add_argument("--frames", type=int, choices=tuple(_TFLOP), default=10, help="5: the picture's half; 10: both halves of guidance")
    parser.add_argument("--calls", type=int, default=2, help="the fastest is told (default: 2)")
    options = parser.parse_args()
    dtype, objects = getattr(torch, options.dtype), options.frames // 5

    began = time.perf_counter()
    with torch.device("meta"):
        unet = imagedream_unet(ImageDreamConfig())
    torch.nn.Module.to(unet, dtype)  # diffusers' own warns of layers that it has not
    unet.to_empty(device="cpu").eval().requires_grad_(False)
    torch.manual_seed(0)
    for parameter in unet.parameters():
        parameter.normal_(0, 0.02)
    built = time.perf_counter() - began

    tokens = torch.randn(objects, PUBLISHED.text.length + PUBLISHED.unet.tokens, PUBLISHED.unet.context)
    cameras = canonical_rig(elevation_deg=5.0).conditions().expand(objects, -1, -1)
    told = steady(unet, cameras, Condition(torch.randn(objects, 4, 32, 32), tokens))
    z, t, seconds = torch.randn(objects, 4, 4, 32, 32), torch.full((objects,), 981.0), []
    with torch.inference_mode():
        for _ in range(options.calls):
            began = time.perf_counter()
            made = predict_views(unet, z, t, told)
            seconds.append(time.perf_counter() - began)
            assert made.shape == z.shape
            assert bool(torch.isfinite(made).all())
    rate = _TFLOP[options.frames] / min(seconds)
    found = {
        "parameters": sum(p.numel() for p in unet.parameters()),
        "dtype": options.dtype,
        "frames": options.frames,
        "threads": torch.get_num_threads(),
        "built_s": round(built, 1),
        "call_s": round(min(seconds), 1),
        "gflop_per_s": round(1e3 * rate, 1),
        "share_of_matmul": round(1e12 * rate / matmul_rate("cpu", dtype), 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
