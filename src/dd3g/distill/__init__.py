"""The objective: explicit supervision. (Implicit verification and the curriculum join it here.)"""

from dd3g.distill.explicit import ExplicitWeights, explicit

__all__ = ["ExplicitWeights", "explicit"]
