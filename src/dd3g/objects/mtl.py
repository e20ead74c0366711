"""MTL: the materials of OBJ files. Base colour (Kd, map_Kd) and opacity (d, Tr, map_d); the rest is gloss.

Kd is taken as sRGB, as the viewers of that format show it. Where a material has a texture, its
Kd is not used: exporters leave any grey there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dd3g.core.errors import MeshError
from dd3g.objects.mesh import Material, Texture, Wrap
from dd3g.objects.resources import beside, decode_texture, read_beside
from dd3g.objects.surface import linear_from_srgb

_WORDS_AFTER = {"-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-mm": 2, "-texres": 1, "-bm": 1, "-imfchan": 1, "-type": 1, "-boost": 1}
_NUMBERS_AFTER = {"-o": 0.0, "-s": 1.0, "-t": 0.0}  # one to three numbers; what they are when not given


@dataclass(frozen=True)
class Look:
    """A material, and what its texture coordinates are multiplied with and moved by."""

    material: Material
    uv_scale: tuple[float, float] = (1.0, 1.0)
    uv_shift: tuple[float, float] = (0.0, 0.0)


def lines_of(path: Path, mesh: Path) -> Iterator[list[str]]:
    """Words of every line of an OBJ or MTL file; comments left out, lines that end in a backslash joined."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MeshError(f"{mesh}: {path.name} can't be read ({error.strerror}); put the file at {path}") from None
    if b"\0" in data:
        raise ValueError(f"{path.name} holds zero bytes, so it is no text")
    text = data.decode("utf-8", errors="replace").replace("\\\r\n", " ").replace("\\\n", " ")
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words:
            yield words


def read_library(path: Path, mesh: Path) -> dict[str, Look]:
    """The materials of an MTL file by name, textures decoded.

    Args:
        path: The MTL file.
        mesh: The OBJ file that names it.

    Raises:
        MeshError: The file or a texture is missing or damaged.
        ValueError: A line that can't be understood.
    """
    looks: dict[str, Look] = {}
    name = None
    for word, *words in lines_of(path, mesh):
        if word == "newmtl":
            name = " ".join(words)
            looks[name] = Look(Material())
        elif name is not None and words:
            looks[name] = _with_line(looks[name], word, words, path, f"{mesh}, material {name!r}")
    return looks


def files_of_library(path: Path, mesh: Path) -> list[Path]:
    """The MTL file and the textures that it names."""
    return [path, *(beside(path, _map_line(words).file) for word, *words in lines_of(path, mesh) if word in ("map_Kd", "map_d"))]


def _with_line(look: Look, word: str, words: list[str], library: Path, where: str) -> Look:
    """A look with one more line of its file."""
    material = look.material
    red, green, blue, alpha = material.factor_rgba
    if word == "Kd" and material.texture is None:
        if len(words) != 3:
            raise ValueError(f"Kd {' '.join(words)} in {library.name}, expected three numbers")
        red, green, blue = linear_from_srgb(np.array([float(x) for x in words])).tolist()
        return replace(look, material=replace(material, factor_rgba=(red, green, blue, alpha)))
    if word in ("d", "Tr"):
        alpha = float(words[-1]) if word == "d" else 1 - float(words[-1])
        return replace(
            look, material=replace(material, factor_rgba=(red, green, blue, alpha), alpha_mode="blend" if alpha < 1 else "opaque")
        )
    if word == "map_Kd":
        line = _map_line(words)
        texels = decode_texture(read_beside(library, line.file, f"the texture of {where}"), f"{where}, {line.file}")
        texture = Texture(texels, line.wrap, line.wrap)
        return Look(replace(material, factor_rgba=(1.0, 1.0, 1.0, alpha), texture=texture), line.uv_scale, line.uv_shift)
    if word == "map_d" and material.texture is not None:
        return replace(look, material=_masked(material, material.texture, _map_line(words).file, library, where))
    return look


def _masked(material: Material, texture: Texture, file: str, library: Path, where: str) -> Material:
    """A material whose texture is cut out by a picture: by its alpha where it has one, else by its red."""
    mask = decode_texture(read_beside(library, file, f"the mask of {where}"), f"{where}, {file}")
    if mask.shape != texture.texels.shape:
        raise MeshError(f"{where}: the mask {file} and the texture differ in size; make them equal, or convert to GLB")
    alpha = mask[..., 3] if (mask[..., 3] < 255).any() else mask[..., 0]
    texels = np.concatenate([texture.texels[..., :3], alpha[..., None]], -1)
    return replace(material, texture=replace(texture, texels=texels), alpha_mode="mask")


@dataclass(frozen=True)
class _MapLine:
    """What a ``map_`` line says."""

    file: str
    wrap: Wrap
    uv_scale: tuple[float, float]
    uv_shift: tuple[float, float]


def _map_line(words: list[str]) -> _MapLine:
    wrap: Wrap = "repeat"
    pairs = {option: (default, default) for option, default in _NUMBERS_AFTER.items()}
    rest = list(words)
    while rest and rest[0] in (*_WORDS_AFTER, *_NUMBERS_AFTER):
        option = rest.pop(0)
        if option in _WORDS_AFTER:
            values, rest = rest[: _WORDS_AFTER[option]], rest[_WORDS_AFTER[option] :]
            wrap = "clamp" if option == "-clamp" and values == ["on"] else wrap
            continue
        numbers: list[float] = []
        while rest and len(numbers) < 3 and _is_number(rest[0]):
            numbers.append(float(rest.pop(0)))
        first, second = [*numbers, _NUMBERS_AFTER[option], _NUMBERS_AFTER[option]][:2]
        pairs[option] = (first, second)
    if not rest:
        raise ValueError(f"the texture line {' '.join(words)!r} names no file")
    return _MapLine(" ".join(rest).replace("\\", "/"), wrap, pairs["-s"], pairs["-o"])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
