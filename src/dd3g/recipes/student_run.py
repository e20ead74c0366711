"""From the options of `dd3g train` to a run: presets, overrides, data, the start of the weights."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from dd3g.core.errors import CheckpointError, InputError
from dd3g.core.weights import THIRD_PARTY
from dd3g.distill.codec_perceptual import CodecPerceptual, load_codec_perceptual
from dd3g.encoders import GivenTokensConfig
from dd3g.quadruples import is_collection
from dd3g.recipes.encoder import EncoderLossConfig, EncoderTask, encoder_recipe
from dd3g.recipes.image_tokens import TokensOf, teacher_tokens, zero_tokens
from dd3g.recipes.init_extraction import extracting_as, start_extraction
from dd3g.recipes.quadruple_batches import DecodedCollection, open_decoded
from dd3g.recipes.student import NO_CODEC, NO_VERIFIER, PerceptualName, StudentLossConfig, student_recipe
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.recipes.verification import verifier_of
from dd3g.recipes.views_run import ViewsRunOptions, data_of, with_options
from dd3g.student import PEPD
from dd3g.student.config import PEPDConfig
from dd3g.student.load import load_student
from dd3g.student.presets import PRESETS
from dd3g.teacher.teacher import Teacher, load_teacher
from dd3g.training import FitConfig, SessionConfig, check_device, fit
from dd3g.training.tuning import tuned

_ADAPTED = ("extraction", "decoder")  # what --lora updates


@dataclass(frozen=True)
class StudentRunOptions:
    """What a user asks of `dd3g train` or `dd3g teach encoder`."""

    run: ViewsRunOptions
    preset: str = "small"
    perceptual: PerceptualName = "lpips-squeeze"
    teacher: str | None = None  # whose codec decodes drawn quadruples, and who verifies
    graphs: bool = False
    freeze: tuple[str, ...] = ()  # parts of the network that stay, by the beginning of their names
    lora: int | None = None  # rank of updates of extraction and decoder, all else staying; None trains the weights
    codec: str | None = None  # whose features the perceptual distance compares; the teacher's where it is None
    init_extraction: str | None = None  # a teacher, with whose way down extraction begins


@dataclass(frozen=True)
class StudentRunConfig:
    """Every setting of a run; ``--set`` reaches them all by these names."""

    model: PEPDConfig
    data: StudentDataConfig = field(default_factory=StudentDataConfig)
    loss: StudentLossConfig = field(default_factory=StudentLossConfig)
    fit: FitConfig = field(default_factory=FitConfig)


@dataclass(frozen=True)
class EncoderRunConfig:
    """Every setting of a run that teaches the encoder alone."""

    model: PEPDConfig
    data: StudentDataConfig = field(default_factory=lambda: StudentDataConfig(batch=16, target_views=0))
    loss: EncoderLossConfig = field(default_factory=EncoderLossConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(lr=1e-3))


def resolve(options: StudentRunOptions) -> StudentRunConfig:
    """Preset, then options, then overrides.

    Raises:
        InputError: An unknown preset or setting.
    """
    config = StudentRunConfig(_model_of(options))
    config = replace(config, loss=replace(config.loss, perceptual=options.perceptual))
    return with_options(config, options.run)


def resolve_encoder(options: StudentRunOptions) -> EncoderRunConfig:
    """As :func:`resolve`, for the encoder.

    Raises:
        InputError: As :func:`resolve`, or sizes whose pictures come as tokens.
    """
    config = with_options(EncoderRunConfig(_model_of(options)), options.run)
    if isinstance(config.model.encoder, GivenTokensConfig):
        raise InputError(f"--preset {options.preset}: reads the tokens of a frozen network, and has no encoder to teach; take another")
    return config


def run_student(options: StudentRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Trains a student as asked, or goes on with it; see :func:`dd3g.training.fit`."""
    check_device(session.device)
    if options.graphs and not session.device.startswith("cuda"):
        raise InputError(f"--graphs: records CUDA graphs, found --device {session.device}; leave it out, or train on a GPU")
    if options.graphs and (options.freeze or options.lora or session.recompute or session.compile or session.parallel == "fsdp"):
        raise InputError("--graphs: not together with --freeze, --lora, --recompute, --compile or --parallel fsdp; leave one out")
    if options.lora and not options.run.init:
        raise InputError("--lora: needs weights to update; give them with --init, for example --init bundled")
    if options.init_extraction and options.run.init:
        raise InputError("--init-extraction: not together with --init, whose weights hold an extraction already; leave one out")
    config = resolve(options)
    if options.lora and config.loss.latent.wanted:
        raise InputError("--lora: not together with loss.latent, whose head would stay as it began; leave one out")
    codec = _codec_perceptual(config.loss.perceptual, options)
    folders, views = [list(g) for g in partition(options.run.views)]
    load = functools.cache(load_teacher)  # one in memory, whatever it is asked for
    collections, teacher = _collections(folders, options, session, load)
    if collections and config.model.extraction.guidance is None:
        # what generation asks for is among what is learnt: 1, the ODE that inverted, true views hang on, or the least that was drawn with
        asked = min(decoded.collection.plan.guidance for decoded in collections)
        extraction = replace(config.model.extraction, guidance=asked)
        config = replace(config, model=replace(config.model, extraction=extraction))
    if teacher is not None and any(decoded.collection.plan.kind == "draw" for decoded in collections):
        config = replace(config, model=replace(config.model, rig_elevation_deg=teacher.elevation_deg))
    source = None if options.init_extraction is None else load(options.init_extraction)
    if source is not None:
        config = replace(config, model=extracting_as(config.model, source.network.config.unet))
    reads_tokens = isinstance(config.model.encoder, GivenTokensConfig)
    if reads_tokens and teacher is None and options.teacher is not None:
        teacher = load(options.teacher)
    tokens = _tokens(config.model, teacher, session)
    if config.loss.implicit.wanted and teacher is None:
        if options.teacher is None:
            raise InputError(NO_VERIFIER)
        teacher = load(options.teacher)
    _check_siblings(config, bool(collections))
    train, dev, provenance = data_of(replace(options.run, views=tuple(views)), quiet=session.quiet)
    if teacher is not None:
        provenance = {**provenance, "teacher": {"digest": teacher.digest, **teacher.about}}
    recipe = student_recipe(
        config.model,
        config.data,
        config.loss,
        train,
        dev,
        seed=options.run.seed,
        provenance=provenance,
        device=session.device,
        graphs=options.graphs,
        collections=collections,
        codec=codec,
        verifier=verifier_of(teacher, config.loss.implicit, session.device) if teacher and config.loss.implicit.wanted else None,
        steps=config.fit.steps,
        tokens=tokens,
    )
    if reads_tokens and teacher is not None:
        recipe = replace(recipe, identity={**recipe.identity, "tokens": teacher.digest})
    if source is not None:
        start_extraction(cast(PEPD, recipe.network), source)
        recipe = replace(recipe, identity={**recipe.identity, "init_extraction": source.digest})
    if options.run.init:
        start = load_student(options.run.init)
        _start_from(cast(PEPD, recipe.network), start.network)
        recipe = replace(recipe, identity={**recipe.identity, "init": start.digest})
    return fit(tuned(recipe, frozen=options.freeze, lora=options.lora, adapted=_ADAPTED), config.fit, out, session)


