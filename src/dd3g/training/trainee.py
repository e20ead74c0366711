"""What changes while a run goes on: a network, its optimiser and its average, on this rank. It takes steps; it knows no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.training.average import Average
from dd3g.training.checkpoint import State
from dd3g.training.config import FitConfig, SessionConfig, learning_rate
from dd3g.training.ranks import Ranks
from dd3g.training.recipe import Batch, Recipe
from dd3g.training.shards import load_network, load_optimiser, whole
from dd3g.training.shares import share
from dd3g.training.spread import LossOf, clip, compile_blocks, gathering, recompute_blocks, spread

_ADAM = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of a parameter, in its order


class Trainee:
    """A network under training; of a sharded one, this rank's share.

    Args:
        recipe: What is trained.
        config: How.
        session: Where, and spread how.
        ranks: With whom.

    Raises:
        InputError: Blocks are to be recomputed or compiled, and the network has none.
    """

    def __init__(self, recipe: Recipe, config: FitConfig, session: SessionConfig, ranks: Ranks) -> None:
        self.config, self.ranks, self.device = config, ranks, torch.device(session.device)
        self.network = recipe.network.to(self.device).train()
        self.average = Average(self.network, config.ema_decay)
        for asked, change, option in (
            (session.recompute, recompute_blocks, "--recompute"),
            (session.compile, compile_blocks, "--compile"),
        ):
            if asked and not change(self.network):
                raise InputError(f"{option}: this network ({recipe.kind}) has no blocks in lists; leave it out")
        self._loss = spread(LossOf(self.network, recipe.losses), session.parallel, ranks)
        if ranks.world > 1 and session.parallel == "fsdp":
            self.average.follow_shards(self.network, keep_whole=ranks.first)
        groups = _decay_groups(self.network, config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, foreach=True)

    def gradient(self, batch: Batch, step: int, wishes: Callable[[], tuple[bool, ...]] = tuple) -> tuple[dict[str, float], list[bool]]:
        """Leaves the clipped mean gradient of a whole batch in the parameters.

        The batch is cut in ranks x accumulate parts. What a loss draws depends on the step and the part alone, so that two ranks see the
        numbers that one rank sees in two passes.

        Args:
            batch: Of all ranks together.
            step: Steps done.
            wishes: Asked when the gradient is there: flags of this rank, to be known to all.

        Returns:
            Means over all ranks of the loss, the gradient's norm before clipping and each term; for each wish whether any rank has it.
        """
        passes, ranks = self.config.accumulate, self.ranks
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for k in range(passes):
            part = ranks.rank * passes + k
            torch.manual_seed(_mix(self.config.seed, step) if part == 0 else _mix(_mix(self.config.seed, step), part))
            rows = share(batch, part, ranks.world * passes)
            with gathering(self._loss, last=k == passes - 1):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
                    terms = self._loss(rows, step)
                loss = torch.stack(list(terms.values())).sum()
                (loss / passes if passes > 1 else loss).backward()
            for name, term in {"loss": loss, **terms}.items():
                sums[name] = term.detach() + sums[name] if name in sums else term.detach()
        norm = clip(list(self.network.parameters()), self.config.clip_norm)
        flags = torch.tensor([float(wish) for wish in wishes()], device=self.device)
        # one look at the device a step: every value that is read makes it wait
        seen = ranks.mean(torch.cat([torch.stack([norm, *(value / passes for value in sums.values())]), flags])).tolist()
        values = dict(zip(("grad_norm", *sums), seen, strict=False))
        return values, [flag > 0 for flag in seen[len(values) :]]

    def update(self, step: int) -> None:
        """Moves the weights by the gradient that is there, and the average after them."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimiser.step()
        self.average.update(self.network, step)

    def state(self, step: int, identity: dict[str, Any], best: float | None, seconds: float) -> State:
        """All of it, whole; every rank must ask, and rank 0's answer alone is to be kept."""
        self.average.gather(self.network)
        network, optimiser = whole(self.network.state_dict()), whole(self.optimiser.state_dict())
        return State(step, network, self.average.network.state_dict(), optimiser, identity, best, seconds)

    def tensors(self, saved: set[str] | None = None) -> dict[str, Tensor]:
        """Its own tensors by name, of sharded ones this rank's part: to be written, or to be filled by what a state holds.

        Args:
            saved: Names that the state has. The optimiser begins without numbers of its own, and gets room for those that are there.
        """
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        found |= {f"average.{name}": value for name, value in self.average.tensors(self.network).items()}
        names = {parameter: name for name, parameter in self.network.named_parameters()}
        for parameter in (p for group in self.optimiser.param_groups for p in group["params"]):
            entry, place = self.optimiser.state[parameter], f"optimiser.{names[parameter]}."
            if saved is not None:
                moments = {key.removeprefix(place) for key in saved if key.startswith(place) and "." not in key.removeprefix(place)}
                entry.update({m: torch.zeros(()) if m == "step" else torch.zeros_like(parameter) for m in sorted(moments, key=_ADAM.index)})
            found |= {place + moment: value for moment, value in entry.items()}
            if not entry:
                del self.optimiser.state[parameter]  # a parameter that never had a gradient; looking made an entry for it
        return found

    def loaded(self) -> None:
        """To be called when :meth:`tensors` have been filled from outside."""
        self.average.follow_buffers(self.network)

    def load(self, state: State) -> None:
        """Goes on from a state, whatever number of ranks it was made on."""
        load_network(self.network, state.network)
        self.average.load(state.average, self.network)
        load_optimiser(self.optimiser, state.optimiser)


def is_finite(values: Mapping[str, float]) -> bool:
    """Whether a step may be taken."""
    return math.isfinite(values["loss"]) and math.isfinite(values["grad_norm"])


def _decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels; none for biases, norms, and parameters that stand alone (embeddings, starts)."""
    decayed, free = [], []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, nn.Linear | nn.Conv2d) and name == "weight"
            (decayed if is_matrix else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _mix(seed: int, step: int) -> int:
    """A 63-bit seed from (seed, step) whose neighbours are unrelated (SplitMix64's finaliser)."""
    x = (seed * 0x9E3779B97F4A7C15 + step + 1) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) & 0x7FFFFFFFFFFFFFFF
