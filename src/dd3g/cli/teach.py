"""Train the networks round the student. Safe to kill; the same command goes on.

dd3g teach encoder views --dev views-dev --out run-encoder      then: dd3g train views --init run-encoder/model.safetensors ...
dd3g teach codec views --dev views-dev --out run-codec
dd3g teach unet views --codec run-codec/model.safetensors --dev views-dev --out run-teacher
dd3g teach background --views views --photographs DIR --out run-background
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    networks = parser.add_subparsers(dest="network", required=True, metavar="NETWORK")
    encoder = networks.add_parser("encoder", help="the student's eyes: surfaces, input camera, semantics")
    encoder.add_argument("views", nargs="+", metavar="VIEWS", help="folders of views to learn from")
    encoder.add_argument("--dev", metavar="VIEWS", help="views to choose the best checkpoint by (never learnt from)")
    encoder.add_argument("--preset", default="small", help="preset of the student (default: small)")
    encoder.add_argument("--init", metavar="CKPT", help="start from this student's weights; 'bundled' for the package's own")

    codec = networks.add_parser("codec", help="pictures with alpha <-> latents, in which the teacher works")
    codec.add_argument("views", nargs="+", metavar="VIEWS", help="folders of views to learn from")
    codec.add_argument("--dev", metavar="VIEWS", help="views to choose the best checkpoint by (never learnt from)")
    codec.add_argument("--init", metavar="CKPT", help="start from this codec's weights")

    unet = networks.add_parser("unet", help="the teacher: a diffusion model of four views given one picture")
    unet.add_argument("views", nargs="+", metavar="VIEWS", help="folders of views to learn from")
    unet.add_argument("--codec", metavar="CKPT", help="the codec in whose latents a new teacher works")
    unet.add_argument("--init", metavar="CKPT", help="go on from this teacher instead")
    unet.add_argument("--dev", metavar="VIEWS", help="views to choose the best checkpoint by (never learnt from)")

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
        command.add_argument("--out", required=True, metavar="RUN", help="folder of the run; resumed if it exists")
        command.add_argument("--steps", type=int, help="optimiser steps of the whole run")
        command.add_argument("--batch", type=int, help="pictures a step")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--max-minutes", type=float, help="stop after this long, with everything saved")
        command.add_argument("--threads", type=int, help="CPU threads (default: all cores of the process)")
        command.add_argument("--device", default="cpu", help="cpu or cuda")
        command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting, for example fit.lr=3e-4")


def run(options: argparse.Namespace) -> int:
    """Teaches one network, and returns the exit status."""
    from dd3g.training import SessionConfig

    session = SessionConfig(max_minutes=options.max_minutes, threads=options.threads, device=options.device)
    {"encoder": _encoder, "codec": _codec, "unet": _unet, "background": _background}[options.network](options, session)
    return 0


def _encoder(options: argparse.Namespace, session) -> None:
    from dd3g.recipes.student_run import StudentRunOptions, run_encoder

    wanted = StudentRunOptions(
        views=tuple(options.views),
        dev=options.dev,
        preset=options.preset,
        init=options.init,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        overrides=tuple(options.set),
    )
    run_encoder(wanted, options.out, session)


def _codec(options: argparse.Namespace, session) -> None:
    from dd3g.recipes.codec_run import CodecRunOptions, run_codec

    wanted = CodecRunOptions(
        views=tuple(options.views),
        dev=options.dev,
        init=options.init,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        overrides=tuple(options.set),
    )
    run_codec(wanted, options.out, session)


def _unet(options: argparse.Namespace, session) -> None:
    from dd3g.recipes.teacher_run import TeacherRunOptions, run_teacher

    wanted = TeacherRunOptions(
        views=tuple(options.views),
        codec=options.codec,
        dev=options.dev,
        init=options.init,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        overrides=tuple(options.set),
    )
    run_teacher(wanted, options.out, session)


def _background(options: argparse.Namespace, session) -> None:
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
