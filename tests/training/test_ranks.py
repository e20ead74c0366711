"""Several processes are one: the batch, the gradient, the state on disk. gloo on the CPU, started as torchrun starts them."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.training import SessionConfig, fit
from dd3g.training.checkpoint import load_state
from dd3g.training.sharded_state import Commit, read_commit
from dd3g.training.shares import share
from dd3g.training.spread import blocks_of
from tests.training.distributed_run import CONFIG, Blocks, run
from tests.training.toy import toy_recipe

# float32 sums in another order, over 20 steps of a smooth network: a hundred times the rounding of one
TOLERANCE = 1e-5


def on_two_ranks(out, steps, parallel, stop=0, state="whole"):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "tests.training.distributed_run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(out), str(steps), parallel, str(stop), state], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_state(out / "checkpoints" / "last.pt") if state == "whole" else read_commit(out / "checkpoints", "last")


def off(first, second):
    assert first.step == second.step
    return max(
        (getattr(first, name)[key] - getattr(second, name)[key]).abs().max().item()
        for name in ("network", "average")
        for key in getattr(first, name)
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    run(out, 20)
    return load_state(out / "checkpoints" / "last.pt")


@pytest.mark.parametrize(
    ("parallel", "state"), [("ddp", "whole"), ("fsdp", "sharded"), pytest.param("fsdp", "whole", marks=pytest.mark.slow)]
)
def test_two_ranks_equal_one_and_one_goes_on_from_two(tmp_path, alone, parallel, state):
    """The signal reaches the second rank alone: both stop after the same step, and one rank ends what two began."""
    begun = on_two_ranks(tmp_path, 20, parallel, stop=12, state=state)
    assert begun is not None
    assert begun.step == 12
    if isinstance(begun, Commit):
        assert {p.name for p in (tmp_path / "checkpoints" / begun.folder).iterdir()} == {".metadata", "__0_0.distcp", "__1_0.distcp"}
        assert not list((tmp_path / "checkpoints").glob("*.pt"))
    run(tmp_path, 20)
    assert off(load_state(tmp_path / "checkpoints" / "last.pt"), alone) < TOLERANCE
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "state"), [("ddp", "whole"), ("fsdp", "whole"), ("ddp", "sharded"), ("fsdp", "sharded")])
def test_two_ranks_equal_one_to_the_end_and_go_on_from_one(tmp_path, alone, parallel, state):
    assert off(on_two_ranks(tmp_path / "whole", 20, parallel), alone) < TOLERANCE
    begin = tmp_path / "begun"
    run(begin, 20, stop=9, sharded=state == "sharded")
    assert off(on_two_ranks(begin, 20, parallel), alone) < TOLERANCE


def test_passes_and_one_pass_are_one_step(tmp_path, alone):
    run(tmp_path, 20, accumulate=4)
    assert off(load_state(tmp_path / "checkpoints" / "last.pt"), alone) < TOLERANCE


def test_what_a_loss_draws_differs_from_pass_to_pass(tmp_path):
    drawn = []

    def noting(network, points, step):
        drawn.append(torch.rand(1).item())
        return {"mse": (network(points.x) - points.y).square().mean()}

    fit(toy_recipe(losses=noting), replace(CONFIG, steps=3, accumulate=4), tmp_path, SessionConfig(threads=1, quiet=True))
    assert len(set(drawn)) == 12


def test_recomputed_blocks_give_the_same_weights(tmp_path, alone):
    calls = []

    class Counted(Blocks):
        def guess(self, x):
            calls.append(self.blocks[0].forward)
            return super().guess(x)

    torch.manual_seed(0)
    recipe = replace(toy_recipe(losses=lambda n, p, s: {"mse": (n.guess(p.x) - p.y).square().mean()}, evaluate=None), network=Counted())
    fit(replace(recipe, score=None), CONFIG, tmp_path, SessionConfig(threads=1, quiet=True, recompute=True))
    assert off(load_state(tmp_path / "checkpoints" / "last.pt"), alone) == 0
    assert "checkpoint" in repr(calls[0])


def test_a_network_without_blocks_says_so(tmp_path):
    with pytest.raises(InputError, match=r"--recompute: this network \(toy\) has no blocks"):
        fit(toy_recipe(), CONFIG, tmp_path, SessionConfig(threads=1, quiet=True, recompute=True))


def test_blocks_are_the_outermost_members_of_lists():
    network = Blocks()
    assert blocks_of(network) == list(network.blocks)


@dataclass
class Inner:
    a: torch.Tensor
    height: int


@dataclass
class Outer:
    x: torch.Tensor
    inner: Inner


def test_shares_are_the_batch_in_order_and_nothing_twice():
    batch = Outer(torch.arange(12.0).reshape(6, 2), Inner(torch.arange(6), 48))
    parts = [share(batch, k, 3) for k in range(3)]
    assert torch.equal(torch.cat([p.x for p in parts]), batch.x)
    assert torch.equal(torch.cat([p.inner.a for p in parts]), batch.inner.a)
    assert parts[0].inner.height == 48


def test_shares_that_are_not_equal_are_refused():
    batch = Outer(torch.zeros(6, 2), Inner(torch.zeros(6), 48))
    with pytest.raises(InputError, match=r"a batch of 6 can't be split in 4 equal parts.*multiple of 4"):
        share(batch, 0, 4)
    with pytest.raises(InputError, match=r"can't be split \(rows: Outer\.x 6, Outer\.inner\.a 5\)"):
        share(replace(batch, inner=Inner(torch.zeros(5), 48)), 0, 2)


def test_what_ray_runs_is_the_command_without_its_launcher():
    from dd3g.cli.ray_launcher import without_launcher

    asked = ["train", "views", "--launcher", "ray", "--ranks=2", "--out", "run"]
    assert without_launcher(asked) == ["train", "views", "--out", "run"]
