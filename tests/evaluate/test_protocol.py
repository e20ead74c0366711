"""A protocol is frozen: any change of any field is another hash, and what this version does not do is refused."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.evaluate.protocol import Setting, known_protocols, load_protocol, protocol_of

NAMES = ["gso-small-v1", "gso-v1", "orbit16-1"]
FROZEN = {  # a change of a published protocol is a new name
    "gso-small-v1": "d032640018c4c002fa0d00d6e8fe80f00326f9c742f4b7e74909e2dfd21ca28f",
    "gso-v1": "281c4f41d7231cc81ab378ea86b8d49503a644dadeec340ee874e3563093084c",
    "orbit16-1": "1bea0c037641eca605f084e30b3715da8f3434343cba4300275aa563d7484f62",
}


def places(value, path=()):
    """Paths of all leaves of a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))
    else:
        yield path


def changed(value, path):
    """A copy with one leaf changed."""
    made = copy.deepcopy(value)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    old = inner[path[-1]]
    inner[path[-1]] = old + "x" if isinstance(old, str) else "0" * 64 if old is None else old + 1
    return made


@pytest.mark.parametrize("name", NAMES)
def test_published_protocols_stay_what_they_are(name):
    assert known_protocols() == NAMES
    assert load_protocol(name).digest() == FROZEN[name]


@pytest.mark.parametrize("name", ["gso-small-v1", "orbit16-1"])
def test_the_hash_changes_with_every_field(name):
    """Every leaf of the file, however deep: a changed file has another hash, or is refused as what this version does not do."""
    protocol = load_protocol(name)
    about = protocol.about()
    seen = {protocol.digest()}
    refused = 0
    for path in places(about):
        try:
            digest = protocol_of(changed(about, path), "changed").digest()
        except InputError:
            refused += 1
            continue
        assert digest not in seen, path
        seen.add(digest)
    assert len(seen) > 30
    assert refused > 8  # the format, the words, metrics, layouts and counts that don't fit


def test_what_a_refused_field_would_say_is_in_the_hash_too():
    protocol = load_protocol("gso-small-v1")
    for field in ("normalisation", "renderer", "resize", "input", "light"):
        assert replace(protocol, **{field: "other"}).digest() != protocol.digest()
    assert replace(protocol, metrics={**protocol.metrics, "psnr": "other"}).digest() != protocol.digest()


def test_a_protocol_survives_its_file(tmp_path):
    protocol = load_protocol("gso-small-v1")
    mine = replace(protocol, name="mine", size=128)
    (tmp_path / "mine.json").write_text(json.dumps(mine.about()))
    assert load_protocol(tmp_path / "mine.json") == mine
    assert load_protocol(str(tmp_path / "mine.json")).digest() == mine.digest() != protocol.digest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "dd3g-protocol-0"}, "its format is not"),
        ({"renderer": "other-2"}, "this version does 'embree-1'"),
        ({"metrics": {"psnr": "peak"}}, "this version computes"),
        ({"metrics": {}}, "needs psnr"),
        ({"light": "moon"}, "expected one of sky"),
        ({"objects": None}, "'meshes' has no list"),
        ({"settings": []}, "one or more"),
        ({"background": [2.0, 0.0, 0.0]}, r"three numbers in \[0, 1\]"),
        ({"size": 0}, "must be positive"),
        ({"size": None}, "take a protocol file"),
        ({"weather": "fine"}, "missing or unknown: weather"),
    ],
)
def test_what_this_version_does_not_do_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        protocol_of({**load_protocol("gso-small-v1").about(), **change}, "p.json")


def test_names_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"neither a \.json file nor one of gso-small-v1, gso-v1, orbit16-1"):
        load_protocol("gso")
    (tmp_path / "p.json").write_text("[]")
    with pytest.raises(InputError, match="no protocol file"):
        load_protocol(tmp_path / "p.json")


def test_settings_are_the_fields_ones():
    protocol = load_protocol("gso-small-v1")
    assert [s.name for s in protocol.settings] == ["elevation0", "elevation30", "random"]
    assert protocol.objects is not None
    assert len(protocol.objects) == 29
    for setting, elevation in zip(protocol.settings[:2], (0.0, 30.0), strict=True):
        assert setting.azimuths_deg == tuple(k * 22.5 for k in range(16))  # SyncDreamer's ring
        assert set(setting.elevations_deg) == {elevation}
    assert len(set(protocol.settings[2].azimuths_deg)) == 16
    assert all(-10 <= e <= 40 for e in protocol.settings[2].elevations_deg)
    positions = protocol.cameras(protocol.settings[1]).positions()
    assert torch.allclose(positions.norm(dim=-1), torch.tensor(1.5))


def test_a_quarter_turn_takes_each_view_to_one_that_is_there():
    ring = load_protocol("orbit16-1").main
    assert ring.quarter(1) == [(i + 4) % 16 for i in range(16)]
    assert ring.quarter(0) == list(range(16))
    assert load_protocol("gso-small-v1").setting("random").quarter(1) is None
    assert Setting("two", (0.0, 90.0), (0.0, 0.0), 0).quarter(1) is None
    assert ring.others == list(range(1, 16))
