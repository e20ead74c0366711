"""The teacher: a multi-view diffusion model, its deterministic ODE from noise to views, and the way back."""

from dd3g.teacher.ddim import Inverted, ddim_sample, guided, invert, ode_step
from dd3g.teacher.schedule import Schedule, ddim_times, scaled_linear

__all__ = ["Inverted", "Schedule", "ddim_sample", "ddim_times", "guided", "invert", "ode_step", "scaled_linear"]
