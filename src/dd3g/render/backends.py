"""Which backend renders: the table of all of them, and the choice of one.

To add one: a module with a function ``rasterize`` (:class:`dd3g.render.record.RasterizeBatch`), one row here, and its name in the
list of ``tests/render/test_agreement.py``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import warnings
from dataclasses import dataclass

import torch

from dd3g.core.errors import InputError, MissingExtraError
from dd3g.render.processor import obstacle
from dd3g.render.record import RasterizeBatch

ENVIRONMENT = "DD3G_RENDERER"


@dataclass(frozen=True)
class Backend:
    """One row of the table. The module is imported when the backend is first used."""

    module: str
    device_type: str | None  # the kind of device its tensors must be on; None is any
    dtypes: tuple[torch.dtype, ...]
    culls_bad_values: bool = False  # survives values that the door will refuse, so the door's verdict need not be waited for first


BACKENDS = {
    "cpu": Backend("dd3g.render.cpu", "cpu", (torch.float32,)),
    "gpu": Backend("dd3g.render.gpu", "cuda", (torch.float32,), culls_bad_values=True),
    "gsplat": Backend("dd3g.render.gsplat", "cuda", (torch.float32,)),
    "reference": Backend("dd3g.render.reference", None, (torch.float32, torch.float64)),
}


def choose_backend(name: str | None, device: torch.device, dtype: torch.dtype) -> str:
    """The backend to use: the argument, else the environment's ``DD3G_RENDERER``, else the best one for the device.

    Raises:
        InputError: The name is unknown, or that backend can't take tensors of this device or dtype, or none serves the device.
        MissingExtraError: The tensors are on a GPU and neither of the packages that draw there is installed.
    """
    source = "backend"
    if name is None and os.environ.get(ENVIRONMENT):
        name, source = os.environ[ENVIRONMENT], ENVIRONMENT
    if name is None:
        name = _default_for(device)
    if name not in BACKENDS:
        raise InputError(f"{source}: found '{name}', which is no renderer; known are {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    # Triton's interpreter runs the GPU's kernels on CPU tensors
    interpreted = name == "gpu" and device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"
    if backend.device_type not in (None, device.type) and not interpreted:
        raise InputError(
            f"{source}: '{name}' renders tensors on {backend.device_type}, found them on {device}; move them there or choose another"
        )
    if dtype not in backend.dtypes:
        allowed = " or ".join(str(d).removeprefix("torch.") for d in backend.dtypes)
        raise InputError(
            f"{source}: '{name}' renders {allowed}, found {str(dtype).removeprefix('torch.')}; convert the Gaussians or use 'reference'"
        )
    if name == "cpu" and (reason := obstacle()):
        raise InputError(f"{source}: 'cpu' can't run here, since {reason}; use 'reference' (slow)")
    return name


def load_backend(name: str) -> RasterizeBatch:
    """Imports a backend of the table."""
    return importlib.import_module(BACKENDS[name].module).rasterize


def _default_for(device: torch.device) -> str:
    if device.type == "cpu":
        reason = obstacle()
        if reason is None:
            return "cpu"
        _warn_of_slowness(reason)
        return "reference"
    if device.type == "cuda":
        for name, package in (("gpu", "triton"), ("gsplat", "gsplat")):
            if importlib.util.find_spec(package) is not None:
                return name
        raise MissingExtraError(
            "rendering on a GPU needs the package 'triton', which torch's GPU build brings, or 'gsplat'; neither is installed: install "
            "that build, or pip install 'dd3g[gpu]', or move the Gaussians to the CPU, or set backend='reference' (slow)"
        )
    raise InputError(f"backend: none renders on {device}; move the Gaussians to the CPU, or set backend='reference' (slow)")


@functools.cache
def _warn_of_slowness(reason: str) -> None:
    warnings.warn(
        f"rendering falls back to backend 'reference', which is right but thousands of times slower, since {reason}",
        RuntimeWarning,
        stacklevel=5,
    )
