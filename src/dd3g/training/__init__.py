"""One engine for every network."""

from dd3g.training.config import FitConfig, SessionConfig, check_device
from dd3g.training.engine import fit
from dd3g.training.recipe import Recipe, Score

__all__ = ["FitConfig", "Recipe", "Score", "SessionConfig", "check_device", "fit"]
