"""PEPD, the student: G_theta(N, C, II) -> Gaussians.

II  RGBA (b, 4, h, w) --ImageEncoder--> tokens (b, 64, d), fine map (b, c, 32, 32)
N   (b, 4, 4, l, l)   --PatternExtraction, under C (b, 4, 16), cross-attending to the tokens--> pattern tokens (b, p, d)
pattern tokens (+) image tokens, joined in sequence, each with its type
    --group A--> mu --group B--> s, q --group C--> c, alpha          one branch; object frame, all activated
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import Cameras, Gaussians
from dd3g.core.cameras import RIG_RADIUS
from dd3g.encoders import ImageEncoder
from dd3g.student.anchored_decoding import AnchoredDecoder, Decoded, InputCamera, View
from dd3g.student.config import AnchoredDecodingConfig, PEPDConfig, PlainDecodingConfig
from dd3g.student.look_back import project
from dd3g.student.object_box import box_of, crop
from dd3g.student.pattern_extraction import PatternExtraction
from dd3g.student.plain_decoding import PlainDecoder
from dd3g.student.surfaces import SurfaceHead, set_upright

_ELEVATION_SCALE_DEG = 20.0  # spread and middle of what is seen in training
_ELEVATION_MEAN_DEG = 10.0


class PEPD(nn.Module):
    """Pattern extraction and progressive decoding.

    student = PEPD(presets.small())
    gaussians = student(noise, cameras, image)            # noise (b, 4, 4, 16, 16), image (b, 4, 256, 256)
    decoded = student.decode(noise, conditions, image, elevation_deg=elevations)
    """

    def __init__(self, config: PEPDConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ImageEncoder(config.encoder)
        patterns = config.extraction.token_count
        self.extraction = PatternExtraction(config.extraction, config.encoder.width, config.width)
        self.pattern_type = nn.Parameter(torch.randn(1, patterns, config.width) * 0.02)
        self.image_in = nn.Sequential(nn.Linear(config.encoder.width, config.width), nn.LayerNorm(config.width))
        self.image_type = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        self.camera = nn.Sequential(nn.Linear(config.encoder.width + 4, 64), nn.GELU(), nn.Linear(64, 2))
        self.place_in = nn.Linear(6, config.width)
        seeded = isinstance(config.decoding, AnchoredDecodingConfig) and config.decoding.seeded
        self.surfaces = SurfaceHead(config.encoder.fine_channels, config.encoder.size // 4) if seeded else None
        if isinstance(config.decoding, PlainDecodingConfig):
            self.decoder: PlainDecoder | AnchoredDecoder = PlainDecoder(
                config.decoding, config.width, config.heads, config.blocks, patterns
            )
        else:
            self.decoder = AnchoredDecoder(
                config.decoding, config.width, config.heads, config.blocks, patterns, config.encoder.fine_channels
            )

    def forward(
        self,
        noise: Float[Tensor, "b v c l l"],
        cameras: Cameras,
        image: Float[Tensor, "b 4 h w"],
        elevation_deg: Float[Tensor, " b"] | None = None,
        distance: Float[Tensor, " b"] | None = None,
    ) -> Gaussians:
        """Generates.

        Args:
            noise: N, standard normal.
            cameras: C, the supervised views, in the frame in which the input stands at azimuth 0; shared, or one set an object.
            image: II, prepared: straight sRGB and alpha in [0, 1].
            elevation_deg: The input camera's elevation; predicted from the picture if None.
            distance: The input camera's distance (1.5 for views of the rig); predicted from the picture if None.
        """
        conditions = cameras.conditions().expand(image.shape[0], -1, -1)
        return self.decode(noise, conditions, image, elevation_deg, distance).gaussians

    def decode(
        self,
        noise: Float[Tensor, "b v c l l"],
        conditions: Float[Tensor, "b v 16"],
        image: Float[Tensor, "b 4 h w"],
        elevation_deg: Float[Tensor, " b"] | None = None,
        distance: Float[Tensor, " b"] | None = None,
        gaussians_per_token: int | None = None,
    ) -> Decoded:
        """As :meth:`forward`, with what supervision needs beside the Gaussians.

        Args:
            noise: N.
            conditions: C as numbers, see :meth:`dd3g.core.Cameras.conditions`.
            image: II.
            elevation_deg: Elevation of the input camera, or None to predict it.
            distance: Its distance, or None to predict it.
            gaussians_per_token: Another budget than the configuration's; seeded decoders only.
        """
        view = self.look_at(image)
        used = InputCamera(
            view.predicted.elevation_deg if elevation_deg is None else elevation_deg,
            view.predicted.distance if distance is None else distance,
        )
        if view.surfaces is not None:
            upright = set_upright(view.surfaces, view.box, view.predicted.elevation_deg.detach(), used.elevation_deg)
            view = replace(view, surfaces=upright)
        tokens = view.features.tokens
        patterns = self.extraction(noise, conditions, tokens) + self.pattern_type
        joined = torch.cat([patterns, self.image_in(tokens) + self.image_type], 1) + self.place_in(_place_numbers(view, used))[:, None]
        if isinstance(self.decoder, PlainDecoder):
            gaussians = self.decoder(joined, patterns.shape[1])
            xy, towards = project(gaussians.means, used.elevation_deg, used.distance)
            return Decoded(gaussians, xy, towards, None, used, view)
        return self.decoder(joined, patterns.shape[1], view, used, gaussians_per_token)

    def look_at(self, image: Float[Tensor, "b 4 h w"]) -> View:
        """Everything that is known of the picture before noise and cameras enter."""
        box = box_of(image[:, 3:])
        cropped = crop(image, box, self.config.encoder.size)
        features = self.encoder(cropped, box.numbers())
        surfaces = None if self.surfaces is None else self.surfaces(features.fine, cropped[:, 3:])
        raw = self.camera(torch.cat([features.tokens.mean(1), box.numbers()], 1))
        camera = InputCamera(raw[:, 0] * _ELEVATION_SCALE_DEG + _ELEVATION_MEAN_DEG, RIG_RADIUS * raw[:, 1].clamp(-1, 2).exp())
        return View(image, cropped, box, features, surfaces, camera)


def _place_numbers(view: View, camera: InputCamera) -> Float[Tensor, "b 6"]:
    """Where the object lies in its picture, and the camera that it is decoded for: what is upright and how deep the frame is."""
    tilt = camera.elevation_deg / _ELEVATION_SCALE_DEG
    return torch.cat([view.box.numbers(), tilt[:, None], 3 * (camera.distance / RIG_RADIUS).log()[:, None]], 1)
