"""A command as the shell sees it, a model small enough for tests, and pictures that need no network to be cut out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.cli.main import main
from dd3g.core.model_file import save_model_file
from dd3g.student import PEPD
from dd3g.student.config import config_to_json
from dd3g.student.presets import tiny


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


Shell = Callable[..., Done]


@pytest.fixture
def dd3g(capsys) -> Shell:
    def run(*arguments: object) -> Done:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as exit_:  # argparse's way
            status = exit_.code if isinstance(exit_.code, int) else 1
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """An untrained student in its file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    save_model_file(path, kind="student", config=config_to_json(tiny()), about={}, tensors=PEPD(tiny()).state_dict(), dtype=torch.float16)
    return path


def disc(path: Path, seed: int = 0) -> Path:
    """An RGBA picture of a patterned disc."""
    y, x = np.mgrid[0:160, 0:200]
    rgb = np.stack([x + 20 * seed, y, 128 + 60 * np.sin(x / (3 + seed))], -1).astype(np.uint8)
    alpha = np.where((x - 100) ** 2 + (y - 80) ** 2 < 60**2, 255, 0).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.dstack([rgb, alpha])).save(path)
    return path


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too; nothing where there is no folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
