"""Pictures written byte by byte, so that a test knows what a reader has to find in them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type


def png_bytes(pixels: np.ndarray, *, extra: bytes = b"", filter_type: int = 0) -> bytes:
    """A PNG of uint8 or uint16 pixels (h, w, c), 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; rows filtered by "none" (0) or "up" (2)."""
    height, width, channels = pixels.shape
    depth = 16 if pixels.dtype == np.uint16 else 8
    rows = pixels.astype(">u2" if depth == 16 else "u1").reshape(height, -1).view(np.uint8)
    if filter_type == 2:
        rows = rows - np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    raw = b"".join(bytes([filter_type]) + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, PNG_TYPES[channels], 0, 0, 0)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def headless_png(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds no pixel: whoever decodes it before looking at the size notices."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")


def smooth(height: int, width: int) -> np.ndarray:
    """RGB uint8 gradients that JPEG keeps to a few levels."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 127 // (width + height - 2) + 64], -1).astype(
        np.uint8
    )


def rgb_profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float], gamma: float) -> bytes:
    """An ICC v2 matrix profile: primaries by chromaticity, white D65, one power curve.

    ICC wants colorants adapted to D50 (Bradford), as fixed-point numbers.
    """
    white = np.array([0.95047, 1.0, 1.08883])
    primaries = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    xyz = primaries * np.linalg.solve(primaries, white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.96422, 1.0, 0.82521])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford
    colorants = adapt @ xyz

    def fixed(values) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    text = b"synthetic\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(8 + 3 + 67)
    tags = {
        b"desc": description,
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(d50),
        b"rXYZ": b"XYZ " + bytes(4) + fixed(colorants[:, 0]),
        b"gXYZ": b"XYZ " + bytes(4) + fixed(colorants[:, 1]),
        b"bXYZ": b"XYZ " + bytes(4) + fixed(colorants[:, 2]),
    }
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header += b"acsp" + bytes(4) + bytes(4) + bytes(4) + bytes(4) + bytes(8) + struct.pack(">I", 1) + fixed(d50) + bytes(4)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body
