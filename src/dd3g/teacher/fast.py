"""A teacher that draws faster: the noise predictor in bfloat16, its launches recorded as a CUDA graph. The map stays, to a tolerance.

    teacher = in_precision(load_teacher(path), "bf16")      # then to the device
    teacher = graphed(teacher)                              # on a GPU: some 1,700 launches a step become one

What stays float32 whatever the dtype: times and their sinusoid (bfloat16 would take 37 of the sampler's 50 times for others), abar, latents
between steps, the sum of guidance, the solver's update. Codec and image encoder, 3 % of a drawing's FLOP at ImageDream's size, stay as they
were loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from dd3g.core.errors import InputError
from dd3g.teacher.multi_view import Steady
from dd3g.teacher.teacher import Predict, Teacher

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_WARM_UP = 3  # calls before recording, in which libraries choose their kernels and allocate what they keep


def in_precision(teacher: Teacher, precision: Precision) -> Teacher:
    """The same teacher, its noise predictor's weights now in a precision; in bfloat16 channels-last too, as fast convolutions want them."""
    order = torch.preserve_format if precision == "fp32" else torch.channels_last
    # not diffusers' own `to`, which warns of layers that it has not; torch's types know of no memory format
    cast(Any, nn.Module.to)(teacher.network.unet, dtype=_DTYPES[precision], memory_format=order)
    return teacher


Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]  # a call -> (what repeats it, where its answer then stands)


def graphed(teacher: Teacher, record: Record | None = None) -> Teacher:
    """The teacher with its noise predictor recorded, once for each size of batch that it meets.

    Args:
        teacher: On a GPU. Its parameters must stay the same tensors.
        record: Tests give another than :func:`cuda_graph`.

    Raises:
        InputError: It is not on a GPU.
    """
    device = next(teacher.network.parameters()).device
    if record is None and device.type != "cuda":
        raise InputError(f"graphs: found a teacher on {device.type}, expected one on a GPU")
    return replace(teacher, predict=recorded(teacher.network.predict, record or cuda_graph))


def recorded(predict: Predict, record: Record) -> Predict:
    """The same function through places that stay: a call copies its arguments there, repeats the recording, and copies the answer out."""
    known: dict[tuple[torch.Size, ...], _Recording] = {}

    def again(z: Tensor, t: Tensor, told: Steady) -> Tensor:
        shapes = tuple(x.shape for x in (z, *told.tensors()))
        if shapes not in known:
            known[shapes] = _Recording(predict, z, t, told, record)
        return known[shapes](z, t, told)

    return again


class _Recording:
    """One recording, and the places that it reads."""

    def __init__(self, predict: Predict, z: Tensor, t: Tensor, told: Steady, record: Record) -> None:
        self.z, self.t, self.told, self.last = z.clone(), t.clone(), told.copied(), told
        self.repeat, self.answer = record(lambda: predict(self.z, self.t, self.told))

    def __call__(self, z: Tensor, t: Tensor, told: Steady) -> Tensor:
        self.z.copy_(z)
        self.t.copy_(t)
        if told is not self.last:  # another sampling; within one, keys and values are there already
            for place, new in zip(self.told.tensors(), told.tensors(), strict=True):
                place.copy_(new)
            self.last = told
        self.repeat()
        return self.answer.clone()  # the next call writes over it


def cuda_graph(call: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Records a call that waits for nothing and reads nothing back."""
    side: Any = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = call()
    return graph.replay, answer
