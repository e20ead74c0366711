"""Frames to an H.264 MP4 that plays everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.files import write_atomically


def save_mp4(frames: Iterable[Float[Tensor, "3 h w"]], path: str | os.PathLike[str], *, fps: int = 30, crf: int = 18) -> None:
    """Encodes sRGB frames in [0, 1] with even sides; the same frames give the same bytes.

    Args:
        frames: At least one; all of one size.
        path: Ends in ``.mp4``.
        fps: Frames a second.
        crf: x264's constant rate factor; 18 looks lossless.
    """
    import av

    with write_atomically(path) as temporary, av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for frame in frames:
            pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            if stream is None:
                # One thread: x264's output depends on the number of them.
                stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": str(crf), "preset": "medium", "threads": "1"})
                stream.height, stream.width, stream.pix_fmt = pixels.shape[0], pixels.shape[1], "yuv420p"
                stream.codec_context.thread_count = 1
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        assert stream is not None, "a video needs frames"
        container.mux(stream.encode())
