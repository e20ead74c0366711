"""True views of one object: rendered at the cameras that are asked for and no others, kept, and not rendered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dd3g.core.errors import InputError, MeshError, ViewsError
from dd3g.core.files import read_json
from dd3g.core.views import Views
from dd3g.core.views_folder import ObjectViews, load_object_views, save_object_views
from dd3g.evaluate.object_files import ObjectFile, file_sum, mesh_file
from dd3g.evaluate.protocol import Protocol, Setting
from dd3g.objects.lights import LIGHTS
from dd3g.objects.load import credit_of_mesh_file, load_mesh
from dd3g.objects.mesh import Mesh

MAIN_GROUP = "targets"  # the main setting's, so that a folder of truth is a folder of views like any other


def group_of(protocol: Protocol, setting: Setting) -> str:
    """Name of a setting's folder of pictures below the object's."""
    return MAIN_GROUP if setting.name == protocol.main.name else setting.name


def true_views(file: ObjectFile, protocol: Protocol, settings: Sequence[Setting], folder: Path) -> dict[str, Views]:
    """An object's views of some settings, by the settings' names.

    Args:
        file: The object.
        protocol: How it is rendered.
        settings: Which views.
        folder: Where views are kept, a folder an object.

    Raises:
        MeshError: The mesh can't be used.
        OutputError: The folder can't be written.
    """
    plan = {"renderer": protocol.renderer, "supersampling": protocol.supersampling, "light": protocol.light, "sha256": file_sum(file)}
    place = folder / file.name
    groups = {setting.name: group_of(protocol, setting) for setting in settings}
    stands = {group_of(protocol, s): _angles(protocol, s) for s in settings}
    if not _is_there(place, plan, stands):
        _render(file, protocol, settings, folder, {**plan, "settings": stands})
    views = load_object_views(place, list(groups.values())).groups
    return {name: views[group] for name, group in groups.items()}


def _is_there(place: Path, plan: dict[str, Any], stands: dict[str, Any]) -> bool:
    try:
        there = read_json(place / "object.json")["about"]["truth"]
        same = all(there[key] == value for key, value in plan.items()) and all(there["settings"][k] == v for k, v in stands.items())
        if same:
            load_object_views(place, list(stands)[:1])
    except (InputError, ViewsError, KeyError, TypeError):
        return False
    return same


def _angles(protocol: Protocol, setting: Setting) -> dict[str, Any]:
    lens = {"size": protocol.size, "radius": protocol.radius, "fov_y_deg": protocol.fov_y_deg}
    return {**lens, "azimuths_deg": list(setting.azimuths_deg), "elevations_deg": list(setting.elevations_deg)}


def _render(file: ObjectFile, protocol: Protocol, settings: Sequence[Setting], folder: Path, plan: dict[str, Any]) -> None:
    from dd3g.objects.render import render_views

    with mesh_file(file) as path:
        try:
            mesh = load_mesh(path)
        except MeshError as error:
            raise MeshError(str(error).replace(str(path), str(file.path))) from None
        credit = credit_of_mesh_file(path)
    mesh = upright(mesh) if file.scan else mesh
    light = LIGHTS[protocol.light]
    groups = {
        group_of(protocol, setting): render_views(mesh, protocol.cameras(setting), light, supersampling=protocol.supersampling)
        for setting in settings
    }
    about = {"source": file.source, "truth": plan, **({} if credit is None else {"credit": credit})}
    save_object_views(folder, ObjectViews(file.name, groups, about))


def upright(mesh: Mesh) -> Mesh:
    """A mesh with z up and its front at -y in our frame: turned by -90 degrees about x."""
    object_from_file = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)
    return replace(
        mesh,
        vertices=np.ascontiguousarray(mesh.vertices @ object_from_file.T),
        corner_normals=np.ascontiguousarray(mesh.corner_normals @ object_from_file.T),
    )
