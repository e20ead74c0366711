"""PEPD, the student: G_theta(N, C, II) -> Gaussians.

II  RGBA (b, 4, h, w) --ImageEncoder--> tokens (b, 64, d), fine map (b, c, 32, 32); or tokens of a frozen network, handed in
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
from dd3g.core.errors import InputError
from dd3g.encoders import GivenTokens, GivenTokensConfig, ImageEncoder, ImageFeatures
from dd3g.encoders.image_encoder import Glimpse
from dd3g.student.anchored_decoding import AnchoredDecoder, Decoded, InputCamera, View
from dd3g.student.config import AnchoredDecodingConfig, ExtractionConfig, PEPDConfig, PlainDecodingConfig
from dd3g.student.look_back import project
from dd3g.student.object_box import ObjectBox, box_of, crop
from dd3g.student.pattern_extraction import PatternExtraction
from dd3g.student.plain_decoding import PlainDecoder
from dd3g.student.surfaces import SurfaceHead
from dd3g.student.teacher_extraction import TeacherExtraction

_ELEVATION_SCALE_DEG = 20.0  # spread and middle of what is seen in training
_ELEVATION_MEAN_DEG = 10.0


class PEPD(nn.Module):
    """Pattern extraction and progressive decoding.

    student = PEPD(presets.small())
    gaussians = student(noise, cameras, image)            # noise (b, 4, 4, 16, 16), image (b, 4, 256, 256)
    decoded = student.decode(noise, conditions, image, elevation_deg=elevations)

    student = PEPD(presets.paper())
    gaussians = student(noise, cameras, image, image_tokens=tokens)    # (b, 257, 1280), of CLIP's image tower
    """

    def __init__(self, config: PEPDConfig) -> None:
        super().__init__()
        self.config = config
        patterns, context = config.extraction.token_count, config.encoder.width
        if isinstance(config.encoder, GivenTokensConfig):
            if isinstance(config.decoding, AnchoredDecodingConfig):
                raise ValueError("the anchored decoder looks back at a map of the picture, which given tokens are not; decode plainly")
            self.encoder: ImageEncoder | GivenTokens = GivenTokens(config.encoder)
        else:
            self.encoder = ImageEncoder(config.encoder)
        if isinstance(config.extraction, ExtractionConfig):
            self.extraction: PatternExtraction | TeacherExtraction = PatternExtraction(config.extraction, context, config.width)
        else:
            self.extraction = TeacherExtraction(config.extraction, context, config.width)
        self.pattern_type = nn.Parameter(torch.randn(1, patterns, config.width) * config.type_spread)
        self.image_in = nn.Sequential(nn.Linear(context, config.width), nn.LayerNorm(config.width))
        self.image_type = nn.Parameter(torch.randn(1, 1, config.width) * config.type_spread)
        self.camera = nn.Sequential(nn.Linear(context + 4, 64), nn.GELU(), nn.Linear(64, 2))
        self.place_in = nn.Linear(6, config.width)
        self.surfaces: SurfaceHead | None = None
        if isinstance(config.decoding, PlainDecodingConfig):
            self.decoder: PlainDecoder | AnchoredDecoder = PlainDecoder(
                config.decoding, config.width, config.heads, config.blocks, patterns
            )
        else:
            assert not isinstance(config.encoder, GivenTokensConfig)
            if config.decoding.seeded:
                self.surfaces = SurfaceHead(config.encoder.fine_channels, config.encoder.size // 4)
            self.decoder = AnchoredDecoder(
                config.decoding, config.width, config.heads, config.blocks, patterns, config.encoder.fine_channels
            )

    @property
    def reads_tokens(self) -> bool:
        """Whether the picture must be handed in as a frozen network's tokens as well."""
        return isinstance(self.encoder, GivenTokens)

    def forward(
        self,
        noise: Float[Tensor, "b v c l l"],
        cameras: Cameras,
        image: Float[Tensor, "b 4 h w"],
        elevation_deg: Float[Tensor, " b"] | None = None,
        distance: Float[Tensor, " b"] | None = None,
        guidance: Float[Tensor, " b"] | None = None,
        image_tokens: Float[Tensor, "b t given"] | None = None,
    ) -> Gaussians:
        """Generates.

        Args:
            noise: N, standard normal.
            cameras: C, the supervised views, in the frame in which the input stands at azimuth 0; shared, or one set an object.
            image: II, prepared: straight sRGB and alpha in [0, 1].
            elevation_deg: The input camera's elevation; predicted from the picture if None.
            distance: The input camera's distance (1.5 for views of the rig); predicted from the picture if None.
            guidance: w, under which the teacher's ODE ties this noise to views; see :class:`PatternExtraction`.
            image_tokens: II as the frozen network's tokens, for students that read those; others refuse them.
        """
        conditions = cameras.conditions().expand(image.shape[0], -1, -1)
        return self.decode(noise, conditions, image, elevation_deg, distance, guidance=guidance, image_tokens=image_tokens).gaussians

    def decode(
        self,
        noise: Float[Tensor, "b v c l l"],
        conditions: Float[Tensor, "b v 16"],
        image: Float[Tensor, "b 4 h w"],
        elevation_deg: Float[Tensor, " b"] | None = None,
        distance: Float[Tensor, " b"] | None = None,
        gaussians_per_token: int | None = None,
        both_ways: bool = False,
        guidance: Float[Tensor, " b"] | None = None,
        image_tokens: Float[Tensor, "b t given"] | None = None,
    ) -> Decoded:
        """As :meth:`forward`, with what supervision needs beside the Gaussians.

        Args:
            noise: N.
            conditions: C as numbers, see :meth:`dd3g.core.Cameras.conditions`.
            image: II.
            elevation_deg: Elevation of the input camera, or None to predict it; so are single ones that are NaN.
            distance: Its distance, or None to predict it.
            gaussians_per_token: Another budget than the configuration's; seeded decoders only.
            both_ways: Read the picture's mirror image as well, see :meth:`look_at`.
            guidance: As in :meth:`forward`.
            image_tokens: As in :meth:`forward`.

        Raises:
            InputError: Tokens are missing, of another shape, or given to a student that reads pixels.
        """
        view = self.look_at(image, elevation_deg, distance, both_ways=both_ways, image_tokens=image_tokens)
        return self.decode_view(noise, conditions, view, gaussians_per_token, guidance)

    def decode_view(
        self,
        noise: Float[Tensor, "b v c l l"],
        conditions: Float[Tensor, "b v 16"],
        view: View,
        gaussians_per_token: int | None = None,
        guidance: Float[Tensor, " b"] | None = None,
    ) -> Decoded:
        """The second half of :meth:`decode`: from what is known of a picture, or of something between two pictures."""
        tokens = view.features.tokens
        patterns = self.extraction(noise, conditions, tokens, guidance) + self.pattern_type
        joined = (
            torch.cat([patterns, self.image_in(tokens) + self.image_type], 1)
            + self.place_in(torch.cat([view.box.numbers(), camera_numbers(view.camera)], 1))[:, None]
        )
        if isinstance(self.decoder, PlainDecoder):
            gaussians = self.decoder(joined, patterns.shape[1])
            xy, towards = project(gaussians.means, view.camera.elevation_deg, view.camera.distance)
            return Decoded(gaussians, xy, towards, None, view, patterns)
        return replace(self.decoder(joined, patterns.shape[1], view, gaussians_per_token), patterns=patterns)

    def look_at(
        self,
        image: Float[Tensor, "b 4 h w"],
        elevation_deg: Float[Tensor, " b"] | None = None,
        distance: Float[Tensor, " b"] | None = None,
        *,
        both_ways: bool = False,
        image_tokens: Float[Tensor, "b t given"] | None = None,
    ) -> View:
        """Everything that is known of the picture before noise and cameras enter.

        The picture is read twice from half way up: once to find its camera, then knowing it (the one given, else the one found).

        Args:
            image: II.
            elevation_deg: Elevation of its camera, if known.
            distance: Its distance, if known.
            both_ways: Read its mirror image as well, and take the mean of the two cameras and of the two surfaces: what a mirrored world
                would look like is known, and a guess that changes with it is half a mistake.
            image_tokens: As in :meth:`forward`; there are none of the mirror image.

        Raises:
            InputError: As :meth:`decode`.
        """
        if isinstance(self.encoder, GivenTokens):
            return self._look_at_tokens(self.encoder, image, elevation_deg, distance, image_tokens)
        if image_tokens is not None:
            raise InputError("image_tokens: found some, and this student reads the picture itself; leave them out")
        box, cropped, glimpse, numbers = self._glance(image)
        mirrored = self._glance(image.flip(-1)) if both_ways else None
        if mirrored is not None:
            numbers = (numbers + mirrored[3]) / 2
        found, camera = _cameras(numbers, elevation_deg, distance)
        features = self.encoder.features(glimpse, camera_numbers(camera))
        surfaces = None
        if self.surfaces is not None:
            surfaces = self.surfaces(features.fine, cropped[:, 3:])
            if mirrored is not None:
                fine = self.encoder.features(mirrored[2], camera_numbers(camera)).fine
                surfaces = (surfaces + self.surfaces(fine, mirrored[1][:, 3:]).flip(-1)) / 2
        return View(image, cropped, box, features, surfaces, found, camera)

    def _look_at_tokens(
        self, encoder: GivenTokens, image: Tensor, elevation_deg: Tensor | None, distance: Tensor | None, image_tokens: Tensor | None
    ) -> View:
        """The same where the picture comes as tokens: they show the whole frame, and their maker knows nothing of its camera."""
        if image_tokens is None:
            c = encoder.config
            raise InputError(
                f"image_tokens: found none, expected (b, {c.count}, {c.given_width}): this student reads the tokens of a frozen network; "
                "hand in what that makes of the picture"
            )
        tokens, box = encoder(image_tokens), box_of(image[:, 3:])
        found, camera = _cameras(self.camera(torch.cat([tokens.mean(1), box.numbers()], 1)).float(), elevation_deg, distance)
        nothing = image.new_zeros(image.shape[0], 0, 1, 1)  # no map of the picture, and nobody who would look back at it
        return View(image, image, box, ImageFeatures(tokens, nothing), None, found, camera)

    def _glance(self, image: Float[Tensor, "b 4 h w"]) -> tuple[ObjectBox, Tensor, Glimpse, Tensor]:
        """Box, crop, the encoder's first half, and the camera as the network says it."""
        assert isinstance(self.encoder, ImageEncoder)
        box = box_of(image[:, 3:])
        cropped = crop(image, box, self.encoder.config.size)
        glimpse = self.encoder.glimpse(cropped, box.numbers())
        return box, cropped, glimpse, self.camera(torch.cat([self.encoder.tokens(glimpse).mean(1), box.numbers()], 1)).float()


def _cameras(
    numbers: Float[Tensor, "b 2"], elevation_deg: Float[Tensor, " b"] | None, distance: Float[Tensor, " b"] | None
) -> tuple[InputCamera, InputCamera]:
    """The input camera as the network found it, and as it is used.

    How well it is found is asked of it directly; surfaces must not bend it to their liking, so nothing flows back through the second.
    """
    found = InputCamera(numbers[:, 0] * _ELEVATION_SCALE_DEG + _ELEVATION_MEAN_DEG, RIG_RADIUS * numbers[:, 1].clamp(-1, 2).exp())
    return found, InputCamera(_given(elevation_deg, found.elevation_deg), _given(distance, found.distance))


def _given(value: Float[Tensor, " b"] | None, found: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """What is given, and what was found where nothing is (None, or NaN of single ones)."""
    return found.detach() if value is None else torch.where(value.isnan(), found.detach(), value)


def camera_numbers(camera: InputCamera) -> Float[Tensor, "b 2"]:
    """What the networks are told of the input camera: which way is up, and how deep the frame is."""
    return torch.stack([camera.elevation_deg / _ELEVATION_SCALE_DEG, 3 * (camera.distance / RIG_RADIUS).log()], 1)
