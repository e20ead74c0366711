"""The way of a picture into the student: decode, find the object, put it in frame."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError, PictureError
from dd3g.core.threads import one_thread
from dd3g.photos.colours import foreground, sharpened
from dd3g.photos.cutout import NetworkName, cut_out
from dd3g.photos.decode import Decoded, PictureSource, decode
from dd3g.photos.findings import Finding, note
from dd3g.photos.framing import Framing, apply_framing, framing_of
from dd3g.photos.inspection import about_alpha, about_framed, about_matte
from dd3g.photos.prepared import Prepared, prepared_from

Background: TypeAlias = Literal["auto", "alpha", "small", "u2netp", "none"]
_TRANSPARENT_SHARE = 0.005  # alpha is real where at least this share of the picture is (nearly) transparent
_NEARLY = 0.1
_LEAST_SHARE = 0.0005  # a smaller object is a speck: nothing to make a splat from
_ROUNDS = 4  # of framing again what thin parts, lost in shrinking, put out of frame


def prepare(picture: PictureSource, *, background: Background = "auto", size: int = 256) -> Prepared:
    """A picture as the student wants it: the object alone, centred, its longest side 0.75 of the frame.

    Args:
        picture: Path, bytes of a file, Pillow image, array (h, w, c) or tensor (c, h, w); see :func:`dd3g.photos.decode.decode`.
        background: Where the object's mask comes from. ``"alpha"``: the picture's own alpha channel. ``"small"``: the bundled network.
            ``"u2netp"``: U2-Net small, whose weights are fetched apart. ``"none"``: the whole picture is the object. ``"auto"``: alpha
            where the picture has a real one, else ``"small"``.
        size: Side of the prepared picture in pixels.

    Raises:
        PictureError: The picture can't be read, or no object is found in it.
        InputError: An unknown ``background``, or a size below 16.
        WeightsError: The weights that ``background`` names are not here.
    """
    if background not in get_args(Background):
        raise InputError(f"background: '{background}' is not known; choose one of {', '.join(get_args(Background))}")
    if size < 16:
        raise InputError(f"size: found {size}; the prepared picture needs at least 16 pixels a side")
    with one_thread():
        return _prepared(picture, background, size)


def _prepared(picture: PictureSource, background: Background, size: int) -> Prepared:
    decoded = decode(picture)
    method, findings = _method(decoded, background)
    if method in ("small", "u2netp"):
        alpha, matte = cut_out(decoded.rgb, cast(NetworkName, method))
        findings += about_matte(matte)
    elif method == "alpha":
        assert decoded.alpha is not None
        alpha = decoded.alpha
    else:
        alpha = torch.ones_like(decoded.rgb[:1])
    _refuse_nothing(alpha, decoded.name, method)
    framing, rgb, framed = _framed(decoded.rgb, alpha, size, mixed=method in ("small", "u2netp"))
    if method != "none":
        findings += about_alpha(alpha, own=method == "alpha")
    source_pixels = decoded.width / decoded.rgb.shape[-1]
    framing = Framing(framing.centre_x * source_pixels, framing.centre_y * source_pixels, framing.side * source_pixels)
    findings += about_framed(rgb, framed, framing, size)
    return prepared_from(rgb, framed, framing, method, (*decoded.findings, *findings))


def check(picture: PictureSource) -> list[Finding]:
    """What is worth knowing about a picture before anything is made from it, for ``background="auto"``.

    Raises:
        PictureError: As :func:`prepare` does: nothing can be made from it.
    """
    return list(prepare(picture).findings)


def _method(decoded: Decoded, background: Background) -> tuple[str, list[Finding]]:
    """Whose mask is used, and what that leaves unused."""
    if background not in ("auto", "alpha"):
        return background, []
    alpha = decoded.alpha
    if alpha is not None and float(alpha.max()) < 2 / 255:
        raise PictureError(f"{decoded.name}: is transparent everywhere; export it with its object visible, or choose background=small")
    real = alpha is not None and float((alpha < _NEARLY).float().mean()) >= _TRANSPARENT_SHARE
    if real:
        return "alpha", []
    if background == "alpha":
        found = "no alpha channel" if alpha is None else "an alpha channel without transparent parts"
        raise PictureError(f"{decoded.name}: has {found}, and background=alpha needs one that cuts the object out; choose background=auto")
    ignored = [note("alpha_ignored", "the alpha channel has no transparent parts and is not used")] if alpha is not None else []
    return "small", ignored


def _refuse_nothing(alpha: Float[Tensor, "1 h w"], name: str, method: str) -> None:
    if float(alpha.max()) == 0 or float(alpha.mean()) < _LEAST_SHARE * float(alpha.max()):
        others = "or background=small" if method == "alpha" else "one with alpha, background=u2netp, or background=none"
        raise PictureError(f"{name}: no object was found in it; try another picture, {others}")


def _framed(
    rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "1 h w"], size: int, *, mixed: bool
) -> tuple[Framing, Float[Tensor, "3 {size} {size}"], Float[Tensor, "1 {size} {size}"]]:
    """The crop, and straight colour and alpha in it.

    Args:
        rgb: The picture.
        alpha: Of the object.
        size: Side of the crop in pixels.
        mixed: Whether colours at the object's edge are mixed with the old background, as they are in a photograph.
    """
    framing = framing_of(alpha)
    for _ in range(_ROUNDS):
        framed_rgb, framed_alpha = _cropped(rgb, alpha, framing, size, mixed=mixed)
        again = framing_of(framed_alpha)
        if float(again.side) == size:
            return framing, framed_rgb, framed_alpha
        step = framing.side / size
        x, y = (framing.centre_x + (again.centre_x - size / 2) * step, framing.centre_y + (again.centre_y - size / 2) * step)
        framing = Framing(x, y, again.side * step)
    return framing, *_cropped(rgb, alpha, framing, size, mixed=mixed)


def _cropped(
    rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "1 h w"], framing: Framing, size: int, *, mixed: bool
) -> tuple[Float[Tensor, "3 {size} {size}"], Float[Tensor, "1 {size} {size}"]]:
    if not mixed:
        return apply_framing(rgb, alpha, framing, size)
    # Photograph and mask are reduced apart: the mixture rgb = alpha F + (1 - alpha) B holds for the reduced ones as well.
    photograph, inside = apply_framing(rgb, torch.ones_like(alpha), framing, size)
    mask, _ = apply_framing(alpha.expand(3, -1, -1), torch.ones_like(alpha), framing, size)
    framed_alpha = sharpened(photograph, mask[:1]) * inside
    return foreground(photograph, framed_alpha), framed_alpha
