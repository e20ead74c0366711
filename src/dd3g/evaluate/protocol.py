"""What is rendered, shown and compared, as one frozen file with a name. Its hash stands in every result.

The files lie in ``evaluate/protocols/NAME.json``. What is only said in words there (how objects are normalised, how pictures are resized,
what each metric is) must be word for word what this version does: a file that says otherwise is refused, since its name would stand over
numbers that it does not describe.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from dd3g.core.cameras import Cameras, orbit
from dd3g.core.errors import InputError
from dd3g.core.files import read_json
from dd3g.evaluate.metrics import DEFINITIONS
from dd3g.objects.job import RENDERER
from dd3g.objects.lights import LIGHTS

FORMAT = "dd3g-protocol-1"
NORMALISATION = "box centre at the origin, farthest vertex at 0.5, +Y up, front +Z"
RESIZE = "bilinear with antialiasing (the kernel widens with the reduction), corners not aligned, over the background"
TOLD = "the input view as it is, in frame, with its elevation and distance; outputs are taken to face the input camera"
_WORDS = {"normalisation": NORMALISATION, "renderer": RENDERER, "resize": RESIZE, "input": TOLD}
Layout = Literal["meshes", "glb", "gso"]


@dataclass(frozen=True)
class ProtocolObject:
    """One object of the list."""

    name: str
    sha256: str | None  # of its file; None where nobody has published it: then it is recorded in the result


@dataclass(frozen=True)
class Setting:
    """One set of views of every object, and which of them is shown. Figures of the first setting of a protocol are its main ones."""

    name: str
    azimuths_deg: tuple[float, ...]
    elevations_deg: tuple[float, ...]
    input_view: int  # its own figures are told apart from the others' mean

    def quarter(self, turn: int) -> list[int] | None:
        """Which view stands ``turn`` quarters further round at the same height; None where there is no such view of every one."""
        places = {(a % 360, e): i for i, (a, e) in enumerate(zip(self.azimuths_deg, self.elevations_deg, strict=True))}
        found = [places.get(((a + 90 * turn) % 360, e)) for a, e in zip(self.azimuths_deg, self.elevations_deg, strict=True)]
        return [i for i in found if i is not None] if None not in found else None

    @property
    def others(self) -> list[int]:
        """The views that are not the input."""
        return [i for i in range(len(self.azimuths_deg)) if i != self.input_view]


@dataclass(frozen=True)
class Bootstrap:
    """Of the intervals: percentiles of means over resampled objects."""

    level: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class Protocol:
    """A way to score image-to-3D models on meshes.

    The input is one of the views, used as it is (in frame already), with its camera told to the model. Metrics compare renders with
    truth over the background, view by view; means run over the views that are not the input, then over objects.
    """

    name: str
    layout: Layout  # of the folder of objects: any meshes; NAME.glb; Google Scanned Objects as they are published
    objects: tuple[ProtocolObject, ...] | None  # None: whatever the folder holds
    normalisation: str
    renderer: str
    supersampling: int  # rays along a pixel's side
    light: str
    size: int
    radius: float
    fov_y_deg: float
    background: tuple[float, float, float]
    resize: str  # of pictures that come in another size
    input: str  # what a model is given
    settings: tuple[Setting, ...]
    seed: int  # of the model's noise
    metrics: Mapping[str, str]  # name -> definition
    bootstrap: Bootstrap

    def __hash__(self) -> int:  # metrics is a dictionary, which has none
        return hash(self.digest())

    @property
    def main(self) -> Setting:
        """The setting whose figures stand first."""
        return self.settings[0]

    def setting(self, name: str) -> Setting:
        """A setting by its name.

        Raises:
            InputError: There is none of this name.
        """
        for setting in self.settings:
            if setting.name == name:
                return setting
        raise InputError(f"--settings: '{name}' is none of protocol {self.name}'s: {', '.join(s.name for s in self.settings)}")

    def cameras(self, setting: Setting) -> Cameras:
        """A setting's cameras in the object's frame."""
        return orbit(setting.azimuths_deg, setting.elevations_deg, size=self.size, radius=self.radius, fov_y_deg=self.fov_y_deg)

    def about(self) -> dict[str, Any]:
        """All fields as JSON has them: what a protocol file holds."""
        return {"format": FORMAT, **json.loads(json.dumps(asdict(self)))}

    def digest(self) -> str:
        """SHA-256 of all fields; changes when any of them does."""
        text = json.dumps(self.about(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def known_protocols() -> list[str]:
    """Names of the protocols that come with the package."""
    folder = resources.files("dd3g.evaluate") / "protocols"
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))


def load_protocol(name_or_file: str | os.PathLike[str]) -> Protocol:
    """A protocol of the package by its name, or one from a JSON file.

    Raises:
        InputError: Unknown, damaged, or one that this version can't follow to the letter.
    """
    text = os.fspath(name_or_file)
    place = Path(text)
    if text in known_protocols():
        place = Path(str(resources.files("dd3g.evaluate") / "protocols" / f"{text}.json"))
    elif place.suffix != ".json":
        raise InputError(f"--protocol: '{text}' is neither a .json file nor one of {', '.join(known_protocols())}")
    return protocol_of(read_json(place), str(place))


def protocol_of(found: Any, where: str) -> Protocol:
    """A protocol from its JSON.

    Raises:
        InputError: A field is missing, unknown, of another kind, or says what this version does not do.
    """
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{where}: no protocol file (its format is not {FORMAT})")
    values = {key: value for key, value in found.items() if key != "format"}
    try:
        _same_keys(values, Protocol)
        values["settings"] = tuple(_record(Setting, s) for s in values["settings"])
        objects = values["objects"]
        values["objects"] = None if objects is None else tuple(_record(ProtocolObject, o) for o in objects)
        values["bootstrap"] = _record(Bootstrap, values["bootstrap"])
        values["background"] = tuple(float(c) for c in values["background"])
        protocol = Protocol(**values)
        _check(protocol)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{where}: {error}; take a protocol file of this version as the pattern") from None
    return protocol


def _record(kind: type, value: Any) -> Any:
    _same_keys(value, kind)
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in value.items()})


def _same_keys(value: Any, kind: type) -> None:
    wanted = {field.name for field in fields(kind)}
    if not isinstance(value, dict) or set(value) != wanted:
        have = set(value) if isinstance(value, dict) else set()
        different = sorted(wanted ^ have)
        raise ValueError(f"{kind.__name__} has the fields {', '.join(sorted(wanted))}; missing or unknown: {', '.join(different)}")


def _check(protocol: Protocol) -> None:
    """Raises ValueError where the protocol does not hold together or is not what this version does."""
    for field, ours in _WORDS.items():
        if getattr(protocol, field) != ours:
            raise ValueError(f"{field} is {getattr(protocol, field)!r}, and this version does {ours!r}")
    for name, definition in protocol.metrics.items():
        if DEFINITIONS.get(name) != definition:
            raise ValueError(f"metric {name} is {definition!r}, and this version computes {DEFINITIONS.get(name)!r}")
    if "psnr" not in protocol.metrics:
        raise ValueError("metrics needs psnr: sheets and the best quarter turn go by it")
    if protocol.light not in LIGHTS:
        raise ValueError(f"light is {protocol.light!r}, expected one of {', '.join(LIGHTS)}")
    if protocol.layout not in ("meshes", "glb", "gso") or (protocol.objects is None) != (protocol.layout == "meshes"):
        raise ValueError(f"layout is {protocol.layout!r}: 'meshes' has no list of objects, 'glb' and 'gso' have one")
    if not protocol.settings or len({s.name for s in protocol.settings}) != len(protocol.settings):
        raise ValueError("settings must be one or more with names of their own")
    for setting in protocol.settings:
        count = len(setting.azimuths_deg)
        if len(setting.elevations_deg) != count or count < 2 or not 0 <= setting.input_view < count:
            raise ValueError(f"setting {setting.name}: needs two or more views, an azimuth and an elevation each, the input among them")
    if len(protocol.background) != 3 or not all(0 <= c <= 1 for c in protocol.background):
        raise ValueError(f"background is {protocol.background}, expected three numbers in [0, 1]")
    if protocol.objects is not None and len({o.name.casefold() for o in protocol.objects}) != len(protocol.objects):
        raise ValueError("objects has a name twice")
    if min(protocol.size, protocol.supersampling, protocol.bootstrap.resamples) < 1 or not 0 < protocol.bootstrap.level < 1:
        raise ValueError("size, supersampling and bootstrap must be positive, the level below 1")
