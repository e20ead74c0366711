"""Every mode and bit depth against values that the test computes itself, and everything that must be refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dd3g.core.errors import PictureError
from dd3g.photos import decode as decode_module
from dd3g.photos.decode import decode

from .picture_files import chunk, headless_png, png_bytes, rgb_profile, saved, smooth


def pixels_of(picture) -> np.ndarray:
    return decode(picture).rgb.permute(1, 2, 0).numpy()


def alpha_of(picture) -> np.ndarray:
    alpha = decode(picture).alpha
    assert alpha is not None
    return alpha[0].numpy()


@pytest.fixture
def ramp() -> np.ndarray:
    """16-bit values whose lower byte matters, in every channel others: (h, w, 4)."""
    return (np.arange(20 * 24 * 4, dtype=np.uint32) * 9973 % 65536).astype(np.uint16).reshape(20, 24, 4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("filter_type", [0, 2])
def test_sixteen_bit_png_keeps_its_lower_bytes(ramp, channels, filter_type):
    pixels = np.ascontiguousarray(ramp[..., :channels])
    decoded = decode(png_bytes(pixels, filter_type=filter_type))
    wanted = pixels.astype(np.float64) / 65535
    colour = wanted[..., : 3 if channels > 2 else 1]
    np.testing.assert_allclose(decoded.rgb.permute(1, 2, 0).numpy(), np.broadcast_to(colour, (20, 24, 3)), atol=1e-7)
    assert (decoded.alpha is None) == (channels in (1, 3))
    if decoded.alpha is not None:
        np.testing.assert_allclose(decoded.alpha[0].numpy(), wanted[..., -1], atol=1e-7)


def test_sixteen_bit_png_with_a_transparent_colour(ramp):
    grey = np.ascontiguousarray(ramp[..., :1])
    alpha = alpha_of(png_bytes(grey, extra=chunk(b"tRNS", struct.pack(">H", grey[3, 4, 0]))))
    np.testing.assert_array_equal(alpha == 0, grey[..., 0] == grey[3, 4, 0])


def test_sixteen_bit_grey_pillow_image(ramp):
    grey = ramp[..., 0]
    np.testing.assert_allclose(pixels_of(Image.fromarray(grey))[..., 1], grey / 65535, atol=1e-7)


@pytest.mark.parametrize(("kind", "tolerance"), [("PNG", 0), ("BMP", 0), ("WEBP", 0), ("JPEG", 6 / 255)])
def test_eight_bit_rgb_of_every_format(kind, tolerance):
    rgb = smooth(40, 50)
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 97, "subsampling": 0}}.get(kind, {})
    np.testing.assert_allclose(pixels_of(saved(Image.fromarray(rgb), kind, **options)), rgb / 255, atol=tolerance + 1e-7)


def test_grey_and_one_bit():
    grey = smooth(20, 30)[..., 0]
    np.testing.assert_allclose(pixels_of(saved(Image.fromarray(grey), "PNG"))[..., 2], grey / 255, atol=1e-7)
    black_or_white = Image.fromarray(grey > 127)
    assert black_or_white.mode == "1"
    np.testing.assert_array_equal(pixels_of(saved(black_or_white, "PNG"))[..., 0], (grey > 127).astype(np.float32))


def test_grey_and_alpha():
    rgb = smooth(20, 30)
    both = np.ascontiguousarray(rgb[..., :2])
    decoded = decode(png_bytes(both))
    np.testing.assert_allclose(decoded.rgb[0].numpy(), both[..., 0] / 255, atol=1e-7)
    np.testing.assert_allclose(alpha_of(png_bytes(both)), both[..., 1] / 255, atol=1e-7)


def palette_image() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    colours = np.array([[10, 20, 30], [200, 100, 50], [0, 255, 0]], np.uint8)
    index = (np.add.outer(np.arange(20), np.arange(24)) % 3).astype(np.uint8)
    image = Image.frombytes("P", (24, 20), index.tobytes())
    image.putpalette(colours.tobytes())
    return image, colours, index


def test_palette():
    image, colours, index = palette_image()
    decoded = decode(saved(image, "PNG"))
    assert decoded.alpha is None
    np.testing.assert_allclose(decoded.rgb.permute(1, 2, 0).numpy(), colours[index] / 255, atol=1e-7)


@pytest.mark.parametrize("transparency", [2, bytes([255, 128, 0])])
def test_palette_with_transparency(transparency):
    image, colours, index = palette_image()
    data = saved(image, "PNG", transparency=transparency)
    opacity = np.array([255, 255, 0] if transparency == 2 else list(transparency))
    np.testing.assert_allclose(alpha_of(data), opacity[index] / 255, atol=1e-7)
    np.testing.assert_allclose(pixels_of(data), colours[index] / 255, atol=1e-7)


def test_rgb_with_a_transparent_colour():
    image, _, index = palette_image()
    data = saved(image.convert("RGB"), "PNG", transparency=(0, 255, 0))
    np.testing.assert_array_equal(alpha_of(data), (index != 2).astype(np.float32))


def test_cmyk_jpeg_is_not_inverted():
    """Adobe's CMYK files store ink inverted: a reader that misses it shows the negative."""
    cmyk = np.zeros((32, 32, 4), np.uint8)
    cmyk[:16, :, 0] = 255  # cyan above
    cmyk[16:, :, 3] = 128  # half black below
    data = saved(Image.frombytes("CMYK", (32, 32), cmyk.tobytes()), "JPEG", quality=97)
    assert b"Adobe" in data
    rgb = pixels_of(data)
    np.testing.assert_allclose(rgb[4, 4], [0, 1, 1], atol=0.03)
    np.testing.assert_allclose(rgb[-4, -4], [0.5, 0.5, 0.5], atol=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_undone(orientation, kind):
    """Stored so that undoing the orientation gives ``upright``; values by the EXIF standard's table of first row and column."""
    upright = smooth(24, 40)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 97, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    decoded = decode(saved(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif.tobytes(), **options))
    assert (decoded.height, decoded.width) == (24, 40)
    np.testing.assert_allclose(decoded.rgb.permute(1, 2, 0).numpy(), upright / 255, atol=8 / 255)


def test_a_wide_gamut_profile_is_converted():
    """Against the same conversion done here with matrices: linear light of the profile's primaries to those of sRGB."""
    wide = {"red": (0.68, 0.32), "green": (0.265, 0.69), "blue": (0.15, 0.06)}  # P3's primaries
    srgb = {"red": (0.64, 0.33), "green": (0.30, 0.60), "blue": (0.15, 0.06)}

    def xyz_of(primaries) -> np.ndarray:
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries.values()]).T
        return columns * np.linalg.solve(columns, [0.95047, 1.0, 1.08883])

    rgb = np.tile(np.array([[120, 120, 120], [180, 120, 90], [90, 150, 120], [60, 80, 160]], np.uint8), (16, 8, 1))
    linear = (rgb / 255) ** 2.2 @ (np.linalg.inv(xyz_of(srgb)) @ xyz_of(wide)).T
    wanted = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055).clip(0, 1)
    found = pixels_of(saved(Image.fromarray(rgb), "PNG", icc_profile=rgb_profile(**wide, gamma=2.2)))
    np.testing.assert_allclose(found, wanted, atol=1.6 / 255)  # 8-bit rounding here and there
    assert np.abs(found - rgb / 255).max() > 5 / 255, "the profile changed nothing: the test can't fail"


