"""Records and conventions that every other room stands on."""

from dd3g.core.cameras import Cameras, canonical_rig, orbit, turned
from dd3g.core.errors import DD3GError
from dd3g.core.files import write_atomically
from dd3g.core.gaussians import Gaussians
from dd3g.core.noise import NoiseKey, draw_noise, slerp
from dd3g.core.views import Views
from dd3g.core.weights import find_weights

__all__ = [
    "Cameras",
    "DD3GError",
    "Gaussians",
    "NoiseKey",
    "Views",
    "canonical_rig",
    "draw_noise",
    "find_weights",
    "orbit",
    "slerp",
    "turned",
    "write_atomically",
]
