"""Scores others can trust: a frozen protocol, named metrics, baselines."""

from dd3g.evaluate.protocol import ORBIT16, Protocol
from dd3g.evaluate.run import EvaluateOptions, evaluate

__all__ = ["ORBIT16", "EvaluateOptions", "Protocol", "evaluate"]
