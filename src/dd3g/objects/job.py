"""One object: from its file or seed to its folder of views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dd3g.core.noise import digest
from dd3g.core.views import Views
from dd3g.core.views_folder import ObjectViews, save_object_views
from dd3g.objects.load import credit_of_mesh_file, digest_mesh_file, load_mesh
from dd3g.objects.mesh import Mesh
from dd3g.objects.rig import Rig, Shot, cameras_of, input_shots, target_shots
from dd3g.objects.stretch import GENERATOR as STRETCH_GENERATOR
from dd3g.objects.stretch import Stretch, Stretching, stretched

RENDERER = "embree-1"  # a change of what pictures look like is a new name, so that old and new ones are never mixed


@dataclass(frozen=True)
class ObjectJob:
    """What a process needs to make one object's folder."""

    name: str
    source: str  # path relative to the folder of meshes, or "seed N"
    path: Path | None  # None: procedural
    object_seed: int  # of a procedural object
    rig: Rig
    seed: int  # of the random views
    out: Path
    stretching: Stretching | None = None  # of all objects of the folder
    stretch: Stretch | None = None  # of this one

    def stretched(self, stretching: Stretching) -> ObjectJob:
        """The job of the object's stretched version, which has a name of its own."""
        return replace(self, name=stretching.name_of(self.name), stretching=stretching, stretch=stretching.of(self.name, self.seed))

    def plan(self) -> dict[str, Any]:
        """What all objects of one folder of views have in common."""
        rig = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self.rig).items()}
        stretching = {} if self.stretching is None else {"stretch": asdict(self.stretching)}
        return {"renderer": RENDERER, "seed": self.seed, **stretching, "rig": rig}

    def digest(self) -> str:
        """Digest of all that the object's shape depends on.

        Raises:
            MeshError: A file is missing.
        """
        original = self._original_digest()
        return original if self.stretch is None else digest(f"{STRETCH_GENERATOR}|{original}|{self.stretch}".encode())

    def _original_digest(self) -> str:
        if self.path is not None:
            return digest_mesh_file(self.path)
        from dd3g.objects.make import GENERATOR

        return digest(f"{GENERATOR}|{self.object_seed}".encode())


def render_object(job: ObjectJob) -> None:
    """Renders one object and writes its folder.

    Raises:
        MeshError: The object's file is not usable.
        OutputError: The folder can't be written.
    """
    import torch

    torch.set_num_threads(1)  # many objects at once are faster than many threads on one
    key = job.digest()
    mesh = _mesh(job)
    groups, shots = render_groups(mesh, job.rig, key, job.seed)
    about = {
        "source": job.source,
        "digest": key,
        "plan": job.plan(),
        **({} if job.stretch is None else {"stretch": {"scales": list(job.stretch.scales), "taper": job.stretch.taper}}),
        **({"credit": credit} if (credit := credit_of_mesh_file(job.path) if job.path is not None else None) else {}),
        "views": {name: [shot.about() for shot in group] for name, group in shots.items()},
    }
    save_object_views(job.out, ObjectViews(job.name, groups, about))


def render_groups(mesh: Mesh, rig: Rig, object_digest: str, seed: int) -> tuple[dict[str, Views], dict[str, list[Shot]]]:
    """All pictures of a rig, by group, and how each was taken. "inputs" have depth."""
    from dd3g.objects.render import render_views

    shots = {"targets": target_shots(rig, object_digest, seed), "inputs": input_shots(rig, object_digest, seed)}
    shots = {name: group for name, group in shots.items() if group}
    sizes = {"targets": rig.target_size, "inputs": rig.input_size}
    groups = {
        name: render_views(
            mesh,
            cameras_of(group, sizes[name]),
            [shot.light for shot in group],
            supersampling=rig.supersampling,
            depth=name == "inputs",
        )
        for name, group in shots.items()
    }
    return groups, shots


def is_done(job: ObjectJob, header: Mapping[str, Any] | None) -> bool:
    """Whether the folder on disk, whose object.json is given, is what the job would make."""
    about = header.get("about") if header is not None else None
    return isinstance(about, dict) and about.get("plan") == job.plan() and about.get("digest") == job.digest()


def _mesh(job: ObjectJob) -> Mesh:
    if job.path is not None:
        mesh = load_mesh(job.path)
    else:
        from dd3g.objects.make import make_object

        mesh = make_object(job.object_seed)
    return mesh if job.stretch is None else stretched(mesh, job.stretch)
