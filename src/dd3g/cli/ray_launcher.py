"""`dd3g train --launcher ray --ranks N`: Ray Train places N processes, on one machine or on a cluster, and each runs the same command.

The folder of the run, and what is learnt from, must be seen by all machines under the same names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dd3g.core.errors import InputError, TrainingError, require


def launch(arguments: Sequence[str], ranks: int, device: str) -> int:
    """Runs a command on ``ranks`` processes that Ray has joined in one group; returns the exit status of all.

    Args:
        arguments: The command line that asked for Ray.
        ranks: How many.
        device: cuda gives each a GPU of its own.

    Raises:
        InputError: No rank is asked for.
        MissingExtraError: Ray is not installed.
        TrainingError: A process failed; its own message stands above.
    """
    if ranks < 1:
        raise InputError(f"--ranks {ranks}: expected 1 or more")
    require("ray.train.torch", "ray")
    from ray.train import ScalingConfig  # pyright: ignore[reportMissingImports] - an extra
    from ray.train.torch import TorchTrainer  # pyright: ignore[reportMissingImports] - an extra

    gpu = device.startswith("cuda")
    trainer = TorchTrainer(
        _work,
        train_loop_config={"arguments": without_launcher(arguments), "folder": str(Path.cwd())},
        scaling_config=ScalingConfig(num_workers=ranks, use_gpu=gpu),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray has a dozen kinds, and tells the process's own above
        raise TrainingError(f"--launcher ray: a process failed ({str(error).splitlines()[0]}); the same command goes on") from error
    return 0


def without_launcher(arguments: Sequence[str]) -> list[str]:
    """The command line as each process runs it."""
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in ("--launcher", "--ranks"):
            skip = True
        elif not argument.startswith(("--launcher=", "--ranks=")):
            kept.append(argument)
    return kept


def _work(told: dict) -> None:
    from dd3g.cli.main import main

    os.chdir(told["folder"])  # Ray's own working folder is not where relative names lead
    status = main(told["arguments"])
    if status:
        raise RuntimeError(f"exit status {status}")
