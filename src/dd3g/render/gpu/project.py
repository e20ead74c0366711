"""E7 and E8 for every view of every scene at once. Plain torch: gradients come by themselves, and a few large operations are no cost."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.cameras import Cameras
from dd3g.core.gaussians import Gaussians
from dd3g.render.constants import (
    ALPHA_CUTOFF,
    BLUR_PX2,
    COMPENSATION_FLOOR,
    FAR,
    FRUSTUM_MARGIN,
    NEAR,
    QUAT_LENGTH_MIN,
)


@dataclass(frozen=True)
class Projected:
    """What v cameras see of each of n Gaussians of s scenes. Culled ones have extent -1 and touch nothing."""

    means2d: Float[Tensor, "s v n 2"]  # pixels
    conics: Float[Tensor, "s v n 3"]  # xx, xy, yy of the inverse covariance
    opacities: Float[Tensor, "s v n"]  # after antialiasing
    depths: Float[Tensor, "s v n"]  # camera z
    extents: Float[Tensor, "s v n 2"]  # half sides of the box outside of which alpha is under the cutoff, pixels; no gradient


def project(gaussians: Gaussians, cameras: Cameras, *, antialiased: bool) -> Projected:
    """Splats of all Gaussians, with gradients to means, quaternions, scales and opacities."""
    rotation, translation = cameras.camera_from_world[..., :3, :3], cameras.camera_from_world[..., :3, 3]
    fx, fy, cx, cy = (cameras.intrinsics[..., i, j][..., None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x, y, z = (gaussians.means[:, None] @ rotation.mT + translation[:, :, None]).unbind(-1)
    seen = (z >= NEAR) & (z <= FAR)
    z = torch.where(seen, z, 1.0)  # those behind get harmless numbers, and no gradient
    x_over_z, y_over_z = x / z, y / z
    margin_x, margin_y = FRUSTUM_MARGIN * cameras.width / fx, FRUSTUM_MARGIN * cameras.height / fy
    ux = torch.minimum(torch.maximum(x_over_z, -(cx / fx + margin_x)), (cameras.width - cx) / fx + margin_x)
    uy = torch.minimum(torch.maximum(y_over_z, -(cy / fy + margin_y)), (cameras.height - cy) / fy + margin_y)

    # Sigma' = M M^T with M = J W R diag(s); rows of M from rows of J W
    axes = _rotations(gaussians.quats_wxyz) * gaussians.scales[..., None, :]  # (s, n, 3, 3)
    rows_u, rows_v, rows_z = (rotation[:, :, None, i] for i in range(3))  # (s, v, 1, 3)
    m_u = _times((fx / z)[..., None] * (rows_u - ux[..., None] * rows_z), axes)
    m_v = _times((fy / z)[..., None] * (rows_v - uy[..., None] * rows_z), axes)
    sxx, sxy, syy = (m_u * m_u).sum(-1), (m_u * m_v).sum(-1), (m_v * m_v).sum(-1)
    # the determinant as the sum of squared minors: sxx syy - sxy^2 cancels for thin splats
    sharp_det = torch.linalg.cross(m_u, m_v).square().sum(-1)
    det = sharp_det + BLUR_PX2 * (sxx + syy) + BLUR_PX2**2
    sxx, syy = sxx + BLUR_PX2, syy + BLUR_PX2
    opacities = gaussians.opacities[:, None].expand_as(z)
    if antialiased:
        # the floor keeps the root's slope finite where a splat has no area
        opacities = opacities * (sharp_det / det).clamp_min(COMPENSATION_FLOOR**2).sqrt()
    with torch.no_grad():
        reach = (2 * (opacities / ALPHA_CUTOFF).clamp_min(1e-30).log()).clamp_min(0)
        extents = torch.stack([(reach * sxx).sqrt(), (reach * syy).sqrt()], -1)
        extents = torch.where((seen & (opacities >= ALPHA_CUTOFF))[..., None], extents, -1.0)
    return Projected(
        means2d=torch.stack([fx * x_over_z + cx, fy * y_over_z + cy], -1),
        conics=torch.stack([syy, -sxy, sxx], -1) / det[..., None],
        opacities=opacities,
        depths=z,
        extents=extents,
    )


def _times(rows: Float[Tensor, "s v n 3"], matrices: Float[Tensor, "s n 3 3"]) -> Float[Tensor, "s v n 3"]:
    """Row vectors times the matrices of their Gaussians; written out, since a million products of 3 x 3 matrices are slow as such."""
    a, b, c = (matrices[:, None, :, i] for i in range(3))
    return rows[..., :1] * a + rows[..., 1:2] * b + rows[..., 2:] * c


def _rotations(quats_wxyz: Float[Tensor, "s n 4"]) -> Float[Tensor, "s n 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats_wxyz, dim=-1, eps=QUAT_LENGTH_MIN).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
