"""The rules make exactly the published checkpoint's names, shapes and operations, and exactly the stock networks' names."""

import gzip
from pathlib import Path

import pytest
import torch

from dd3g.teacher.imagedream.layouts import PARTS, faults, origins, rows_of, stored_shapes
from dd3g.teacher.imagedream.rows import parameters, source_shapes, target_shapes
from dd3g.teacher.imagedream.sizes import PUBLISHED, sizes_from_json, sizes_to_json
from tests.extras import needs_train

from .synthetic import SMALL

LISTED = gzip.decompress((Path(__file__).parent / "data" / "published_names.tsv.gz").read_bytes()).decode().splitlines()
TOTALS = {  # tensors and parameters, in the original and in the stock network
    "unet": (773, 941_672_900, 777, 941_672_900),
    "vae": (248, 83_653_863, 248, 83_653_863),
    "text": (294, 354_032_641, 372, 340_387_840),
    "vision": (392, 632_076_800, 519, 630_766_080),
}


@pytest.mark.parametrize("part", PARTS)
def test_rules_make_the_listed_names_shapes_and_operations(part):
    made = {
        "\t".join([part, row.source, "x".join(map(str, row.shape)), row.operation, " ".join(row.targets)])
        for row in rows_of(part, PUBLISHED)
    }
    assert made == {line for line in LISTED if line.startswith(part + "\t")}


@pytest.mark.parametrize("part", PARTS)
def test_counts_and_totals_are_the_published_ones(part):
    rows = rows_of(part, PUBLISHED)
    sources, targets = source_shapes(rows), target_shapes(rows)
    assert (len(sources), parameters(sources.values()), len(targets), parameters(targets.values())) == TOTALS[part]
    assert len(sources) == len(rows)  # no name twice


@pytest.mark.parametrize("sizes", [PUBLISHED, SMALL], ids=["published", "small"])
@pytest.mark.parametrize("part", PARTS)
def test_every_stored_tensor_is_used_once(part, sizes):
    """A map, and onto: targets are pieces of stored tensors, all pieces are used, and only what is dropped is left over."""
    dropped = {row.source for row in rows_of(part, sizes) if row.operation == "drop"}
    for layout in ("original", "port", "converted"):
        stored, found = stored_shapes(part, layout, sizes), origins(part, layout, sizes)
        pieces = {(origin.name, origin.index) for origin in found.values()}
        assert len(pieces) == len(found)
        assert pieces == {(origin.name, i) for origin in found.values() for i in range(origin.of)}
        assert set(stored) - {name for name, _ in pieces} == (dropped if layout == "original" else set())


@needs_train
@pytest.mark.parametrize("sizes", [SMALL, PUBLISHED], ids=["small", "published"])
def test_targets_are_the_stock_networks_names_and_shapes(sizes):
    from dd3g.teacher.imagedream.clip import TextTower, VisionTower
    from dd3g.teacher.imagedream.network import ImageDreamConfig, imagedream_unet
    from dd3g.teacher.imagedream.vae import autoencoder

    with torch.device("meta"):
        networks = {
            "unet": imagedream_unet(ImageDreamConfig(sizes)),
            "vae": autoencoder(sizes.vae),
            "text": TextTower(sizes.text),
            "vision": VisionTower(sizes.vision),
        }
    for part, network in networks.items():
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        assert faults(wanted, target_shapes(rows_of(part, sizes))) == [], part


def test_sizes_come_back_from_json():
    for sizes in (PUBLISHED, SMALL):
        assert sizes_from_json(sizes_to_json(sizes)) == sizes


def test_a_fault_names_the_tensor_and_both_shapes():
    found = faults({"a": (1,), "b": (2,), "c": (3,)}, {"a": (1,), "b": (4,), "d": (5,)}, "net.")
    assert found == ["missing net.c", "unexpected net.d", "net.b is (4,), expected (2,)"]
