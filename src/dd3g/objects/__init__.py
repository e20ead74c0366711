"""Objects: mesh files, or objects of our own from a seed, to ground-truth views."""

from dd3g.objects.lights import AMBIENT, LIGHTS, SKY, Light, find_light, random_light
from dd3g.objects.load import load_mesh
from dd3g.objects.make import make_object
from dd3g.objects.mesh import Material, Mesh, Part, Texture, assemble
from dd3g.objects.render import render_views
from dd3g.objects.rig import RIGS, Rig, Shot, cameras_of, input_shots, target_shots

__all__ = [
    "AMBIENT",
    "LIGHTS",
    "RIGS",
    "SKY",
    "Light",
    "Material",
    "Mesh",
    "Part",
    "Rig",
    "Shot",
    "Texture",
    "assemble",
    "cameras_of",
    "find_light",
    "input_shots",
    "load_mesh",
    "make_object",
    "random_light",
    "render_views",
    "target_shots",
]
