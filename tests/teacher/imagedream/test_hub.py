"""Names on a hub: taken for one only where nothing stands, fetched without code, and refused in one sentence where that fails."""

import pytest

from dd3g.core.errors import CheckpointError
from dd3g.teacher.imagedream.hub import local_path
from dd3g.teacher.imagedream.read import read_checkpoint
from tests.extras import needs_train

from .synthetic import original, port

pytestmark = needs_train  # the hub's client comes with diffusers


@pytest.fixture
def asked(monkeypatch):
    """What the hub's client is asked for; it gives what is put under "gives"."""
    import huggingface_hub

    told = {}

    def snapshot_download(name, *, allow_patterns):
        told.update(name=name, patterns=allow_patterns)
        if isinstance(told["gives"], Exception):
            raise told["gives"]
        return str(told["gives"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return told


def test_a_folder_on_the_hub_is_the_port(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    asked["gives"] = port(tmp_path / "cache")
    assert read_checkpoint("somebody/imagedream").layout == "port"
    assert asked["name"] == "somebody/imagedream"
    assert not any("py" in pattern or "bin" in pattern or pattern == "*" for pattern in asked["patterns"])


@pytest.mark.parametrize(("variant", "name"), [("pixel", "sd-v2.1-base-4view-ipmv.pt"), ("local", "sd-v2.1-base-4view-ipmv-local.pt")])
def test_of_two_flat_files_the_variant_s_own_is_fetched(tmp_path, monkeypatch, asked, variant, name):
    monkeypatch.chdir(tmp_path)
    asked["gives"] = original(tmp_path / "cache" / name).parent
    checkpoint = read_checkpoint("somebody/flat", variant=variant)
    assert (checkpoint.layout, checkpoint.path.name) == ("original", name)
    from fnmatch import fnmatch

    files = ["sd-v2.1-base-4view-ipmv.pt", "sd-v2.1-base-4view-ipmv-local.pt"]
    assert [file for file in files if any(fnmatch(file, pattern) for pattern in asked["patterns"])] == [name]


def test_without_a_network_the_name_and_the_reason_are_told(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    asked["gives"] = OSError("no network\nat all")
    with pytest.raises(
        CheckpointError, match=r"^somebody/imagedream: nothing stands there, and no hub gave it \(no network at all\); check"
    ):
        read_checkpoint("somebody/imagedream")


def test_offline_is_honoured(tmp_path, monkeypatch):
    """The client's own switch: nothing is tried, and the sentence says so."""
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match="no hub gave it"):
        read_checkpoint("somebody/imagedream-that-nobody-has")


@pytest.mark.parametrize(
    "path", ["there/file", "there/mistyped", "somewhere/mistyped.pt", "../up/name", "a/b/c", "/abs/name", "name.pt", "./a/b"]
)
def test_paths_are_not_sent_to_a_hub(tmp_path, monkeypatch, asked, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    assert str(local_path(path, "pixel")) == path.removeprefix("./")
    assert "name" not in asked
