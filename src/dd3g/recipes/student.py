"""The student on ground-truth views and on quadruples: what is fed, what is asked, how it is scored while it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dd3g.core import Gaussians
from dd3g.core.errors import InputError
from dd3g.core.model_file import save_model_file
from dd3g.core.views import composite, premultiplied
from dd3g.distill.codec_perceptual import CodecPerceptual
from dd3g.distill.colours import statistics_loss
from dd3g.distill.diversity import diversity_loss
from dd3g.distill.explicit import ExplicitWeights, explicit
from dd3g.distill.implicit import ImplicitConfig, checked_implicit
from dd3g.distill.latent import LatentConfig, checked_latent, latent_loss, latent_weight
from dd3g.distill.lpips import LPIPS, load_lpips
from dd3g.recipes.graphed import Decode, decode_batch, graphed_decode
from dd3g.recipes.image_tokens import TokensOf
from dd3g.recipes.quadruple_batches import DecodedCollection, student_batches
from dd3g.recipes.registration import registered
from dd3g.recipes.student_batches import StudentBatch, StudentBatches, StudentDataConfig
from dd3g.recipes.student_dev import dev_scores, dev_sheet
from dd3g.recipes.verification import Verifier, gradient_norms, implicit_term
from dd3g.recipes.views_pack import ViewsPack
from dd3g.render import Render, rasterize
from dd3g.student import PEPD, PEPDConfig
from dd3g.student.anchored_decoding import Decoded, View
from dd3g.student.config import config_to_json
from dd3g.student.latent_head import add_latent_head, latent_head_of, without_latent_head
from dd3g.student.seeding import HALF_FRAME
from dd3g.training import Recipe, Score

PerceptualName = Literal["lpips-squeeze", "lpips-alex", "codec", "none"]
NO_VERIFIER = (
    "loss.implicit: verification needs a teacher; name it with --teacher ('bundled' is the package's), or leave weight and balance at 0"
)
NO_LATENTS = "loss.latent: tells the latents of drawn quadruples; give a collection that was drawn, or leave weight at 0"
NO_CODEC = "--perceptual codec: no codec given; name one with --codec ('bundled' for the package's own), or a teacher with --teacher"


@dataclass(frozen=True)
class StudentLossConfig:
    """Weights of what is asked of the student."""

    explicit: ExplicitWeights = field(default_factory=ExplicitWeights)
    perceptual: PerceptualName = "lpips-squeeze"
    depth: float = 0.1  # of the seeds, where their rays meet the mesh; for seeded decoders on data with depth
    surfaces: float = 0.1  # of the dense guess that they start from
    slopes: float = 0.05  # of the dense guess: differences of neighbouring surface points
    camera: float = 0.01  # elevation and distance of the input camera
    diversity: float = 0.0  # distances between draws of one picture, with data.siblings; see dd3g.distill.diversity
    statistics: float = 0.0  # colours' mean and spread against the targets'; see dd3g.distill.colours
    implicit: ImplicitConfig = field(default_factory=ImplicitConfig)  # by the teacher
    latent: LatentConfig = field(default_factory=LatentConfig)  # a warm phase on drawn quadruples; see dd3g.distill.latent


def student_recipe(
    model: PEPDConfig,
    data: StudentDataConfig,
    loss: StudentLossConfig,
    train: Sequence[ViewsPack],
    dev: ViewsPack | None,
    *,
    seed: int,
    provenance: Mapping[str, Any],
    device: torch.device | str = "cpu",
    graphs: bool = False,
    collections: Sequence[DecodedCollection] = (),
    codec: CodecPerceptual | None = None,
    verifier: Verifier | None = None,
    steps: int = 1,
    tokens: TokensOf | None = None,
) -> Recipe:
    """What the engine needs to train a student.

    Args:
        model: Sizes.
        data: Sampling.
        loss: Weights of the terms.
        train: Views to learn from; may be empty where there are collections.
        dev: Views to choose by; inputs are their view 0, at azimuth 0 on the rig.
        seed: Of weights and samples.
        provenance: Goes into the model file: data, licences.
        device: Where it is trained.
        graphs: Record the network as CUDA graphs (on a GPU): the same numbers, sooner.
        collections: Quadruples to learn from.
        codec: The distance where ``loss.perceptual`` is "codec".
        verifier: The teacher, where ``loss.implicit`` is wanted.
        steps: Of the whole run, over which the curriculum goes.
        tokens: Makes the pictures' tokens, for students that read those.

    Raises:
        InputError: That distance, verification or a warm phase is asked for and there is nothing to do it with, or no such way to do it.
        WeightsError: The perceptual network's weights are not there.
    """
    if checked_implicit(loss.implicit).wanted and verifier is None:
        raise InputError(NO_VERIFIER)
    if checked_latent(loss.latent).wanted and not any(decoded.collection.plan.kind == "draw" for decoded in collections):
        raise InputError(NO_LATENTS)
    torch.manual_seed(seed)
    network = PEPD(model)
    if loss.latent.wanted:
        add_latent_head(network, seed)
    perceptual = perceptual_of(loss.perceptual, codec)
    if perceptual is not None:
        perceptual = perceptual.to(device)

    def of_views(config: StudentDataConfig) -> StudentBatches:
        return StudentBatches(train, config, model.noise_shape, seed, device)

    batches = student_batches(of_views if train else None, collections, data, seed, device)
    decode = graphed_decode(network.to(device).train(), batches(0), tokens) if graphs else partial(decode_batch, tokens=tokens)

    def losses(student: nn.Module, batch: StudentBatch, step: int) -> dict[str, Tensor]:
        verify = None
        if verifier is not None and loss.implicit.wanted:
            verify = partial(implicit_term, verifier, config=loss.implicit, seed=seed, step=step, steps=steps)
        return student_losses(cast(PEPD, student), batch, loss, perceptual, decode, verify, latent_weight(loss.latent, step / steps))

    def scores(student: nn.Module) -> dict[str, float]:
        found = {} if dev is None else dev_scores(cast(PEPD, student), dev, tokens)
        if verifier is not None and loss.implicit.wanted:
            found |= balance_scores(cast(PEPD, student), batches(0), loss, perceptual, verifier, seed, tokens)
        return found

    return Recipe(
        kind="student",
        identity={
            "model": config_to_json(model),
            "data": data.to_json(),
            "loss": {
                name: value for name, value in asdict(loss).items() if name != "latent" or loss.latent.wanted
            },  # as before there was one
            "views": [pack.digest for pack in train],
            "quadruples": [decoded.digest for decoded in collections],
            "seed": seed,
            **({"codec": perceptual.digest} if isinstance(perceptual, CodecPerceptual) else {}),
            **({"verifier": verifier.digest} if verifier is not None and loss.implicit.wanted else {}),
        },
        network=network,
        batch=batches,
        losses=losses,
        export=_exporter(model, provenance),
        evaluate=scores if dev is not None or loss.implicit.wanted else None,
        score=None if dev is None else Score("dev_psnr"),
        sheet=None if dev is None else lambda student: dev_sheet(cast(PEPD, student), dev, tokens),
    )


def perceptual_of(name: PerceptualName, codec: CodecPerceptual | None = None) -> LPIPS | CodecPerceptual | None:
    """The perceptual distance of a name.

    Raises:
        InputError: The codec's, and no codec was given.
        WeightsError: LPIPS, and its weights are not there.
    """
    if name == "none":
        return None
    if name != "codec":
        return load_lpips("squeeze" if name == "lpips-squeeze" else "alex")
    if codec is None:
        raise InputError(NO_CODEC)
    return codec


def student_losses(
    student: PEPD,
    batch: StudentBatch,
    config: StudentLossConfig,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    decode: Decode = decode_batch,
    verify: Callable[[Gaussians, StudentBatch, Mapping[str, Tensor]], Tensor] | None = None,
    latent: float = 0.0,
) -> dict[str, Tensor]:
    """L = L_ES + beta L_IV, and what the meshes of this data set teach beside it.

    Args:
        student: The network.
        batch: What it is fed and asked.
        config: Weights of the terms.
        perceptual: Distance beside the pixels', if any.
        decode: How the network is called.
        verify: (Gaussians in the object's frame, batch, terms of L_ES) -> beta L_IV; None: no verification.
        latent: Weight of the warm phase in this step; the student has a head for it where it is not 0.
    """
    decoded, placed, batch = place_batch(student, batch, decode)
    terms = explicit_terms(placed, batch, config, perceptual)
    implicit = None if verify is None else verify(placed, batch, terms)
    if config.depth > 0 and decoded.seeds is not None:
        terms["depth"] = config.depth * depth_loss(decoded, batch.towards)
    if config.surfaces > 0 and decoded.view.surfaces is not None:
        terms["surfaces"] = config.surfaces * surface_loss(decoded.view, batch.towards)
    if config.slopes > 0 and decoded.view.surfaces is not None:
        terms["slopes"] = config.slopes * slope_loss(decoded.view, batch.towards)
    if config.camera > 0:
        terms["camera"] = config.camera * camera_loss(decoded.view, batch)
    if implicit is not None:
        terms["implicit"] = implicit
    head = latent_head_of(student)
    if latent > 0 and head is not None and decoded.patterns is not None:
        terms["latent"] = latent * latent_loss(head(decoded.patterns), batch.latents)
    return terms


def explicit_terms(
    placed: Gaussians, batch: StudentBatch, config: StudentLossConfig, perceptual: Callable[[Tensor, Tensor], Tensor] | None
) -> dict[str, Tensor]:
    """L_ES (E11) of Gaussians in the object's frame, and what else is asked of the same renders."""
    render = rasterize(placed, batch.cameras, batch.background)
    truth = composite(batch.target_rgb, batch.target_alpha, batch.background)
    terms = explicit(render, truth, batch.target_alpha, config.explicit, perceptual)
    if config.diversity > 0 or config.statistics > 0:
        # over black, or pairs would differ by their backgrounds
        ours = torch.cat([render.rgb - batch.background[..., None, None] * (1 - render.alpha), render.alpha], 2)
        theirs = premultiplied(torch.cat([batch.target_rgb, batch.target_alpha], 2))
        if config.diversity > 0:
            terms["diversity"] = config.diversity * diversity_loss(ours, theirs, batch.picture)
        if config.statistics > 0:
            terms["statistics"] = config.statistics * statistics_loss(ours, theirs)
    return terms


def balance_scores(
    student: PEPD,
    batch: StudentBatch,
    config: StudentLossConfig,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    verifier: Verifier,
    seed: int,
    tokens: TokensOf | None = None,
) -> dict[str, float]:
    """Both objectives' gradients at the Gaussians of one batch, always the same; see :func:`gradient_norms`."""
    with torch.no_grad():
        _, placed, batch = place_batch(student, batch, partial(decode_batch, tokens=tokens))
    return gradient_norms(
        verifier, placed, batch, lambda gaussians: explicit_terms(gaussians, batch, config, perceptual), config.implicit, seed=seed
    )


def place_batch(student: PEPD, batch: StudentBatch, decode: Decode = decode_batch) -> tuple[Decoded, Gaussians, StudentBatch]:
    """The student's Gaussians for a batch, the same in the object's own place and size, and the batch with that place."""
    decoded = decode(student, batch)
    batch = registered(decoded.gaussians, batch)
    return decoded, decoded.gaussians.transformed(1 / batch.scale, -batch.offset / batch.scale[:, None]), batch


def render_batch(student: PEPD, batch: StudentBatch, decode: Decode = decode_batch) -> tuple[Decoded, Render]:
    """The student's Gaussians for a batch, and what the targets' cameras see of them in the object's own place and size."""
    decoded, placed, batch = place_batch(student, batch, decode)
    return decoded, rasterize(placed, batch.cameras, batch.background)


def depth_loss(decoded: Decoded, towards: Float[Tensor, "b 2 p p"]) -> Float[Tensor, ""]:
    """Mean |distance| between seeds and the surfaces they stand for: the first, the last, or at the rim a layer between them."""
    assert decoded.seeds is not None
    found = F.grid_sample(
        torch.nan_to_num(towards, nan=-1e4), decoded.xy.detach()[:, :, None], mode="nearest", padding_mode="border", align_corners=False
    )
    first, last = found[:, 0, :, 0], found[:, 1, :, 0]
    valid = (first > -10) & (last > -10)
    wanted = first + decoded.seeds.layer * (last - first)
    off = F.smooth_l1_loss(decoded.towards, torch.where(valid, wanted, decoded.towards.detach()), beta=0.02, reduction="none")
    return (off * valid).sum() / valid.sum().clamp_min(1)


def surface_grid(view: View, towards: Float[Tensor, "b 2 p p"]) -> tuple[Float[Tensor, "b 2 g g"], Bool[Tensor, "b 2 g g"]]:
    """The true surfaces on the grid of the dense guess (object units), and where they are known."""
    assert view.surfaces is not None
    grid = view.surfaces.shape[-1]
    line = (torch.arange(grid, device=towards.device) + 0.5) / grid * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = view.box.outside(torch.stack([x, y], -1).reshape(1, -1, 2).expand(towards.shape[0], -1, -1)).unflatten(1, (grid, grid))
    found = F.grid_sample(torch.nan_to_num(towards, nan=-1e4), places, mode="nearest", padding_mode="border", align_corners=False)
    return found, found > -10


def surface_loss(view: View, towards: Float[Tensor, "b 2 p p"]) -> Float[Tensor, ""]:
    """Mean |distance| between the dense guess and the first and last surface of the mesh, object units."""
    found, valid = surface_grid(view, towards)
    assert view.surfaces is not None
    ours = view.surfaces * (view.box.half * HALF_FRAME)[:, None, None, None]
    off = F.smooth_l1_loss(ours, torch.where(valid, found, ours.detach()), beta=0.02, reduction="none")
    return (off * valid).sum() / valid.sum().clamp_min(1)


def slope_loss(view: View, towards: Float[Tensor, "b 2 p p"]) -> Float[Tensor, ""]:
    """Mean |difference| of slopes between neighbours on the grid that lie on one surface, in half sides of the box per cell."""
    found, valid = surface_grid(view, towards)
    assert view.surfaces is not None
    truth = found / (view.box.half * HALF_FRAME)[:, None, None, None]
    total, count = found.new_zeros(()), found.new_zeros(())
    for axis in (-1, -2):
        both = valid.narrow(axis, 1, valid.shape[axis] - 1) & valid.narrow(axis, 0, valid.shape[axis] - 1)
        step, wanted = view.surfaces.diff(dim=axis), truth.diff(dim=axis)
        both &= wanted.abs() < 0.3  # beyond it, two surfaces of which one hides the other
        total = total + ((step - wanted).abs() * both).sum()
        count = count + both.sum()
    return total / count.clamp_min(1)


def camera_loss(view: View, batch: StudentBatch) -> Float[Tensor, ""]:
    """Elevation in tens of degrees and logarithm of distance in thirds, Huber."""
    known = ~batch.elevation_deg.isnan()  # nobody knows a photograph's
    elevation = torch.where(known, batch.elevation_deg, view.predicted.elevation_deg.detach())
    distance = torch.where(known, batch.distance, view.predicted.distance.detach())
    tilt = (view.predicted.elevation_deg - elevation) / 10
    lens = 3 * (view.predicted.distance / distance).log()
    off = F.huber_loss(tilt, torch.zeros_like(tilt), reduction="none") + F.huber_loss(lens, torch.zeros_like(lens), reduction="none")
    return off.sum() / known.sum().clamp_min(1)


def _exporter(model: PEPDConfig, provenance: Mapping[str, Any]) -> Callable[[Path, nn.Module, Mapping[str, Any]], None]:
    def export(path: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
        save_model_file(
            path,
            kind="student",
            config=config_to_json(model),
            about={**provenance, **about},
            tensors=without_latent_head(network.state_dict()),
            dtype=torch.float16,
        )

    return export
