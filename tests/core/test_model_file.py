"""Model files: round trip, and every wrong file is refused in one sentence."""

import pytest
import torch
from torch import nn

from dd3g.core.errors import CheckpointError, WeightsError
from dd3g.core.model_file import load_model_file, load_strictly, save_model_file
from dd3g.core.weights import THIRD_PARTY, find_weights


def write(path, network, kind="toy", dtype=None):
    save_model_file(path, kind=kind, config={"width": 3}, about={"steps": 5}, tensors=network.state_dict(), dtype=dtype)


def test_round_trip(tmp_path):
    network = nn.Linear(3, 4)
    write(tmp_path / "m.safetensors", network)
    file = load_model_file(tmp_path / "m.safetensors", "toy")
    assert file.config == {"width": 3}
    assert file.about == {"steps": 5}
    other = nn.Linear(3, 4)
    load_strictly(other, file)
    assert torch.equal(other.weight, network.weight)


def test_half_precision_on_disk_is_single_in_memory(tmp_path):
    network = nn.Linear(3, 4)
    write(tmp_path / "m.safetensors", network, dtype=torch.float16)
    file = load_model_file(tmp_path / "m.safetensors", "toy")
    assert file.tensors["weight"].dtype == torch.float32
    assert torch.equal(file.tensors["weight"], network.weight.half().float())


def test_equal_networks_give_equal_bytes(tmp_path):
    network = nn.Linear(3, 4)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.safetensors", network)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_wrong_files_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_model_file(path, "toy")
    write(path, nn.Linear(3, 4))
    with pytest.raises(CheckpointError, match="holds a 'toy' network, and a 'student' network is needed"):
        load_model_file(path, "student")
    whole = path.read_bytes()
    for bad in (b"", b"not safetensors at all", whole[: len(whole) // 2], whole[:8]):
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
            load_model_file(path, "toy")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not a dd3g checkpoint"):
        load_model_file(path, "toy")


def test_another_architecture_is_listed(tmp_path):
    write(tmp_path / "m.safetensors", nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)))
    file = load_model_file(tmp_path / "m.safetensors", "toy")
    with pytest.raises(CheckpointError, match=r"missing 2.weight.*surplus 1.bias.*0.weight is \(4, 3\), expected \(5, 3\)"):
        load_strictly(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)), file)


def test_own_weights_folder_comes_before_the_cache(tmp_path, monkeypatch):
    own, cache = tmp_path / "own", tmp_path / "cache"
    monkeypatch.setenv("DD3G_WEIGHTS", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.raises(WeightsError, match=r"'u2netp' are not here.*own.*or.*cache.*DD3G_WEIGHTS"):
        find_weights("u2netp")
    place = own / THIRD_PARTY["u2netp"].file
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="SHA-256"):
        find_weights("u2netp")
    with pytest.raises(WeightsError, match="unknown weights 'u2'; known are"):
        find_weights("u2")
