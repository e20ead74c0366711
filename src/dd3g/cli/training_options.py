"""Options that `dd3g train` and every network of `dd3g teach` have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dd3g.recipes.views_run import ViewsRunOptions
    from dd3g.training import SessionConfig


def add_views(parser: argparse.ArgumentParser) -> None:
    """What is learnt from, and what chooses."""
    parser.add_argument("views", nargs="+", metavar="VIEWS", help="folders or archives of views to learn from")
    parser.add_argument("--dev", metavar="VIEWS", help="views to choose the best checkpoint by (never learnt from)")


def add_run(parser: argparse.ArgumentParser, *, steps: str = "", batch: str = "pictures a step") -> None:
    """Where, how long, how many a step; ``steps`` and ``batch`` say what is particular to the network."""
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run; resumed if it exists")
    parser.add_argument("--steps", type=int, help=f"optimiser steps of the whole run{steps}")
    parser.add_argument("--batch", type=int, help=batch)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-minutes", type=float, help="stop after this long, with everything saved")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores of the process)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dry-run", action="store_true", help="print parameters, memory and time from three steps; write nothing")
    parser.add_argument("--tensorboard", action="store_true", help="curves also to RUN/tensorboard (extra tensorboard)")
    parser.add_argument("--wandb", action="store_true", help="curves also to Weights & Biases (extra wandb)")
    several = parser.add_argument_group("several processes", "torchrun --nproc-per-node 8 -m dd3g ... starts one on each GPU")
    several.add_argument(
        "--parallel", choices=("ddp", "fsdp"), default="ddp", help="each has the whole network (ddp, default), or a shard of it (fsdp)"
    )
    several.add_argument(
        "--sharded-state",
        action="store_true",
        help="each process writes its part of the state, in place of one file (with fsdp, from 8 GB on, without being asked)",
    )
    several.add_argument("--launcher", choices=("none", "ray"), default="none", help="ray: start them by Ray Train (extra ray)")
    several.add_argument("--ranks", type=int, default=1, help="with --launcher ray: how many")
    parser.add_argument("--recompute", action="store_true", help="recompute activations of blocks in the backward pass: less memory")
    parser.add_argument("--compile", action="store_true", help="compile blocks with torch.compile")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting, for example fit.lr=3e-4 or data.batch=16"
    )


def session_of(options: argparse.Namespace) -> SessionConfig:
    """This sitting of this process; all but the first of several are quiet."""
    from dd3g.training import SessionConfig
    from dd3g.training.ranks import device_here, is_first_process

    return SessionConfig(
        max_minutes=options.max_minutes,
        threads=options.threads,
        device=device_here(options.device),
        quiet=not is_first_process(),
        parallel=options.parallel,
        sharded_state=options.sharded_state,
        recompute=options.recompute,
        dry_run=options.dry_run,
        tensorboard=options.tensorboard,
        wandb=options.wandb,
        compile=options.compile,
    )


def views_run_of(options: argparse.Namespace) -> ViewsRunOptions:
    """The run, for networks that learn from views."""
    from dd3g.recipes.views_run import ViewsRunOptions

    return ViewsRunOptions(
        views=tuple(options.views),
        dev=options.dev,
        init=options.init,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        overrides=tuple(options.set),
    )
