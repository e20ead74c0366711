"""Two sizes of everything: tiny, to see that it runs, and small, on which a figure may be believed a little.

Small is what two cores do in minutes: a student of 1.1 million parameters and a minute and a half of training, at 64 px.
"""

from __future__ import annotations

from dataclasses import dataclass

from dd3g.encoders import ImageEncoderConfig
from dd3g.evaluate.experiments.cell import Cell
from dd3g.evaluate.experiments.draws import DrawPlan
from dd3g.evaluate.experiments.shapes import ShapeFit
from dd3g.evaluate.experiments.world import WorldConfig
from dd3g.recipes.student import StudentLossConfig
from dd3g.recipes.student_batches import StudentDataConfig
from dd3g.student import PEPDConfig
from dd3g.student.config import ExtractionConfig, PlainDecodingConfig
from dd3g.training import FitConfig

NEVER = 10**9  # steps between evaluations of a run that is measured when it is done


@dataclass(frozen=True)
class Scale:
    """Sizes that all experiments share."""

    name: str
    world: WorldConfig
    model: PEPDConfig
    draws: int  # of each training input
    held_out_draws: int  # of each held-out input
    steps: int
    batch: int
    render_size: int  # of renders in training, px; what is learnt is measured at the world's size
    seeds: int  # where nobody asks for another number
    shapes: int  # of the plain 3D task
    probes: int  # noises an input, where gradients are looked at
    frames: int  # of an interpolation

    def base(self) -> Cell:
        """The student that arms are changes of: the paper's decoder, its own noise, explicit supervision alone."""
        return Cell(
            model=self.model,
            data=StudentDataConfig(batch=self.batch, image_size=self.world.size, render_size=self.render_size, degrade=0.0),
            # No perceptual term: it costs more than all else here. Nor what meshes teach beside the views: the camera is given.
            loss=StudentLossConfig(perceptual="none", depth=0.0, surfaces=0.0, slopes=0.0, camera=0.0),
            fit=self.fit(self.steps),
            train=(DrawPlan(images=self.world.train, draws=self.draws),),
            held_out=DrawPlan(split="dev", images=self.world.held_out, draws=self.held_out_draws),
        )

    def fit(self, steps: int) -> FitConfig:
        """A short training's settings."""
        return FitConfig(
            steps=steps,
            lr=3e-3,
            lr_final=1e-4,
            warmup_steps=min(20, steps // 2),
            weight_decay=0.01,
            ema_decay=0.98,
            log_every=max(steps // 24, 1),
            save_every_s=60.0,
            evaluate_every=NEVER,
            sheet_every=NEVER,
        )

    def shape_fit(self) -> ShapeFit:
        """The plain 3D task."""
        m = self.model
        assert isinstance(m.decoding, PlainDecodingConfig)
        return ShapeFit(
            m.decoding, self.fit(self.steps), m.width, m.heads, m.blocks, m.extraction.token_count, self.shapes, min(self.batch, 8)
        )


def tiny() -> Scale:
    """Seconds: nothing is learnt, everything is run."""
    model = PEPDConfig(
        encoder=ImageEncoderConfig(size=64, channels=(4, 8, 16), width=32, blocks=1, heads=2, fine_channels=8),
        extraction=ExtractionConfig(latent_size=4, channels=(32,), blocks=(1,), head_width=16, camera_width=16),
        width=32,
        heads=2,
        blocks=(2, 1, 1),
        decoding=PlainDecodingConfig(gaussians_per_token=8),
        type_spread=0.5,
    )
    return Scale("tiny", WorldConfig(train=4, held_out=2), model, 4, 4, 4, 4, 32, 1, 8, 4, 5)


def small() -> Scale:
    """Minutes a student."""
    model = PEPDConfig(
        encoder=ImageEncoderConfig(size=64, channels=(8, 16, 32), width=64, blocks=1, heads=4, fine_channels=16),
        extraction=ExtractionConfig(latent_size=4, channels=(96,), blocks=(1,), head_width=32, camera_width=64),
        width=96,
        heads=4,
        blocks=(2, 1, 1),
        decoding=PlainDecodingConfig(gaussians_per_token=24),
        type_spread=0.5,
    )
    return Scale("small", WorldConfig(train=64, held_out=16), model, 48, 8, 900, 16, 32, 3, 32, 64, 33)


SCALES = {"tiny": tiny, "small": small}
