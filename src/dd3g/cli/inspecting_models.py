"""Whether a model file of ours has the tensors that its configuration asks for: the network is built without memory for its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from dd3g.core.errors import CheckpointError, MissingExtraError
from dd3g.evaluate.mean_object import KIND as MEAN_OBJECT
from dd3g.teacher.imagedream.layouts import faults

if TYPE_CHECKING:
    from torch import nn


def fits(kind: str, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[str], str | None]:
    """What is missing, unexpected or misshapen, and why the file can't be used where that is another reason.

    Args:
        kind: Of the file.
        config: As its header has it.
        shapes: Of its tensors.
    """
    if kind == MEAN_OBJECT:
        return ([] if set(shapes) == {"rgb"} else ["missing rgb"]), None
    if kind not in _NETWORKS:
        return [], f"holds a '{kind}' network, which this dd3g doesn't know; use the version that wrote it"
    try:
        with torch.device("meta"):
            network = _NETWORKS[kind](config)
    except MissingExtraError as error:
        return [], f"can't be compared: {error}"
    except (CheckpointError, TypeError, ValueError, RuntimeError, KeyError, IndexError, ZeroDivisionError) as error:
        return [], f"no {kind} has its configuration ({str(error).splitlines()[0]}); use the dd3g version that wrote it"
    return faults({name: tuple(t.shape) for name, t in network.state_dict().items()}, shapes), None


def _student(config: Mapping[str, Any]) -> nn.Module:
    from dd3g.student import PEPD
    from dd3g.student.config import config_from_json

    return PEPD(config_from_json(dict(config)))


def _codec(config: Mapping[str, Any]) -> nn.Module:
    from dd3g.encoders.codec import Codec, CodecConfig

    return Codec(CodecConfig(**_tuples(config)))


def _background(config: Mapping[str, Any]) -> nn.Module:
    from dd3g.photos.mask_network import MaskNetwork, MaskNetworkConfig

    return MaskNetwork(MaskNetworkConfig(**_tuples(config)), normed=False)


def _teacher(config: Mapping[str, Any]) -> nn.Module:
    from dd3g.encoders import ImageEncoderConfig
    from dd3g.encoders.codec import CodecConfig
    from dd3g.teacher.network import TeacherConfig
    from dd3g.teacher.teacher import TeacherNetworks

    sizes = _tuples(config["network"])
    encoder = ImageEncoderConfig(**_tuples(sizes.pop("encoder")))
    return TeacherNetworks(TeacherConfig(**sizes, encoder=encoder), CodecConfig(**_tuples(config["codec"])))


_NETWORKS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "student": _student,  # `dd3g teach encoder` writes a student too
    "teacher": _teacher,
    "codec": _codec,
    "background": _background,
}


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
