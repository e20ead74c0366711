"""The teacher: a multi-view diffusion model, its deterministic ODE from noise to views, and the way back."""

from dd3g.teacher.ddim import Inverted, ddim_sample, guided, invert, ode_step
from dd3g.teacher.schedule import Schedule, ddim_times, scaled_linear
from dd3g.teacher.solvers import SOLVERS, Solver, ode_sample

__all__ = [
    "SOLVERS", "Inverted", "Schedule", "Solver", "ddim_sample", "ddim_times", "guided", "invert", "ode_sample", "ode_step", "scaled_linear",
]  # fmt: skip
