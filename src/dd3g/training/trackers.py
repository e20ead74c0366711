"""`--tensorboard` and `--wandb`: the journal's events for those who watch many runs elsewhere. The run's own files stay the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dd3g.core.errors import require

Track = Callable[[str, int, Mapping[str, Any]], None]  # kind of event, step, values


def tensorboard(run: Path) -> Track:
    """Writes event files to RUN/tensorboard.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """
    require("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(run / "tensorboard"))

    def track(kind: str, step: int, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{kind}/{name}", value, step)
        writer.flush()

    return track


def wandb(run: Path, config: Mapping[str, Any]) -> Track:
    """Sends events to Weights & Biases, under the folder's name; a resumed run goes on there.

    Raises:
        MissingExtraError: wandb is not installed.
    """
    module: Any = require("wandb", "wandb")
    name = run.resolve().name
    session = module.init(project="dd3g", name=name, id=name, dir=str(run), config=dict(config), resume="allow")

    def track(kind: str, step: int, values: Mapping[str, Any]) -> None:
        session.log({f"{kind}/{name}": value for name, value in values.items()}, step=step)

    return track
