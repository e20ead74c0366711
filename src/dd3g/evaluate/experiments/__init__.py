"""The paper's questions as experiments: arms that differ in one thing, on a world whose teacher is exact."""

from dd3g.evaluate.experiments.findings import write_findings
from dd3g.evaluate.experiments.presets import EXPERIMENTS, experiment_of
from dd3g.evaluate.experiments.run import ExperimentOptions, run_experiment
from dd3g.evaluate.experiments.scale import SCALES, small, tiny

__all__ = ["EXPERIMENTS", "SCALES", "ExperimentOptions", "experiment_of", "run_experiment", "small", "tiny", "write_findings"]
