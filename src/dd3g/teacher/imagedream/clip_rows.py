"""The CLIP towers' names: OpenCLIP against transformers' (without their leading `text_model.` and `vision_model.`).

What ImageDream has no use for is dropped: the text tower's last layer and projection, the image tower's projection, the logits' scale.
"""

from __future__ import annotations

from collections.abc import Iterator

from dd3g.teacher.imagedream.rows import Row, affine
from dd3g.teacher.imagedream.sizes import TextSizes, VisionSizes


def text_rows(sizes: TextSizes) -> Iterator[Row]:
    """Every tensor of OpenCLIP's text tower, those that are dropped included."""
    width = sizes.width
    yield Row("token_embedding.weight", ("embeddings.token_embedding.weight",), (sizes.vocabulary, width))
    yield Row("positional_embedding", ("embeddings.position_embedding.weight",), (sizes.length, width))
    yield from affine("ln_final", "final_layer_norm", width)
    for layer in range(sizes.layers):
        yield from _block(f"transformer.resblocks.{layer}", f"encoder.layers.{layer}", width, sizes.hidden)
    for row in _block(f"transformer.resblocks.{sizes.layers}", "", width, sizes.hidden):
        yield _dropped(row)
    yield Row("text_projection", (), (width, width))
    yield Row("logit_scale", (), ())


def vision_rows(sizes: VisionSizes, projection: int) -> Iterator[Row]:
    """Every tensor of OpenCLIP's image tower; ``projection`` is the text tower's width, into which it projects."""
    width, places = sizes.width, (sizes.side // sizes.patch) ** 2
    yield Row("visual.class_embedding", ("embeddings.class_embedding",), (width,))
    yield Row("visual.positional_embedding", ("embeddings.position_embedding.weight",), (places + 1, width))
    yield Row("visual.conv1.weight", ("embeddings.patch_embedding.weight",), (width, 3, sizes.patch, sizes.patch))
    yield from affine("visual.ln_pre", "pre_layrnorm", width)  # transformers' own spelling
    yield from affine("visual.ln_post", "post_layernorm", width)
    for layer in range(sizes.layers):
        yield from _block(f"visual.transformer.resblocks.{layer}", f"encoder.layers.{layer}", width, sizes.hidden)
    yield Row("visual.proj", (), (width, projection))


def _block(source: str, target: str, width: int, hidden: int) -> Iterator[Row]:
    yield from affine(f"{source}.ln_1", f"{target}.layer_norm1", width)
    for leaf, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
        yield Row(f"{source}.attn.in_proj_{leaf}", tuple(f"{target}.self_attn.{one}_proj.{leaf}" for one in "qkv"), shape)
    yield from affine(f"{source}.attn.out_proj", f"{target}.self_attn.out_proj", width, width)
    yield from affine(f"{source}.ln_2", f"{target}.layer_norm2", width)
    yield from affine(f"{source}.mlp.c_fc", f"{target}.mlp.fc1", hidden, width)
    yield from affine(f"{source}.mlp.c_proj", f"{target}.mlp.fc2", width, hidden)


def _dropped(row: Row) -> Row:
    return Row(row.source, (), row.shape)