def run_encoder(options: StudentRunOptions, out: str | os.PathLike[str], session: SessionConfig) -> Mapping[str, Any]:
    """Teaches the encoder as asked, or goes on with it."""
    check_device(session.device)
    config = resolve_encoder(options)
    train, dev, provenance = data_of(options.run, quiet=session.quiet)
    if config.loss.semantics > 0:
        provenance = {**provenance, "distilled_from": THIRD_PARTY["mobilenet-v2"].what}
    recipe = encoder_recipe(
        config.model, config.data, config.loss, train, dev, seed=options.run.seed, provenance=provenance, device=session.device
    )
    if options.run.init:
        start = load_student(options.run.init)
        cast(EncoderTask, recipe.network).student.load_state_dict(start.network.state_dict())
        recipe = replace(recipe, identity={**recipe.identity, "init": start.digest})
    return fit(recipe, config.fit, out, session)


def partition(sources: Sequence[str]) -> tuple[list[str], list[str]]:
    """(collections of quadruples, folders and archives of views) among what a run is given."""
    return [s for s in sources if is_collection(s)], [s for s in sources if not is_collection(s)]


def _collections(
    folders: Sequence[str], options: StudentRunOptions, session: SessionConfig, load: Callable[[str], Teacher]
) -> tuple[list[DecodedCollection], Teacher | None]:
    if not folders:
        return [], None
    if options.teacher is None:
        raise InputError(f"{folders[0]}: holds quadruples; give --teacher, that of `dd3g collect` ('bundled' where none was given)")
    teacher = load(options.teacher)
    return [open_decoded(folder, teacher, device=session.device, quiet=session.quiet) for folder in folders], teacher


def _tokens(model: PEPDConfig, teacher: Teacher | None, session: SessionConfig) -> TokensOf | None:
    """Who makes the pictures' tokens, for students that read those."""
    if not isinstance(model.encoder, GivenTokensConfig):
        return None
    if teacher is None and session.dry_run:
        print("image tokens: zeros stand in; the time and memory of CLIP's tower are not in what follows", file=sys.stderr)
        return zero_tokens(model.encoder)
    return teacher_tokens(teacher, model.encoder, session.device)


def _check_siblings(config: StudentRunConfig, quadruples: bool) -> None:
    """Two draws of a picture are what diversity is measured on."""
    if config.loss.diversity > 0 and (config.data.siblings < 2 or not quadruples):
        raise InputError("loss.diversity: compares draws of one picture; give a collection with two or more, and data.siblings=2")


def _codec_perceptual(name: PerceptualName, options: StudentRunOptions) -> CodecPerceptual | None:
    if name != "codec":
        if options.codec is not None:
            raise InputError(f"--codec: says nothing beside --perceptual {name}; leave it out, or ask for --perceptual codec")
        return None
    if options.codec is None and options.teacher is None:
        raise InputError(NO_CODEC)
    return load_codec_perceptual(codec=options.codec, teacher=options.teacher)


def _start_from(network: PEPD, start: PEPD) -> None:
    """Weights of a student; one that was never told w has none for it, and what is new says nothing yet."""
    missing, unexpected = network.load_state_dict(start.state_dict(), strict=False)
    wrong = [name for name in missing if not name.startswith(("extraction.guidance.", "latent_head."))] + list(unexpected)
    if wrong:
        raise CheckpointError(f"--init: its weights do not fit this student ({', '.join(wrong[:3])})")


def _model_of(options: StudentRunOptions) -> PEPDConfig:
    if options.run.init:
        return load_student(options.run.init).network.config
    if options.preset not in PRESETS:
        raise InputError(f"--preset {options.preset}: unknown; known are {', '.join(PRESETS)}")
    return PRESETS[options.preset]()
