"""Our own background network: its shapes, its file, and that folding leaves its answers."""

from __future__ import annotations

import pytest
import torch

from dd3g.core.errors import CheckpointError
from dd3g.core.model_file import save_model_file
from dd3g.photos.mask_network import KIND, MaskNetwork, MaskNetworkConfig, load_mask_network, save_mask_network

TINY = MaskNetworkConfig(input_size=64, channels=(4, 6, 8, 10, 12), blocks=(1, 1, 2, 2), decoder=(4, 5, 6, 7))


def trained(config: MaskNetworkConfig = TINY) -> MaskNetwork:
    """A network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = MaskNetwork(config, normed=True).train()
    for step in range(5):
        network(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(step)))
    return network.eval()


def test_one_logit_a_pixel_at_any_multiple_of_32():
    network = trained()
    for height, width in ((64, 64), (96, 32)):
        assert network(torch.rand(2, 3, height, width)).shape == (2, 1, height, width)


def test_a_saved_network_gives_the_same_masks(tmp_path):
    network = trained()
    path = tmp_path / "a.safetensors"
    save_mask_network(path, network, {"data": "none"})
    loaded = load_mask_network(path)
    assert loaded.config == TINY
    assert not any("norm" in name for name in loaded.state_dict())
    rgb = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        torch.testing.assert_close(loaded(rgb).sigmoid(), network(rgb).sigmoid(), rtol=0, atol=5e-3)  # fp16 weights


def test_every_parameter_is_used():
    network = trained().train()
    network(torch.rand(2, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_pictures_of_a_batch_do_not_hear_of_each_other():
    network = trained()
    rgb = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(rgb)[1:2], network(rgb[1:2]), rtol=1e-4, atol=1e-5)


def test_the_default_fits_into_two_megabytes(tmp_path):
    torch.manual_seed(0)
    save_mask_network(tmp_path / "a.safetensors", MaskNetwork(MaskNetworkConfig(), normed=True), {})
    assert (tmp_path / "a.safetensors").stat().st_size < 2_000_000


def test_another_architecture_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    network = MaskNetwork(TINY, normed=False)
    for config in ({"depth": 3}, {**TINY.__dict__, "channels": [4, 6]}, {**TINY.__dict__, "channels": [4, 6, 8, 10, 16]}):
        save_model_file(path, kind=KIND, config=config, about={}, tensors=network.state_dict())
        with pytest.raises(CheckpointError, match="another architecture"):
            load_mask_network(path)
    save_model_file(path, kind="student", config={}, about={}, tensors={})
    with pytest.raises(CheckpointError, match="student"):
        load_mask_network(path)
