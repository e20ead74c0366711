"""Files that are near ImageDream's and are not: told apart by a few tensors of their U-Net, and refused with the reason.

What has ImageDream's names and shapes can't be told from it here: its `-local` sibling, the first stage of CRM, a fine-tune. For these
there is the user's word, the file's name, the noise schedule if the file holds one, and the SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping

from dd3g.teacher.imagedream.rows import Shape

_LOCAL = "local"  # in the name of the sibling without a pixel frame: sd-v2.1-base-4view-ipmv-local.pt


def refusal(unet: Mapping[str, Shape]) -> str | None:
    """Why a U-Net, by the original's names, is not of ImageDream's family; None where it is.

    Args:
        unet: Names without prefix, and shapes.
    """
    first = unet.get("input_blocks.0.0.weight")
    if first is not None and len(first) == 4 and first[1] == 8:
        return "its first convolution takes 8 channels: the second stage of CRM or another descendant, which needs rendered pictures"
    if not any(name.startswith("camera_embed.") for name in unet):
        return "it takes no cameras: Stable Diffusion or a relative with a single view"
    if not any(name.startswith("image_embed.") or name.endswith(("to_k_ip.weight", "to_v_ip.weight")) for name in unet):
        return f"{_mvdream(unet)}: it draws from text and can't see a picture"
    return None


def _mvdream(unet: Mapping[str, Shape]) -> str:
    crossed = unet.get("middle_block.1.transformer_blocks.0.attn2.to_k.weight", ())
    kernel = unet.get("middle_block.1.proj_in.weight", ())
    return "MVDream (sd-v1.5-4view)" if crossed[1:] == (768,) or len(kernel) == 4 else "MVDream (sd-v2.1-base-4view)"


def port_refusal(index: Mapping[str, object], unet_settings: Mapping[str, object]) -> str | None:
    """Why a folder with diffusers' layout is not ImageDream's port, by its JSON files; None where nothing speaks against it."""
    if unet_settings.get("_class_name") == "UNet2DConditionModel":
        return "its U-Net is a stock one, without ImageDream's image branch or with that elsewhere: Stable Diffusion, or another port"
    if ("ip_dim" not in unet_settings or not unet_settings["ip_dim"]) and unet_settings:
        return "its U-Net has no ip_dim: MVDream's port, which draws from text and can't see a picture"
    if index.get("image_encoder") == [None, None]:
        return "it has no image encoder: MVDream's port, which draws from text and can't see a picture"
    return None


def variant_by_name(name: str) -> str | None:
    """What a file's name says: ``"local"`` or ``"pixel"`` for names like the published ones, None for others."""
    if _LOCAL in name.lower():
        return "local"
    return "pixel" if name.lower().endswith("ipmv.pt") else None
