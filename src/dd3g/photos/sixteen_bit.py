"""16-bit PNG with all its bits. Pillow keeps them for grey pictures only; of colour it hands out the upper bytes."""

from __future__ import annotations

import io

import numpy as np

_CHANNELS = {"gray16be": 1, "ya16be": 2, "rgb48be": 3, "rgba64be": 4}  # ffmpeg's names of what PNG can hold
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_sixteen_bit_png(data: bytes) -> bool:
    """Whether these bytes are a PNG with 16 bits a channel; its header stands at a fixed place."""
    return data[:8] == _SIGNATURE and data[12:16] == b"IHDR" and len(data) > 24 and data[24] == 16


def read_sixteen_bit_png(data: bytes, reduce: int) -> np.ndarray:
    """Pixels as float32 in [0, 1], shape (h, w, c) with c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.

    Args:
        data: The file.
        reduce: Blocks of ``reduce`` x ``reduce`` pixels become one, averaged premultiplied.

    Raises:
        ValueError: Not a whole 16-bit PNG.
    """
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="png_pipe") as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, StopIteration) as error:
        raise ValueError(str(error) or "no picture in it") from None
    channels = _CHANNELS.get(frame.format.name)
    if channels is None:
        raise ValueError(f"pixel format {frame.format.name}")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), ">u2").reshape(frame.height, plane.line_size // 2)
    pixels = rows[:, : frame.width * channels].reshape(frame.height, frame.width, channels)
    return _reduced(pixels, reduce)


def _reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Strips of ``factor`` rows at a time, so that the whole picture never stands in memory as floats."""
    height, width, channels = pixels.shape
    columns = np.arange(0, width, factor)
    counts = np.diff(np.append(columns, width))
    out = np.empty((-(-height // factor), len(columns), channels), np.float32)
    for i in range(len(out)):
        strip = pixels[i * factor : (i + 1) * factor].astype(np.float32) / 65535
        if factor == 1:
            out[i] = strip[0]
            continue
        alpha = strip[..., -1:] if channels in (2, 4) else None
        if alpha is not None:
            strip[..., :-1] *= alpha
        mean = np.add.reduceat(strip.mean(0), columns, axis=0) / counts[:, None]
        if alpha is not None:
            mean[:, :-1] /= np.maximum(mean[:, -1:], 1e-6)
        out[i] = mean.clip(0, 1)
    return out
