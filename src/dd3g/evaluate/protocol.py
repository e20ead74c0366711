"""What is rendered, shown and compared, as one frozen record with a name. Its fields stand in every result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """A way to score image-to-3D models on meshes.

    Objects are normalised as docs/conventions.md says and rendered by rays. The input is one of the views, used as it is (in frame
    already), with its camera told to the model. Metrics compare renders with truth over the background, view by view; means run over the
    views that are not the input, then over objects.
    """

    name: str = "orbit16-1"
    views: int = 16  # evenly spaced azimuths from 0
    elevation_deg: float = 0.0
    input_view: int = 0
    size: int = 256
    supersampling: int = 3
    light: str = "sky"
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    seed: int = 0  # of the model's noise
    psnr: str = "10 log10(1 / MSE) over all pixels and channels, values clamped to [0, 1]"
    ssim: str = "11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, data range 1, windows inside the picture, mean over channels"
    lpips: str = "LPIPS v0.1, AlexNet, whole picture at full size, inputs scaled to [-1, 1]"

    def digest(self) -> str:
        """Changes when any field changes."""
        return hashlib.blake2b(json.dumps(asdict(self), sort_keys=True).encode(), digest_size=8).hexdigest()

    def about(self) -> dict[str, Any]:
        """All fields and the digest, for results."""
        return {**asdict(self), "background": list(self.background), "digest": self.digest()}


ORBIT16 = Protocol()