def test_a_profile_that_is_srgb_leaves_every_bit():
    from PIL import ImageCms

    rgb = smooth(40, 50)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal((pixels_of(saved(Image.fromarray(rgb), "PNG", icc_profile=profile)) * 255).round(), rgb)


@pytest.mark.parametrize("profile", [b"no profile at all", rgb_profile((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), 2.2)[:200]])
def test_a_broken_profile_is_said_and_ignored(profile):
    rgb = smooth(20, 20)
    decoded = decode(saved(Image.fromarray(rgb), "PNG", icc_profile=profile))
    assert [finding.code for finding in decoded.findings] == ["profile_ignored"]
    np.testing.assert_allclose(decoded.rgb.permute(1, 2, 0).numpy(), rgb / 255, atol=1e-7)


def test_a_profile_of_another_colour_space_is_said_and_ignored():
    profile = rgb_profile((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), 2.2)
    decoded = decode(saved(Image.fromarray(smooth(20, 20)[..., 0]), "PNG", icc_profile=profile))
    assert [finding.code for finding in decoded.findings] == ["profile_ignored"]


def test_sixteen_bit_with_a_profile():
    profile = rgb_profile((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), 2.2)
    rgb = smooth(20, 24)
    wide = png_bytes(rgb.astype(np.uint16) * 257, extra=chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))
    narrow = saved(Image.fromarray(rgb), "PNG", icc_profile=profile)
    np.testing.assert_allclose(pixels_of(wide), pixels_of(narrow), atol=1e-6)


def test_arrays_and_tensors_of_every_type():
    rgb = smooth(20, 30)
    wanted = rgb / 255
    for picture in (rgb, rgb.astype(np.uint16) * 257, wanted, wanted.astype(np.float16)):
        np.testing.assert_allclose(pixels_of(picture), wanted, atol=1e-3 if picture.dtype == np.float16 else 1e-6)
        tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0)))
        np.testing.assert_array_equal(pixels_of(tensor), pixels_of(picture))
    np.testing.assert_array_equal(pixels_of(rgb[..., 0])[..., 2], pixels_of(rgb[..., :1])[..., 1])
    assert alpha_of(np.concatenate([rgb, rgb[..., :1]], -1)).shape == (20, 30)
    assert alpha_of(rgb[..., :2]).shape == (20, 30)
    assert set(np.unique(pixels_of(rgb[..., 0] > 90))) == {0, 1}


