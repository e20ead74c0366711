"""The objects of a protocol on the user's disk: which file is which, and whether it is the very one.

Layouts of ``--objects DIR``:
    meshes  any .glb, .gltf, .obj below DIR (or those of a list)
    glb     NAME.glb anywhere below DIR, SHA-256 as the protocol says
    gso     Google Scanned Objects, in any of the ways that they are handed out, names without regard to case:
            NAME/meshes/model.obj with NAME/materials/textures/texture.png (the official archives, unpacked), NAME.zip (one not unpacked),
            NAME/model.obj with NAME/texture.png beside it (the MJCF mirror, also under models/). Z is up in all of them.
Nobody has published checksums of Google's archives: theirs are recorded in the result, and two results are compared only where they agree.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dd3g.core.errors import InputError, MeshError
from dd3g.core.files import is_folder
from dd3g.core.weights import sha256_of
from dd3g.evaluate.protocol import Protocol
from dd3g.objects.collection import find_meshes, jobs_for_files
from dd3g.objects.load import READERS
from dd3g.objects.rig import RIGS

_MOST_BYTES = 1 << 29  # of one file in an archive: the largest of the collection has some 20 MB


@dataclass(frozen=True)
class ObjectFile:
    """One object to evaluate on."""

    name: str
    source: str  # for people: its path below the folder of objects
    path: Path  # a mesh file; of layout gso a folder or an archive
    sha256: str | None  # of all files that its pictures depend on; None: not looked at yet
    scan: bool = False  # of layout gso


@dataclass(frozen=True)
class Found:
    """What of a protocol's list is there."""

    files: tuple[ObjectFile, ...]
    missing: tuple[str, ...] = ()
    different: tuple[str, ...] = ()


def find_objects(root: Path, protocol: Protocol, list_file: Path | None = None) -> Found:
    """Looks for a protocol's objects below a folder.

    Raises:
        InputError: No such folder, nothing in it, or a list beside a protocol that has its own.
    """
    if not is_folder(root):
        raise InputError(f"{root}: no such folder; name the folder that holds the meshes")
    if protocol.objects is None:
        return Found(tuple(_any_mesh(root, list_file)))
    if list_file is not None:
        raise InputError(f"--list: protocol {protocol.name} has its own list of objects; leave the option out")
    places = _scans(root) if protocol.layout == "gso" else {path.stem.casefold(): path for path in sorted(root.rglob("*.glb"))}
    files, missing, different = [], [], []
    for wanted in protocol.objects:
        place = places.get(wanted.name.casefold())
        if place is None:
            missing.append(wanted.name)
            continue
        found = _sum_of_scan(place) if protocol.layout == "gso" else sha256_of(place)
        if wanted.sha256 not in (None, found):
            different.append(wanted.name)
        else:
            files.append(ObjectFile(wanted.name, place.relative_to(root).as_posix(), place, found, protocol.layout == "gso"))
    return Found(tuple(files), tuple(missing), tuple(different))


def require_all(found: Found, root: Path, protocol: Protocol, *, partial: bool) -> None:
    """Refuses a list that is not whole, unless the user wants what there is.

    Raises:
        InputError: Objects are missing or other files than the protocol's; or none is left.
    """
    wrong = [
        f"{len(names)} {what}: {', '.join(names)}"
        for names, what in ((found.missing, "missing"), (found.different, "with other contents"))
        if names
    ]
    if wrong and not (partial and found.files):
        mend = "--partial goes on with the others, and the result says so" if found.files else "name the folder that holds them"
        raise InputError(f"{root}: of the {len(protocol.objects or ())} objects of protocol {protocol.name} {'; '.join(wrong)}; {mend}")


