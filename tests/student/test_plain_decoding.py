"""The plain decoder's orders and layouts: same parameters, and what depends on what."""

import json
from itertools import permutations

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.student.config import ATTRIBUTES, PEPDConfig, PlainDecodingConfig, config_from_json, config_to_json
from dd3g.student.plain_decoding import PlainDecoder

WIDTH, TOKENS, SLOTS = 16, 3, 2
FIELDS = {"mu": ("means",), "sq": ("scales", "quats_wxyz"), "ca": ("rgb", "opacities")}


def decoder_of(**choices):
    torch.manual_seed(0)
    decoder = PlainDecoder(PlainDecodingConfig(gaussians_per_token=SLOTS, **choices), WIDTH, 2, (1, 1, 1), TOKENS)
    for parameter in decoder.parameters():  # taps begin near zero, which would hide what reaches them
        parameter.data += 0.1 * torch.randn_like(parameter)
    return decoder


def groups_heard(decoder, attribute):
    """Numbers of the groups of blocks that an attribute's values depend on."""
    tokens = torch.randn(2, TOKENS + 2, WIDTH, generator=torch.Generator().manual_seed(1))
    gaussians = decoder(tokens, TOKENS)
    values = torch.cat([getattr(gaussians, name).flatten() for name in FIELDS[attribute]])
    total = (values * torch.randn(len(values), generator=torch.Generator().manual_seed(2))).sum()
    found = set()
    for number, group in enumerate((decoder.group_a, decoder.group_b, decoder.group_c)):
        gradients = torch.autograd.grad(total, list(group.parameters()), retain_graph=True, allow_unused=True)
        if any(g is not None and bool(g.any()) for g in gradients):
            found.add(number)
    return found


@pytest.mark.parametrize("order", list(permutations(ATTRIBUTES)), ids="-".join)
def test_in_every_order_an_attribute_hears_its_group_and_those_before(order):
    decoder = decoder_of(order=order)
    for place, attribute in enumerate(order):
        assert groups_heard(decoder, attribute) == set(range(place + 1))


def test_joint_taps_hear_all_groups():
    assert all(groups_heard(decoder_of(layout="joint"), attribute) == {0, 1, 2} for attribute in ATTRIBUTES)


def test_two_branches_do_not_hear_each_other():
    decoder = decoder_of(layout="dual")
    assert groups_heard(decoder, "mu") == groups_heard(decoder, "sq") == {0}
    assert groups_heard(decoder, "ca") == {1, 2}


def test_arms_differ_in_nothing_but_where_they_read():
    """The same parameters by name and shape, so that a comparison is of order alone and files are of one kind."""
    shapes = {
        str(choices): {name: t.shape for name, t in decoder_of(**choices).state_dict().items()}
        for choices in ({}, {"order": ("ca", "sq", "mu")}, {"layout": "joint"}, {"layout": "dual"})
    }
    assert len({str(found) for found in shapes.values()}) == 1


@pytest.mark.parametrize(
    "choices",
    [
        {"order": ("mu", "mu", "ca")},
        {"layout": "joint", "order": ("ca", "sq", "mu")},
        {"layout": "dual", "feedback": True},
        {"order": ("sq", "mu", "ca"), "feedback": True},
    ],
)
def test_what_makes_no_sense_is_refused(choices):
    with pytest.raises(InputError, match="decoding"):
        PlainDecodingConfig(**choices)


def test_choices_survive_json_and_the_papers_own_need_not_be_named():
    """A file from before there was a choice is the paper's order."""
    other = PEPDConfig(decoding=PlainDecodingConfig(order=("sq", "mu", "ca")), type_spread=0.5)
    assert config_from_json(json.loads(json.dumps(config_to_json(other)))) == other
    written = config_to_json(PEPDConfig(decoding=PlainDecodingConfig()))
    assert not {"order", "layout"} & written["decoding"].keys()
    assert "type_spread" not in written
    assert config_from_json(written) == PEPDConfig(decoding=PlainDecodingConfig())
