"""Scores others can trust: a frozen protocol, named metrics, baselines; and whether a student follows its noise."""

from dd3g.evaluate.alignment_run import AlignmentOptions, evaluate_alignment
from dd3g.evaluate.protocol import ORBIT16, Protocol
from dd3g.evaluate.run import EvaluateOptions, evaluate

__all__ = ["ORBIT16", "AlignmentOptions", "EvaluateOptions", "Protocol", "evaluate", "evaluate_alignment"]
