"""The objective: explicit supervision, and implicit verification as a term of its own. (The curriculum joins them here.)"""

from dd3g.distill.explicit import ExplicitWeights, explicit
from dd3g.distill.implicit import implicit

__all__ = ["ExplicitWeights", "explicit", "implicit"]
