"""Tables of rows, and two results against each other: paired, seeded, and only where they are of the same objects."""

import copy
import json

import numpy as np
import pytest

from dd3g.core.errors import InputError
from dd3g.distill.signatures import SIGNATURES
from dd3g.evaluate.intervals import bootstrap
from dd3g.evaluate.protocol import load_protocol
from dd3g.evaluate.results import FORMAT, compare, load_results, table, tables

PROTOCOL = load_protocol("gso-small-v1")
COLUMNS = ["psnr", "lpips_alex", "clip", "psnr_input"]


def row(name, psnr, lpips):
    figures = {"psnr": psnr, "lpips_alex": lpips}
    kinds = {"white": {"psnr": 14.0, "lpips_alex": 0.4}, "copy": {"psnr": 18.0, "lpips_alex": 0.2}, "mean": None}
    more = {"quarter": {"turn_deg": 0.0, **figures}, "baselines": kinds, "signatures": dict.fromkeys(SIGNATURES)}
    return {"name": name, "sha256": name * 8, **figures, "psnr_input": 30.0, **more}


def results_of(psnr, lpips):
    rows = [row(f"object {k}", p, q) for k, (p, q) in enumerate(zip(psnr, lpips, strict=True))]
    made = table("elevation0", rows, COLUMNS, PROTOCOL.bootstrap)
    about = {"format": FORMAT, "protocol": PROTOCOL.name, "protocol_digest": PROTOCOL.digest(), "protocol_fields": PROTOCOL.about()}
    return {**about, **made, "settings": {}, "aligned": None, "model": {"kind": "model", "name": "m", "digest": "d"}}


@pytest.fixture
def two():
    """The second is better by 0.3 dB on every object, among objects that differ by 5 dB; and a little worse in LPIPS."""
    random = np.random.default_rng(0)
    psnr, lpips = random.normal(20, 5, 30), random.uniform(0.1, 0.4, 30)
    better = psnr + random.normal(0.3, 0.1, 30)
    return results_of(psnr.tolist(), lpips.tolist()), results_of(better.tolist(), (lpips + 0.01).tolist())


def test_means_and_their_intervals(two):
    first, _ = two
    values = [r["psnr"] for r in first["objects"]]
    assert first["psnr"] == pytest.approx(np.mean(values))
    found = bootstrap(values)
    assert first["figures"]["psnr"] == {"mean": found.mean, "low": found.low, "high": found.high}
    assert first["clip"] is None
    assert first["figures"]["clip"] is None
    assert first["baselines"]["copy"]["psnr"] == pytest.approx(18.0)
    assert first["baselines"]["mean"] is None
    assert first["quarter"]["psnr"]["mean"] == pytest.approx(first["psnr"])
    json.dumps(first, allow_nan=False)


def test_pairing_finds_what_single_intervals_hide(two):
    first, second = two
    found = compare(first, second)["settings"]["elevation0"]
    psnr = found["columns"]["psnr"]
    assert first["figures"]["psnr"]["high"] > second["figures"]["psnr"]["low"]  # alone, they overlap
    assert 0.2 < psnr["difference"]["low"] < 0.3 < psnr["difference"]["high"] < 0.4
    assert psnr["better"] == "second"
    assert found["columns"]["lpips_alex"]["better"] == "first"  # lower is better
    assert found["columns"]["psnr_input"]["better"] is None
    assert "clip" not in found["columns"]
    assert found["objects"][3]["psnr"] == pytest.approx(second["objects"][3]["psnr"] - first["objects"][3]["psnr"])


def test_comparing_is_seeded_and_turns_round(two):
    first, second = two
    there, back = compare(first, second), compare(second, first)
    assert there == compare(first, second)
    for column in ("psnr", "lpips_alex"):
        a, b = (found["settings"]["elevation0"]["columns"][column]["difference"] for found in (there, back))
        assert (a["low"], a["mean"], a["high"]) == pytest.approx((-b["high"], -b["mean"], -b["low"]))
    same = compare(first, first)["settings"]["elevation0"]["columns"]["psnr"]
    assert same["difference"] == {"mean": 0, "low": 0, "high": 0}
    assert same["better"] is None


def test_pairs_are_found_by_name_and_only_common_ones_count(two):
    first, second = two
    fewer = {**second, "objects": second["objects"][::-1][:20]}
    found = compare(first, fewer)["settings"]["elevation0"]
    assert len(found["objects"]) == 20
    assert found["columns"]["psnr"]["difference"]["mean"] == pytest.approx(0.3, abs=0.1)


def test_what_is_not_comparable_is_refused(two):
    first, second = two
    with pytest.raises(InputError, match="different protocols"):
        compare(first, {**second, "protocol_digest": "other"})
    other = copy.deepcopy(second)
    other["objects"][4]["sha256"] = "another file"
    with pytest.raises(InputError, match="different object files named object 4"):
        compare(first, other)
    with pytest.raises(InputError, match="no object in common"):
        compare(first, {**second, "objects": [{**r, "name": r["name"] + "x"} for r in second["objects"]]})


def test_results_are_read_by_file_or_folder(two, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(two[0]))
    assert load_results(tmp_path) == load_results(tmp_path / "results.json") == two[0]
    (tmp_path / "results.json").write_text('{"psnr": 20}')
    with pytest.raises(InputError, match="evaluate again"):
        load_results(tmp_path)


def test_tables_are_named(two):
    first, second = two
    both = {**first, "settings": {"random": second}, "aligned": second}
    assert [name for name, _ in tables(both)] == ["elevation0", "random", "elevation0, aligned"]
    assert set(compare(both, both)["settings"]) == {"elevation0", "random", "elevation0, aligned"}
