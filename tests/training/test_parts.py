"""What an engine is made of: schedule, average, overrides, parts."""

import itertools
from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from torch import nn

from dd3g.core.errors import CheckpointError, InputError
from dd3g.training.average import Average
from dd3g.training.config import FitConfig, learning_rate
from dd3g.training.overrides import override
from dd3g.training.parts import export_parts, join_parts


def test_learning_rate_rises_linearly_falls_by_cosine_and_ends_at_its_floor():
    config = FitConfig(steps=1000, lr=1.0, lr_final=0.1, warmup_steps=100)
    rates = [learning_rate(config, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == pytest.approx(1.0)
    assert all(a >= b for a, b in itertools.pairwise(rates[99:]))
    assert rates[550] == pytest.approx(0.55, abs=1e-3)
    assert learning_rate(config, 1000) == pytest.approx(0.1)


def test_average_follows_its_closed_form():
    network = nn.Linear(1, 1, bias=False)
    average, expected = Average(network, 0.9), network.weight.item()
    for step in range(30):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    (weight,) = average.network.parameters()
    assert weight.item() == pytest.approx(expected, rel=1e-5)
    assert not weight.requires_grad


@dataclass(frozen=True)
class Inner:
    lr: float = 1e-3
    sizes: tuple[int, ...] = (1, 2)
    mode: Literal["a", "b"] = "a"
    on: bool = False
    limit: float | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    name: str = "x"


@pytest.mark.parametrize(
    ("assignment", "value"),
    [("inner.lr=3e-4", 3e-4), ("inner.sizes=[4, 5, 6]", (4, 5, 6)), ("inner.mode=b", "b"), ("inner.on=true", True), ("inner.limit=2", 2.0)],
)
def test_overrides_change_one_field(assignment, value):
    changed = override(Outer(), assignment)
    name = assignment.split("=")[0].split(".")[1]
    assert getattr(changed.inner, name) == value
    assert changed.name == "x"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("inner.lrr=1", "did you mean lr"),
        ("inner", "expected NAME=VALUE"),
        ("inner=3", "has fields of its own"),
        ("name.x=3", "is a single value"),
        ("inner.mode=c", "one of a, b"),
        ("inner.lr=fast", "'fast' is not float"),
        ("inner.on=yes", "not true or false"),
        ("inner.sizes=4,5", "not a JSON list"),
    ],
)
def test_wrong_overrides_are_explained(assignment, message):
    with pytest.raises(InputError, match=message):
        override(Outer(), assignment)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 35])
def test_parts_join_to_the_same_file(tmp_path, size):
    (tmp_path / "m.bin").write_bytes(bytes(range(size)))
    written = export_parts(tmp_path / "m.bin", tmp_path / "parts", part_bytes=10)
    assert all(path.stat().st_size <= 10 for path in written[:-1])
    assert join_parts(written[-1], tmp_path / "again.bin").read_bytes() == bytes(range(size))


def test_a_damaged_or_missing_part_is_named(tmp_path):
    (tmp_path / "m.bin").write_bytes(bytes(35))
    written = export_parts(tmp_path / "m.bin", tmp_path / "parts", part_bytes=10)
    written[1].write_bytes(b"0123456789")
    with pytest.raises(CheckpointError, match=r"m\.bin\.part1: missing or damaged"):
        join_parts(written[-1], tmp_path / "again.bin")
    assert not (tmp_path / "again.bin").exists()
    with pytest.raises(CheckpointError, match="no such file"):
        export_parts(tmp_path / "none.bin", tmp_path / "parts")