def test_path_bytes_and_image_agree(tmp_path):
    rgb = smooth(30, 20)
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    for picture in (path, str(path), path.read_bytes(), Image.open(path), rgb):
        np.testing.assert_array_equal(pixels_of(picture), pixels_of(path))


def test_a_large_picture_is_reduced_as_it_is_read():
    rgb = np.zeros((120, 6000, 3), np.uint8)
    rgb[:, 3000:] = 200
    for data in (
        saved(Image.fromarray(rgb), "PNG"),
        saved(Image.fromarray(rgb), "JPEG", quality=95),
        png_bytes(rgb.astype(np.uint16) * 257),
    ):
        decoded = decode(data)
        assert max(decoded.rgb.shape) <= decode_module.WORKING_SIDE
        assert (decoded.height, decoded.width) == (120, 6000)
        assert [finding.code for finding in decoded.findings] == ["reduced"]
        assert float(decoded.rgb[..., :700].max()) < 0.02
        assert float(decoded.rgb[..., -700:].min()) == pytest.approx(200 / 255, abs=0.02)


def test_reducing_does_not_mix_in_hidden_colour():
    """Red under transparent pixels must not tint the visible blue beside it."""
    rgba = np.zeros((72, 4104, 4), np.uint8)
    rgba[..., :3] = [255, 0, 0]
    rgba[:, 1::2] = [0, 0, 255, 255]
    for data in (png_bytes(rgba), png_bytes(rgba.astype(np.uint16) * 257)):
        decoded = decode(data)
        np.testing.assert_allclose(decoded.rgb.amax((1, 2)).numpy(), [0, 0, 1], atol=0.01)
        assert decoded.alpha is not None
        assert float(decoded.alpha.max()) < 0.7


def test_the_first_picture_of_an_animation_is_used():
    frames = [Image.fromarray(smooth(20, 30)), Image.fromarray(255 - smooth(20, 30))]
    decoded = decode(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert [finding.code for finding in decoded.findings] == ["first_frame"]
    np.testing.assert_allclose(decoded.rgb.permute(1, 2, 0).numpy(), smooth(20, 30) / 255, atol=1e-6)


# What must be refused: every message is one sentence with the path, what was found and the mend.


def refused(picture, *words: str) -> str:
    with pytest.raises(PictureError) as caught:
        decode(picture)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return message


def test_missing_and_folder(tmp_path):
    refused(tmp_path / "none.png", str(tmp_path / "none.png"), "no such file")
    refused(tmp_path, str(tmp_path), "is a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(saved(Image.fromarray(smooth(20, 20)), "PNG"))
    path.chmod(0)
    refused(path, str(path), "can't be read")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"GIF89a" + bytes(40), "GIF"),
        (b"II*\0" + bytes(40), "TIFF"),
    ],
)
def test_not_a_picture(tmp_path, data, words):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    refused(path, str(path), words, "PNG, JPEG, WebP or BMP")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_truncated(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), kind)
    path = tmp_path / "a.bin"
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, str(path))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_sixteen_bit(ramp, share):
    data = png_bytes(ramp)
    refused(data[: int(len(data) * share)], "bytes")


def test_144_megapixels_are_refused_before_decoding(recwarn):
    refused(headless_png(12000, 12000), "144 megapixels", "at most 100", "smaller")
    refused(headless_png(60000, 60000), "megapixels", "smaller")  # beyond what Pillow itself refuses
    assert len(recwarn) == 0


def test_zero_size_and_too_small():
    refused(headless_png(0, 0))
    refused(saved(Image.fromarray(smooth(8, 40)), "PNG"), "40x8", "at least 16")
    refused(headless_png(3000, 20), "3000x20", "crop it")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((20, 20, 5), np.uint8), "shape (20, 20, 5)"),
        (np.zeros((3, 20, 20), np.uint8), "reorder"),
        (np.zeros((20,), np.uint8), "shape (20,)"),
        (np.full((20, 20, 3), 200.0), "0 to 1"),
        (np.full((20, 20, 3), np.nan), "not finite"),
        (np.zeros((20, 20, 3), np.int64), "int64"),
        (np.zeros((0, 20, 3)), "20x0"),
        (torch.zeros(20, 20, 3), "reorder"),
        (torch.zeros(3, 20, 20, dtype=torch.int32), "int32"),
        (torch.full((3, 20, 20), -0.5), "0 to 1"),
    ],
)
def test_arrays_that_are_no_pictures(picture, words):
    refused(picture, words)


def test_pillow_modes_without_a_known_range():
    refused(Image.fromarray(np.zeros((20, 20), np.float32)), "mode F", "convert")


def test_bytes_are_never_mistaken_for_paths():
    refused(bytes(Path(__file__)), "not a picture")


def test_reading_twice_gives_the_same():
    data = io.BytesIO(saved(Image.fromarray(smooth(50, 60)), "JPEG")).getvalue()
    assert torch.equal(decode(data).rgb, decode(data).rgb)
