"""What every network that learns from views is asked with: where the views are, how long, how many a step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dd3g.core.errors import InputError
from dd3g.core.views_folder import list_object_folders, load_object_views, original_name
from dd3g.recipes.views_archive import archive_credits
from dd3g.recipes.views_pack import ViewsPack, open_pack
from dd3g.training.overrides import override

Config = TypeVar("Config")


@dataclass(frozen=True)
class ViewsRunOptions:
    """What a user asks of `dd3g train`, and of `dd3g teach` for the encoder, the codec and the teacher."""

    views: tuple[str, ...]
    dev: str | None = None
    init: str | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    overrides: tuple[str, ...] = ()


def with_options(config: Config, options: ViewsRunOptions) -> Config:
    """A configuration with a run's options and overrides.

    Raises:
        InputError: An unknown setting.
    """
    assignments = [f"fit.seed={options.seed}"]
    assignments += [f"fit.steps={options.steps}"] if options.steps is not None else []
    assignments += [f"data.batch={options.batch}"] if options.batch is not None else []
    for assignment in (*assignments, *options.overrides):
        config = override(config, assignment)
    return config


def data_of(options: ViewsRunOptions, *, quiet: bool = False) -> tuple[list[ViewsPack], ViewsPack | None, dict[str, Any]]:
    """What is learnt from, what chooses, and the credits that go into the model file.

    Raises:
        ViewsError: No views there.
        InputError: Objects of ``dev`` among those that are learnt from.
    """
    packs = [open_pack(place, quiet=quiet) for place in options.views]
    dev = open_pack(options.dev, quiet=quiet) if options.dev else None
    _refuse_shared_objects(packs, dev)
    return packs, dev, {"data": [credits_of(place) for place in options.views]}


def credits_of(place: str | os.PathLike[str]) -> dict[str, Any]:
    """How many objects a folder of views holds, and the credit lines that their files carry."""
    if Path(place).is_file():
        return archive_credits(place)
    folders = list_object_folders(place)
    lines: dict[str, int] = {}
    for folder in folders:
        credit = str(load_object_views(folder, ()).about.get("credit") or "no credit line in the file")
        lines[credit] = lines.get(credit, 0) + 1
    return {"objects": len(folders), "credits": dict(sorted(lines.items()))}


def _refuse_shared_objects(train: Sequence[ViewsPack], dev: ViewsPack | None) -> None:
    """What chooses must not be learnt from, nor a changed version of it."""
    if dev is None:
        return
    shared = sorted({original_name(name) for pack in train for name in pack.names} & {original_name(name) for name in dev.names})
    if shared:
        raise InputError(f"--dev: {len(shared)} of its objects are also learnt from ({', '.join(shared[:3])}, ...); render the two apart")
