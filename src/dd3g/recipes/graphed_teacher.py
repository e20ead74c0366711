"""The teacher's forward and backward as two CUDA graphs: some 1,500 small launches become two.

At this size the GPU waits for Python: 7 to 8 steps a second whether a step has 128 objects or 256. What is in the graph has a fixed shape:
the codec's encoder for the input picture, the image encoder and the noise predictor. Noising, whose coefficients live on the CPU, and the
loss stay outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dd3g.teacher.teacher import TeacherNetworks

# (networks, z, t, cameras, image, conditioned) -> the raw prediction
Predict = Callable[[TeacherNetworks, Tensor, Tensor, Tensor, Tensor, Tensor], Float[Tensor, "b v c l l"]]


def predict_batch(
    networks: TeacherNetworks,
    z: Float[Tensor, "b v c l l"],
    t: Float[Tensor, " b"],
    cameras: Float[Tensor, "b v 16"],
    image: Float[Tensor, "b 4 p p"],
    conditioned: Float[Tensor, " b"],
) -> Float[Tensor, "b v c l l"]:
    """The network's answer for a batch of training, op by op; without the picture where ``conditioned`` is 0."""
    network = networks.network
    with torch.no_grad():
        latents = networks.codec.encode(image)
    condition = network.condition(image, latents).where(conditioned, network.unconditioned(len(t)))
    return network(z, t, cameras, condition)


def graphed_predict(
    networks: TeacherNetworks, example: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], *, bfloat16: bool, record: Callable[..., Any]
) -> Predict:
    """The same function for batches of the example's shape, recorded once.

    Args:
        networks: On the GPU and in training mode. Its parameters must stay the same tensors.
        example: (z, t, cameras, image, conditioned) of some batch.
        bfloat16: Record matrix products and convolutions in bfloat16: a graph keeps the precision that it was recorded in.
        record: ``torch.cuda.make_graphed_callables``.
    """
    plain = _Prediction(networks)
    # weights that autocast has converted must be converted again in every replay, so its cache must not keep them
    with torch.autocast(example[0].device.type, torch.bfloat16, enabled=bfloat16, cache_enabled=False):
        recorded = record(plain, example, allow_unused_input=True)

    def predict(asked: TeacherNetworks, *arguments: Tensor) -> Tensor:
        assert asked is networks, "a graph belongs to the networks that it was recorded of"
        return cast(Tensor, recorded(*arguments))

    return predict


class _Prediction(nn.Module):
    """:func:`predict_batch` as a module, as graphs want it."""

    def __init__(self, networks: TeacherNetworks) -> None:
        super().__init__()
        self.networks = networks

    def forward(self, z: Tensor, t: Tensor, cameras: Tensor, image: Tensor, conditioned: Tensor) -> Tensor:
        return predict_batch(self.networks, z, t, cameras, image, conditioned)
