"""Part of a network learns; the rest, and the file that comes out, are as they were."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from dd3g.core.errors import InputError
from dd3g.core.model_file import load_model_file
from dd3g.training import fit
from dd3g.training.tuning import add_low_rank, freeze, merged, tuned
from tests.training.test_engine import CONFIG, QUIET, assert_same_state, final_state, stopping_after
from tests.training.toy import toy_recipe


def plain_losses(network, points, step):
    return {"mse": (network(points.x) - points.y).square().mean()}


def toy():
    return toy_recipe(losses=plain_losses)


def test_what_is_frozen_stays_and_the_rest_moves(tmp_path):
    before = {name: value.clone() for name, value in toy().network.state_dict().items()}
    fit(tuned(toy(), frozen=["0"]), CONFIG, tmp_path, QUIET)
    after = final_state(tmp_path).network
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert torch.equal(after["0.bias"], before["0.bias"])
    assert not torch.equal(after["2.weight"], before["2.weight"])


def test_an_update_begins_as_nothing_and_merges_to_the_same_answers():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 5))
    x, names = torch.randn(2, 3, 4, 4), set(network.state_dict())
    before = network(x)
    assert add_low_rank(network, ["0", "2"], 2) == 2
    assert torch.equal(network(x), before)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".up"):
                parameter.normal_()
    whole = merged(network)
    assert not torch.allclose(network(x), before)
    assert torch.allclose(whole(x), network(x), atol=1e-6)  # the same sums, once
    assert set(whole.state_dict()) == names


def test_lora_moves_a_weight_by_its_rank_alone_and_ends_as_an_ordinary_file(tmp_path):
    network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    recipe = replace(toy(), network=network)
    begun = {name: value.clone() for name, value in network.state_dict().items()}
    fit(tuned(recipe, lora=2, adapted=["2"]), CONFIG, tmp_path, QUIET)
    tensors = load_model_file(tmp_path / "last.safetensors", "toy").tensors
    assert set(tensors) == {f"{k}.{n}" for k in (0, 2, 4) for n in ("weight", "bias")}
    moved = tensors["2.weight"] - begun["2.weight"]
    assert torch.linalg.matrix_rank(moved, atol=1e-5).item() == 2
    assert torch.equal(tensors["0.weight"], begun["0.weight"])


def test_lora_is_resumed_bit_for_bit(tmp_path):
    fit(tuned(toy_recipe(), lora=1, adapted=["2"]), CONFIG, tmp_path / "whole", QUIET)
    assert not fit(tuned(stopping_after(13), lora=1, adapted=["2"]), CONFIG, tmp_path / "parts", QUIET)["finished"]
    fit(tuned(toy_recipe(), lora=1, adapted=["2"]), CONFIG, tmp_path / "parts", QUIET)
    assert_same_state(final_state(tmp_path / "whole"), final_state(tmp_path / "parts"))


def test_wrong_parts_are_told_what_there_is():
    network = nn.ModuleDict({"encoder": nn.Linear(1, 1), "decoder": nn.Linear(1, 1)})
    with pytest.raises(InputError, match=r"--freeze encode: no such part; there are encoder, decoder"):
        freeze(network, ["encode"])
    with pytest.raises(InputError, match="leaves nothing to train"):
        freeze(network, ["encoder", "decoder"])
    with pytest.raises(InputError, match="--lora 0: expected a rank of 1 or more"):
        add_low_rank(network, ["encoder"], 0)