@contextmanager
def mesh_file(file: ObjectFile) -> Iterator[Path]:
    """The mesh file of an object; of a scan, one that is put together with its material and texture for as long as it is needed.

    Raises:
        MeshError: The archive or folder lacks a file, or is damaged.
    """
    if not file.scan:
        yield file.path
        return
    with tempfile.TemporaryDirectory(prefix="dd3g-scan-") as name:
        place = Path(name)
        parts = _read_scan(file.path)
        materials = [
            line.split(None, 1)[1].strip() for line in parts["obj"].decode("utf-8", "replace").splitlines() if line.startswith("usemtl ")
        ]
        lines = [line for line in parts["obj"].decode("utf-8", "replace").splitlines() if not line.startswith("mtllib")]
        named = dict.fromkeys(materials) or {"scan": None}
        head = ["mtllib scan.mtl", *([] if materials else ["usemtl scan"])]
        (place / "scan.obj").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
        # One texture holds all of a scan; what the archives' own material files say besides is gloss.
        (place / "scan.mtl").write_text("".join(f"newmtl {material}\nmap_Kd texture.png\n" for material in named), encoding="utf-8")
        (place / "texture.png").write_bytes(parts["texture"])
        yield place / "scan.obj"


def _any_mesh(root: Path, list_file: Path | None) -> Iterator[ObjectFile]:
    files = find_meshes(root, list_file)
    for job, file in zip(jobs_for_files(root, files, RIGS["canonical"], 0, root), files, strict=True):  # its rules for names
        yield ObjectFile(job.name, file, root / file, None)


def file_sum(file: ObjectFile) -> str:
    """SHA-256 of an object's file, or of those that it is made of.

    Raises:
        MeshError: One of them is missing.
    """
    if file.sha256 is not None:
        return file.sha256
    place = file.path
    if not place.is_file():
        raise MeshError(f"{place}: no such file")
    named = READERS[place.suffix.lower()][1](place)
    if len(named) == 1:
        return sha256_of(place)
    missing = [str(path) for path in named if not path.is_file()]
    if missing:
        raise MeshError(f"{place}: names {', '.join(missing)}, which is not there; put the file there")
    return hashlib.sha256("\n".join(sha256_of(path) for path in named).encode()).hexdigest()


def _scans(root: Path) -> dict[str, Path]:
    places: dict[str, Path] = {}
    folders = [root, root / "models"] if is_folder(root / "models") else [root]
    for folder in folders:
        for place in sorted(folder.iterdir()):
            if place.is_dir() and ((place / "meshes" / "model.obj").is_file() or (place / "model.obj").is_file()):
                places[place.name.casefold()] = place
            elif place.suffix.lower() == ".zip":
                places.setdefault(place.stem.casefold(), place)
    return places


def _sum_of_scan(place: Path) -> str:
    total = hashlib.sha256()
    for name, data in sorted(_read_scan(place).items()):
        total.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return total.hexdigest()


def _read_scan(place: Path) -> dict[str, bytes]:
    """``obj`` and ``texture`` of a scan, wherever its layout keeps them."""
    wanted = {"obj": ("meshes/model.obj", "model.obj"), "texture": ("materials/textures/texture.png", "texture.png", "meshes/texture.png")}
    if place.is_dir():
        return {key: _first_file(place, names) for key, names in wanted.items()}
    try:
        with zipfile.ZipFile(place) as archive:
            return {key: _first_member(archive, place, names) for key, names in wanted.items()}
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise MeshError(f"{place}: not a whole archive ({error}); download it again") from None


def _first_file(place: Path, names: Sequence[str]) -> bytes:
    for name in names:
        if (place / name).is_file():
            return (place / name).read_bytes()
    raise MeshError(f"{place}: holds none of {', '.join(names)}; unpack the archive again")


def _first_member(archive: zipfile.ZipFile, place: Path, names: Sequence[str]) -> bytes:
    for name in names:
        for member in archive.infolist():
            if member.filename == name or (member.filename.count("/") == name.count("/") + 1 and member.filename.endswith(f"/{name}")):
                if member.file_size > _MOST_BYTES:
                    raise MeshError(f"{place}: {member.filename} says that it has {member.file_size} bytes, expected a scan's model")
                return archive.read(member)
    raise MeshError(f"{place}: holds none of {', '.join(names)}; download it again")
