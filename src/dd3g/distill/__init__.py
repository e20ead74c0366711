"""The objective: explicit supervision, implicit verification, and the curriculum under which the second joins the first."""

from dd3g.distill.curriculum import Curriculum, ramp
from dd3g.distill.explicit import ExplicitWeights, explicit
from dd3g.distill.implicit import ImplicitConfig, implicit

__all__ = ["Curriculum", "ExplicitWeights", "ImplicitConfig", "explicit", "implicit", "ramp"]
