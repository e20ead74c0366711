"""A student from its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import load_model_file, load_strictly
from dd3g.core.noise import digest
from dd3g.core.weights import BUNDLED, bundled
from dd3g.student.config import config_from_json
from dd3g.student.pepd import PEPD


@dataclass(frozen=True)
class LoadedStudent:
    """A student ready for use, and what its file says of it."""

    network: PEPD  # in evaluation mode, without gradients
    about: Mapping[str, Any]  # steps, scores, data
    name: str  # file name without its suffix, "bundled" for the package's own
    digest: str  # of the file's bytes


def load_student(model: str | os.PathLike[str] = BUNDLED) -> LoadedStudent:
    """Loads a student: the package's own, or a ``.safetensors`` file that training wrote.

    Raises:
        CheckpointError: No such file, damaged, or of another architecture.
    """
    path = bundled("student") if model == BUNDLED else model
    file = load_model_file(path, "student")
    try:
        network = PEPD(config_from_json(file.config))
    except CheckpointError as error:
        raise CheckpointError(f"{file.path}: {error}") from None
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:  # fields of other types, or sizes that don't fit together
        raise CheckpointError(f"{file.path}: no student has its configuration ({error}); use the dd3g version that wrote it") from None
    load_strictly(network, file)
    name = BUNDLED if model == BUNDLED else file.path.stem
    return LoadedStudent(network.eval().requires_grad_(False), file.about, name, digest(file.path.read_bytes()))
