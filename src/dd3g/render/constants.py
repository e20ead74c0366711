"""The constants of the rasterizer, each with its reason. Every backend uses these; changing one changes what a splat looks like."""

from __future__ import annotations

ALPHA_MAX = 0.999
"""Largest alpha of one Gaussian at a pixel (E9). Keeps 1 - alpha away from 0, by which backward divides; gsplat 1.5.3 has the same."""

ALPHA_CUTOFF = 1 / 255
"""Smaller alphas are skipped (E9): one step of an 8 bit picture. It also bounds every Gaussian to an exact ellipse."""

TRANSMITTANCE_STOP = 1e-4
"""A pixel stops before the Gaussian that would bring its transmittance to this or below (E10). What lies behind is invisible."""

BLUR_PX2 = 0.3
"""Added to both variances of the projected covariance, in squared pixels (E8): no splat is much thinner than a pixel."""

NEAR = 0.01
"""Gaussians whose centre has a smaller camera z are culled, in world units: the perspective's Jacobian has a pole at 0."""

FAR = 1e10
"""Gaussians whose centre has a larger camera z are culled: far beyond any scene, near enough to be squared in float32."""

FRUSTUM_MARGIN = 0.15
"""The Jacobian is taken at a direction clamped to the frame widened by this share of its size on each side (0.3 tan(fov / 2)).

Far outside the frame the linearised projection would be stretched without bound. The centre itself is never clamped."""

DEPTH_ALPHA_FLOOR = 1e-10
"""Expected depth is the accumulated depth over max(alpha, this): 0, not 0 / 0, where nothing is."""

COMPENSATION_FLOOR = 1e-6
"""Added to the antialiasing compensation where its backward divides by it, as gsplat 1.5.3 does."""

QUAT_LENGTH_MIN = 1e-12
"""Shorter quaternions have no direction in float32 and are refused."""
