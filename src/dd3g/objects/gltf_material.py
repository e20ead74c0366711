"""Materials of glTF files: base colour factor, texture with its sampler, alpha mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from dd3g.core.errors import MeshError
from dd3g.objects.gltf_document import Document, item
from dd3g.objects.mesh import AlphaMode, Material, Texture, Wrap
from dd3g.objects.resources import decode_texture

_WRAPS: dict[int, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
_ALPHA_MODES: dict[str, AlphaMode] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}


@dataclass(frozen=True)
class Look:
    """A material, the number of its texture coordinates, and what turns them (u, v, 1) into the texture's."""

    material: Material
    uv_set: int = 0
    uv_transform: Float64[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))


class Looks:
    """The materials of a file, each texture decoded once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._texels: dict[int, np.ndarray] = {}  # by image

    def of(self, index: int | None) -> Look:
        """A material by index; white where there is none."""
        if index is None:
            return Look(Material())
        material = item(self._document.tree["materials"], index)
        legacy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if legacy is not None:
            factor, reference = legacy.get("diffuseFactor"), legacy.get("diffuseTexture")
        else:
            surface = material.get("pbrMetallicRoughness", {})
            factor, reference = surface.get("baseColorFactor"), surface.get("baseColorTexture")
        red, green, blue, alpha = (float(x) for x in factor) if factor is not None else (1.0, 1.0, 1.0, 1.0)
        if not all(map(math.isfinite, (red, green, blue, alpha))):
            raise ValueError(f"material {index} has the colour {factor}")
        mode = _ALPHA_MODES[material.get("alphaMode", "OPAQUE")]
        cutoff = float(material.get("alphaCutoff", 0.5))
        if reference is None:
            return Look(Material((red, green, blue, alpha), None, mode, cutoff))
        extension = reference.get("extensions", {}).get("KHR_texture_transform", {})
        texture = self._texture(reference["index"])
        uv_set = extension.get("texCoord", reference.get("texCoord", 0))
        return Look(Material((red, green, blue, alpha), texture, mode, cutoff), uv_set, _uv_transform(extension))

    def _texture(self, index: int) -> Texture:
        document = self._document
        texture = item(document.tree["textures"], index)
        source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
        if source is None:
            raise MeshError(f"{document.path}: texture {index} has no picture in a known format; save its textures as PNG or JPEG")
        if source not in self._texels:
            image = item(document.tree["images"], source)
            data = document.resource(image["uri"], f"image {source}") if "uri" in image else document.view(image["bufferView"])
            self._texels[source] = decode_texture(data, f"{document.path}, image {source}")
        sampler = item(document.tree["samplers"], texture["sampler"]) if "sampler" in texture else {}
        return Texture(self._texels[source], _WRAPS[sampler.get("wrapS", 10497)], _WRAPS[sampler.get("wrapT", 10497)])


def _uv_transform(extension: Mapping[str, Any]) -> np.ndarray:
    """KHR_texture_transform: translation @ rotation @ scale, on (u, v, 1)."""
    angle = float(extension.get("rotation", 0.0))
    sin, cos = math.sin(angle), math.cos(angle)
    scale_u, scale_v = extension.get("scale", (1.0, 1.0))
    shift_u, shift_v = extension.get("offset", (0.0, 0.0))
    return np.array([[cos * scale_u, sin * scale_v, shift_u], [-sin * scale_u, cos * scale_v, shift_v], [0.0, 0.0, 1.0]])
