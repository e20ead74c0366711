"""Quadruples on disk (check 38): what goes in comes out, the same bytes for the same quadruples, and no fault is read silently."""

import shutil
from dataclasses import replace

import pytest
import torch

from dd3g.core import NoiseKey, draw_noise
from dd3g.core.errors import InputError
from dd3g.quadruples import Quadruple, read_shard, write_shard
from dd3g.quadruples.record import from_row, to_row

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

SHAPE = (4, 4, 2, 2)


def drawn(image, draw):
    latents = draw_noise(NoiseKey(f"oi {image}", draw), SHAPE).half().float()
    return Quadruple(f"image-{image}", draw, 3.0, 0.0, 0.0, latents, None, None)


def opaque(image, draw):
    """Of a teacher that saw a grey."""
    return replace(drawn(image, draw), elevation_deg=5.0, grey=round(255 * image / 40) / 255)


def inverted(image, elevation_deg=12.5):
    views = (draw_noise(NoiseKey(f"views {image}", 0), (4, 4, 16, 16)).sigmoid() * 255).to(torch.uint8)
    return Quadruple(f"image-{image}", -1, 1.0, 22.5, elevation_deg, None, draw_noise(NoiseKey(f"n {image}", 0), SHAPE), views)


def several():
    return [drawn(i, k) for i in range(20) for k in range(3)] + [inverted(i) for i in range(20)]


def same(one, other):
    plain = [(getattr(q, n) for n in ("key", "guidance", "azimuth_deg", "elevation_deg")) for q in (one, other)]
    assert all(a == b for a, b in zip(*plain, strict=True))
    assert one.grey == pytest.approx(other.grey, abs=1e-7)
    for name in ("latents", "noise", "views"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        assert a is None or b is None or torch.equal(a, b), name


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "u=000000.parquet"
    write_shard(path, several(), SHAPE)
    return path


def test_what_goes_in_comes_out_in_its_order(shard):
    for before, after in zip(several(), read_shard(shard), strict=True):
        same(before, after)


def test_the_same_quadruples_are_the_same_bytes(shard, tmp_path):
    write_shard(tmp_path / "again.parquet", several(), SHAPE)
    assert (tmp_path / "again.parquet").read_bytes() == shard.read_bytes()


def test_the_grey_is_a_column_of_those_that_have_one(shard, tmp_path):
    """So that collections of teachers without one are what they were, byte by byte, and other versions read them."""
    import pyarrow.parquet

    path = tmp_path / "opaque.parquet"
    whole = [opaque(i, k) for i in range(5) for k in range(2)]
    write_shard(path, whole, SHAPE)
    for before, after in zip(whole, read_shard(path), strict=True):
        same(before, after)
    assert "grey" in pyarrow.parquet.read_schema(path).names
    assert "grey" not in pyarrow.parquet.read_schema(shard).names


def test_noise_that_was_drawn_is_its_keys_and_noise_that_was_found_is_kept():
    assert torch.equal(drawn(3, 1).noise_of(SHAPE), draw_noise(NoiseKey("image-3", 1), SHAPE))
    kept = inverted(3).noise
    assert kept is not None
    assert torch.equal(inverted(3).noise_of(SHAPE), kept)


def test_cameras_stand_in_quarters_from_where_the_quadruple_says():
    from dd3g.core import orbit

    assert torch.equal(inverted(0).cameras.camera_from_world, orbit([22.5, 112.5, 202.5, 292.5], 12.5).camera_from_world)


def test_other_programs_can_read_it(shard):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(shard, columns=["image_id", "draw", "guidance"])
    assert table.num_rows == 80
    assert table["draw"].to_pylist()[:4] == [0, 1, 2, 0]


def test_no_flipped_byte_is_read_silently(shard, tmp_path):
    """A byte anywhere is refused with the file's name, or was one that carries nothing."""
    data, broken = shard.read_bytes(), tmp_path / "broken.parquet"
    whole = several()
    refusals = []
    for place in range(0, len(data), len(data) // 150):
        broken.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            for before, after in zip(whole, read_shard(broken), strict=True):
                same(before, after)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 130
    assert all("broken.parquet" in refusal for refusal in refusals)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(shard, share):
    data = shard.read_bytes()
    shard.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"u=000000\.parquet: damaged or not a Parquet file"):
        read_shard(shard)


def test_a_row_that_another_tool_changed_is_named(shard):
    """It writes a fresh CRC, but not the digest."""
    import pyarrow as pa
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(shard)
    guidance = table["guidance"].to_pylist()
    guidance[7] = 4.0
    changed = table.set_column(2, table.schema.field("guidance"), pa.array(guidance, pa.float32()))
    pyarrow.parquet.write_table(changed, shard)
    with pytest.raises(InputError, match=r"row 7 \(image-2#1\): its values do not have the digest"):
        read_shard(shard)


def test_other_files_are_refused(shard, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    with pytest.raises(InputError, match="no such file"):
        read_shard(tmp_path / "nowhere.parquet")
    pyarrow.parquet.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not of format dd3g-quadruples-1"):
        read_shard(tmp_path / "other.parquet")


def test_two_of_one_key_and_other_shapes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"image-0#1: found twice"):
        write_shard(tmp_path / "a.parquet", [drawn(0, 1), drawn(0, 1)], SHAPE)
    with pytest.raises(InputError, match=r"latents are \(4, 4, 2, 2\), expected \(4, 4, 3, 3\)"):
        write_shard(tmp_path / "a.parquet", [drawn(0, 1)], (4, 4, 3, 3))
    assert not list(tmp_path.iterdir())


def test_a_quadruple_is_drawn_or_inverted_and_not_both():
    with pytest.raises(InputError, match="expected latents and a draw"):
        replace(drawn(0, 0), latents=None)
    with pytest.raises(InputError, match="expected latents and a draw"):
        replace(inverted(0), draw=2)
    row = to_row(drawn(0, 0))
    with pytest.raises(InputError, match="sizes"):
        from_row(row, (4, 4, 3, 3))


def test_a_copy_is_as_good(shard, tmp_path):
    shutil.copy(shard, tmp_path / "copy.parquet")
    assert len(read_shard(tmp_path / "copy.parquet")) == 80
