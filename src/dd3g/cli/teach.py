"""Train the networks round the student. Safe to kill; the same command goes on.

dd3g teach encoder views --dev views-dev --out run-encoder      then: dd3g train views --init run-encoder/model.safetensors ...
dd3g teach codec views --dev views-dev --out run-codec
dd3g teach unet views --codec bundled --dev views-dev --out run-teacher
dd3g teach background --views views --photographs DIR --out run-background
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dd3g.cli.training_options import add_run, add_views, session_of, views_run_of

if TYPE_CHECKING:
    from dd3g.training import SessionConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    networks = parser.add_subparsers(dest="network", required=True, metavar="NETWORK")
    encoder = networks.add_parser("encoder", help="the student's eyes: surfaces, input camera, semantics")
    add_views(encoder)
    encoder.add_argument("--preset", default="small", help="preset of the student (default: small)")
    encoder.add_argument("--init", metavar="CKPT", help="start from this student's weights; 'bundled' for the package's own")

    codec = networks.add_parser("codec", help="pictures with alpha <-> latents, in which the teacher works")
    add_views(codec)
    codec.add_argument("--preset", default="small", help="tiny or small (default: small)")
    codec.add_argument("--init", metavar="CKPT", help="start from this codec's weights; 'bundled' for the package's own")

    unet = networks.add_parser("unet", help="the teacher: a diffusion model of four views given one picture")
    add_views(unet)
    unet.add_argument("--codec", metavar="CKPT", help="the codec in whose latents a new teacher works; 'bundled' for the package's own")
    unet.add_argument("--preset", default="small", help="tiny, for views of 64 px, or small, for 128 (default: small)")
    unet.add_argument("--init", metavar="CKPT", help="go on from this teacher instead; 'bundled' for the package's own")
    unet.add_argument("--graphs", action="store_true", help="with --device cuda: record the network as CUDA graphs, which is faster")

    background = networks.add_parser("background", help="the network that cuts objects out of photographs")
    background.add_argument("--views", nargs="*", default=[], metavar="VIEWS", help="folders of `dd3g objects`, whose inputs are objects")
    background.add_argument("--cutouts", nargs="*", default=[], metavar="DIR", help="folders of RGBA pictures of objects")
    background.add_argument("--photographs", nargs="*", default=[], metavar="DIR", help="folders of photographs to stand as backgrounds")
    background.add_argument(
        "--labelled", nargs="*", default=[], metavar="DIR", help="folders of photographs whose alpha is another network's mask"
    )
    background.add_argument("--dev-views", nargs="*", default=[], metavar="VIEWS", help="the same, to choose the best checkpoint by")
    background.add_argument("--dev-cutouts", nargs="*", default=[], metavar="DIR")
    background.add_argument("--dev-photographs", nargs="*", default=[], metavar="DIR")
    background.add_argument("--dev-labelled", nargs="*", default=[], metavar="DIR")
    background.add_argument("--init", metavar="RUN", help="folder of an earlier run to start from")
    background.add_argument("--size", type=int, metavar="PX", help="side of the pictures that are learnt from")
    for command in (encoder, codec, unet, background):
        add_run(command)


def run(options: argparse.Namespace) -> int:
    """Teaches one network, and returns the exit status."""
    session = session_of(options)
    {"encoder": _encoder, "codec": _codec, "unet": _unet, "background": _background}[options.network](options, session)
    return 0


def _encoder(options: argparse.Namespace, session: SessionConfig) -> None:
    from dd3g.recipes.student_run import StudentRunOptions, run_encoder

    run_encoder(StudentRunOptions(views_run_of(options), preset=options.preset), options.out, session)


def _codec(options: argparse.Namespace, session: SessionConfig) -> None:
    from dd3g.recipes.codec_run import run_codec

    run_codec(views_run_of(options), options.out, session, preset=options.preset)


def _unet(options: argparse.Namespace, session: SessionConfig) -> None:
    from dd3g.recipes.teacher_run import run_teacher

    run_teacher(views_run_of(options), options.codec, options.out, session, preset=options.preset, graphs=options.graphs)


def _background(options: argparse.Namespace, session: SessionConfig) -> None:
    from dd3g.recipes.background_material import MaterialFolders
    from dd3g.recipes.background_run import BackgroundRunOptions, run_background

    def folders(views: list[str], cutouts: list[str], photographs: list[str], labelled: list[str]) -> MaterialFolders:
        return MaterialFolders(tuple(views), tuple(cutouts), tuple(photographs), tuple(labelled))

    dev = (options.dev_views, options.dev_cutouts, options.dev_photographs, options.dev_labelled)
    wanted = BackgroundRunOptions(
        train=folders(options.views, options.cutouts, options.photographs, options.labelled),
        dev=folders(*dev) if any(dev) else None,
        init=options.init,
        steps=options.steps,
        batch=options.batch,
        size=options.size,
        seed=options.seed,
        overrides=tuple(options.set),
    )
    run_background(wanted, options.out, session)
