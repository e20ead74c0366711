"""Scores others can trust: frozen protocols, named metrics, baselines; and whether a student follows its noise."""

from dd3g.evaluate.alignment_run import AlignmentOptions, evaluate_alignment
from dd3g.evaluate.protocol import Protocol, known_protocols, load_protocol
from dd3g.evaluate.results import compare, load_results
from dd3g.evaluate.run import EvaluateOptions, evaluate

__all__ = [
    "AlignmentOptions",
    "EvaluateOptions",
    "Protocol",
    "compare",
    "evaluate",
    "evaluate_alignment",
    "known_protocols",
    "load_protocol",
    "load_results",
]
