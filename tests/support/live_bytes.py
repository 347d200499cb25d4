"""Memory oracle: bytes that tensors hold while operations run, without running them."""

import contextlib
import dataclasses
import weakref

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ilrm_cli.models.cost.footprint import Workload
from ilrm_cli.models.layers.passes import Chunks
from tests.support.small_models import random_model, random_views


class LiveBytes(TorchDispatchMode):
    """Counter of the bytes of each storage that an operation makes, until nothing holds it."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inside = {self._key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and self._key(tensor) not in inside:
                self._add(tensor.untyped_storage())
        return result

    @staticmethod
    def _key(tensor: torch.Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def _add(self, storage) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, storage.nbytes())

    def _release(self, count: int) -> None:
        self.now -= count


def held_by_pass(load: Workload, chunks: Chunks) -> int:
    """Return the peak bytes of one pass besides weights and images, by stepping through its operations.

    Two layers show all that any number of them holds. Models with matching, whose operations depend on what is in the
    images, are run; others are not.
    """
    config = dataclasses.replace(load.config, layers=2)
    with contextlib.nullcontext() if config.matching else FakeTensorMode(allow_non_fake_inputs=True):
        model = random_model(config)
        model.precision = load.precision
        views = random_views(load.views, load.width, load.height)
        with torch.inference_mode(), LiveBytes() as live:
            model([views], [(1.0, 10.0)], chunks=chunks)
    return live.peak
