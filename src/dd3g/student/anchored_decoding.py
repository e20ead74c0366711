"""Progressive decoding taken literally: what is decoded first helps what is decoded later.

# differs: the paper's taps read free attributes from tokens. Here mu starts on rays through the picture's matte (student/seeding.py),
and once mu is known every Gaussian looks back at the picture and tells its token what it found, before (s, q) and then (c, alpha) are
decoded. One branch, same order of taps. With little training the student must not have to learn to copy (docs/lab-log.md compares them).

    tokens --A--> tap mu --look back--> B --> tap s, q --> C --> tap c, alpha
                   |  each Gaussian keeps a small state of its own beside its token  |
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.core import Gaussians
from dd3g.encoders.image_encoder import ImageFeatures, SelfAttentionBlock
from dd3g.student.attributes import SCALE_CAP, SCALE_FLOOR, ball_points, quats_from_raw, start_scale
from dd3g.student.config import AnchoredDecodingConfig
from dd3g.student.look_back import camera_quats, multiply_quats, points_on_rays, project, sample, sample_rgba
from dd3g.student.object_box import ObjectBox
from dd3g.student.seeding import HALF_FRAME, Seeds, seed_matte

_START_GATE = 2.0  # sigmoid: 0.88 of a colour is the picture's own at first
_START_OPACITY_LOGIT = 2.2  # 0.9
_SIGMA_PER_SPACING = 0.7  # neighbours at this sigma and opacity 0.9 leave no holes
_FLATNESS = 0.5  # of inner seeds along their ray: they stand for a surface
_SCALE_PLAY = 1.5  # |log of a scale over its start| stays below
_PLACE_FEATURES = 6  # not the spacing: the same network serves any number of seeds


@dataclass(frozen=True)
class InputCamera:
    """Where the input picture was taken from, as far as it matters (student/look_back.py)."""

    elevation_deg: Float[Tensor, " b"]
    distance: Float[Tensor, " b"]  # object units; the rig's is 1.5


@dataclass(frozen=True)
class View:
    """The input picture in all the ways that the decoder looks at it."""

    image: Float[Tensor, "b 4 h w"]  # whole
    cropped: Float[Tensor, "b 4 s s"]  # the object's box, as the encoder read it
    box: ObjectBox
    features: ImageFeatures  # of the crop
    surfaces: Float[Tensor, "b 2 g g"] | None  # first and last, in half sides of the box (student/surfaces.py)
    predicted: InputCamera  # read off the picture
    camera: InputCamera  # that is used: given, or the predicted one


@dataclass(frozen=True)
class Decoded:
    """Gaussians and what supervision may want to know of their making."""

    gaussians: Gaussians
    xy: Float[Tensor, "b n 2"]  # where the input picture sees mu, -1..1
    towards: Float[Tensor, "b n"]  # how far mu stands towards the input camera from the plane through the origin
    seeds: Seeds | None
    view: View
    patterns: Float[Tensor, "b p width"] | None = None  # what extraction found


class AnchoredDecoder(nn.Module):
    """Pattern tokens (+) image tokens, and the picture itself -> Gaussians."""

    def __init__(
        self, config: AnchoredDecodingConfig, width: int, heads: int, blocks: tuple[int, int, int], tokens: int, fine_channels: int
    ) -> None:
        super().__init__()
        self.config, state = config, config.gaussian_width
        self.group_a, self.group_b, self.group_c = (nn.ModuleList(SelfAttentionBlock(width, heads) for _ in range(n)) for n in blocks)
        self.enter = nn.Linear(fine_channels + 4 + _PLACE_FEATURES, state)
        if not config.seeded:
            count = config.gaussians_per_token
            self.slots = nn.Parameter(torch.randn(tokens * count, state) * 0.5)
            self.mu_start = nn.Parameter(torch.atanh(ball_points(tokens * count)))
        self.patch = nn.Linear(state, width)
        self.update_a, self.update_b, self.update_c = (GaussianUpdate(width, state) for _ in range(3))
        self.look = nn.Linear(fine_channels + 4 + 3, state)
        self.tell = nn.Linear(state, width)
        self.mu_tap, self.s_tap, self.q_tap = nn.Linear(state, 3), nn.Linear(state, 3), nn.Linear(state, 4)
        self.c_tap, self.gate_tap, self.alpha_tap = nn.Linear(state, 3), nn.Linear(state, 1), nn.Linear(state, 1)
        for tap in (self.mu_tap, self.s_tap, self.q_tap, self.c_tap, self.gate_tap, self.alpha_tap):
            nn.init.normal_(tap.weight, std=1e-2)
            nn.init.zeros_(tap.bias)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)

    def forward(
        self,
        tokens: Float[Tensor, "b t d"],
        patterns: int,
        view: View,
        gaussians_per_token: int | None = None,
    ) -> Decoded:
        """Decodes the first ``patterns`` tokens, each with the Gaussians of its patch of the matte."""
        camera = view.camera
        per_token = gaussians_per_token or self.config.gaussians_per_token
        count = patterns * per_token
        seeds = seed_matte(view.cropped[:, 3:], view.box, count, self.config.edge_layers) if self.config.seeded else None

        surfaces = None if seeds is None else self._surfaces_at(seeds, view)
        state = self._start(seeds, surfaces, view)
        tokens = _added(tokens, self.patch(state.unflatten(1, (patterns, -1)).mean(2)))
        for block in self.group_a:
            tokens = block(tokens)
        state = self.update_a(state, tokens[:, :patterns])
        means, xy, towards = self._place(seeds, surfaces, state, view.box, camera)

        rgba = sample_rgba(view.image, xy)
        if self.config.look_back:
            where = torch.cat([view.box.inside(xy), (towards / _half_side(view.box))[..., None]], -1)
            state = state + self.look(torch.cat([sample(view.features.fine, where[..., :2]), rgba, where], -1))
            tokens = _added(tokens, self.tell(state.unflatten(1, (patterns, -1)).mean(2)))
        for block in self.group_b:
            tokens = block(tokens)
        state = self.update_b(state, tokens[:, :patterns])
        scales, quats = self._shape(seeds, state, camera, count)

        for block in self.group_c:
            tokens = block(tokens)
        state = self.update_c(state, tokens[:, :patterns])
        rgb, opacities = self._paint(state, rgba)
        return Decoded(Gaussians(means, quats, scales, opacities, rgb), xy, towards, seeds, view)

    @staticmethod
    def _surfaces_at(seeds: Seeds, view: View) -> Float[Tensor, "b n 2"]:
        assert view.surfaces is not None
        return sample(view.surfaces, view.box.inside(seeds.xy))

    def _start(self, seeds: Seeds | None, surfaces: Tensor | None, view: View) -> Float[Tensor, "b n state"]:
        if seeds is None or surfaces is None:
            return self.slots.expand(view.image.shape[0], -1, -1)
        inside = view.box.inside(seeds.xy)
        place = torch.cat([inside, surfaces, torch.stack([seeds.layer, seeds.rim], -1)], -1)
        return self.enter(torch.cat([sample(view.features.fine, inside), sample_rgba(view.image, seeds.xy), place], -1))

    def _place(
        self, seeds: Seeds | None, surfaces: Tensor | None, state: Tensor, box: ObjectBox, camera: InputCamera
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tap of mu. Moves are in units of the box: what is shown twice as large is moved twice as far."""
        raw = self.mu_tap(state)
        if seeds is None or surfaces is None:
            means = torch.tanh(raw + self.mu_start)
            return (means, *project(means, camera.elevation_deg, camera.distance))
        xy = seeds.xy + self.config.sideways_range * box.half[:, None, None] * torch.tanh(raw[..., :2])
        start, limit = torch.lerp(surfaces[..., 0], surfaces[..., 1], seeds.layer), self.config.depth_range
        towards = limit * torch.tanh(_half_side(box) * (start + raw[..., 2]) / limit)
        return points_on_rays(xy, towards, camera.elevation_deg, camera.distance), xy, towards

    def _shape(self, seeds: Seeds | None, state: Tensor, camera: InputCamera, count: int) -> tuple[Tensor, Tensor]:
        """Taps of s and q."""
        play = torch.exp(_SCALE_PLAY * torch.tanh(self.s_tap(state) / _SCALE_PLAY))
        turn = quats_from_raw(self.q_tap(state))
        if seeds is None:
            return (start_scale(count) * play).clamp(SCALE_FLOOR, SCALE_CAP), turn
        sigma = _SIGMA_PER_SPACING * seeds.spacing
        along = sigma * (_FLATNESS + (1 - _FLATNESS) * seeds.rim)
        start = torch.stack([sigma, sigma, along], -1)
        axes = camera_quats(camera.elevation_deg)[:, None].expand_as(turn)
        return (start * play).clamp(SCALE_FLOOR, SCALE_CAP), F.normalize(multiply_quats(axes, turn), dim=-1)

    def _paint(self, state: Tensor, rgba: Tensor) -> tuple[Tensor, Tensor]:
        """Taps of c and alpha."""
        own = torch.sigmoid(self.c_tap(state))
        logit = self.alpha_tap(state)[..., 0] + _START_OPACITY_LOGIT
        if not self.config.look_back:
            return own, torch.sigmoid(logit)
        gate = torch.sigmoid(self.gate_tap(state) + _START_GATE)
        return gate * rgba[..., :3] + (1 - gate) * own, torch.sigmoid(logit) * rgba[..., 3]


class GaussianUpdate(nn.Module):
    """A Gaussian's state takes in its token, then passes a feed-forward layer."""

    def __init__(self, token_width: int, state: int) -> None:
        super().__init__()
        self.norm_token, self.norm_state = nn.LayerNorm(token_width), nn.LayerNorm(state)
        self.take = nn.Linear(token_width, state)
        self.up, self.down = nn.Linear(state, 2 * state), nn.Linear(2 * state, state)

    def forward(self, state: Float[Tensor, "b n s"], tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b n s"]:
        """Residual update; Gaussian k belongs to token k // (n / t)."""
        taken = self.take(self.norm_token(tokens))
        state = (state.unflatten(1, (tokens.shape[1], -1)) + taken[:, :, None]).flatten(1, 2)
        return state + self.down(F.gelu(self.up(self.norm_state(state))))


def _half_side(box: ObjectBox) -> Tensor:
    """Half the box's side in object units, a column."""
    return box.half[:, None] * HALF_FRAME


def _added(tokens: Tensor, update: Tensor) -> Tensor:
    return torch.cat([tokens[:, : update.shape[1]] + update, tokens[:, update.shape[1] :]], 1)
