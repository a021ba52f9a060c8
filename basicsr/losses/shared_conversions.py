"""Conversions that several terms need, done once per step: colour spaces, masks, VGG features."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

from basicsr.color import linear_to_srgb

Result = TypeVar('Result')

_memo: ContextVar[dict[tuple, tuple[Tensor, Any]] | None] = ContextVar('conversions of this step', default=None)


@contextlib.contextmanager
def share_conversions() -> Iterator[None]:
    """Remember the conversions of every image until the end of the block, where all of them are forgotten.

    Inside, terms share parts of their graphs. A caller that takes the gradient of one term after the other has to keep
    those: `torch.autograd.grad(value, pred, retain_graph=True)`. A block inside a block shares with the outer one.
    """
    if _memo.get() is not None:
        yield
        return
    token = _memo.set({})
    try:
        yield
    finally:
        _memo.reset(token)


def shared(convert: Callable[..., Result], image: Tensor, *options: Hashable) -> Result:
    """Return `convert(image, *options)`, computed once inside `share_conversions`, each time outside.

    An image is itself, unchanged since: neither a copy of it, nor the same memory after an operation in place.
    """
    memo = _memo.get()
    if memo is None:
        return convert(image, *options)
    version = None if image.is_inference() else image._version
    has_graph = image.requires_grad and torch.is_grad_enabled()
    key = (convert, id(image), version, has_graph, options)
    if key not in memo:
        # The image stays referenced, so that no other one is given its id.
        memo[key] = (image, convert(image, *options))
    return memo[key][1]


def encoded(image: Tensor, space: str) -> Tensor:
    """Return the image as sRGB: itself, or the encoded values of `linear` light."""
    return image if space == 'srgb' else shared(linear_to_srgb, image)
