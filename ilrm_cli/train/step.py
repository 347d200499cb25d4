"""One optimizer step, with timings of its parts."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ilrm_cli.geometry.backdrop import backdrop
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.loss import Loss, Perceptual, scene_loss
from ilrm_cli.train.samples import Sample
from ilrm_cli.train.state import Trainer


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds of the parts of a step."""

    data: float = 0.0  # waiting for the batch
    model: float = 0.0  # views to Gaussians, forward and backward
    rendering: float = 0.0  # Gaussians to loss, forward and backward
    optimizer: float = 0.0  # clipping, weights and their average

    @property
    def total(self) -> float:
        return self.data + self.model + self.rendering + self.optimizer

    def shares(self) -> dict[str, float]:
        """Return each part's share of the step."""
        return {f.name: getattr(self, f.name) / max(self.total, 1e-9) for f in fields(self)}


@dataclass(frozen=True)
class Advance:
    """The result of a step in this process."""

    loss: float
    psnr: float  # dB, mean over the targets of the batch
    gradient_norm: float  # before clipping; not finite if the step was skipped
    learning_rate: float
    seconds: Seconds


@dataclass(frozen=True)
class TrainStep:
    """The result of an optimizer step over all processes."""

    step: int  # finished steps
    scenes: int  # seen so far
    loss: float
    psnr: float  # dB, mean over the targets of the batch
    gradient_norm: float
    learning_rate: float
    seconds: Seconds  # of this process


class _Stopwatch:
    """Seconds since the last call, including queued work of the device."""

    def __init__(self, device: torch.device):
        self._device = device
        self.lap()

    def lap(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        passed, self._last = now - getattr(self, "_last", now), now
        return passed


def advance(trainer: Trainer, samples: Sequence[Sample], perceptual: Perceptual | None = None) -> Advance:
    """Do one optimizer step on a batch.

    The graph is cut at the Gaussians: each scene is rendered and differentiated at once, so that only one scene's
    images are held; then all go back through the model together. The result is the same. A step with a non-finite
    gradient changes no weight.
    """
    config = trainer.config
    watch = _Stopwatch(samples[0].inputs.images.device)
    trainer.model.read_turn = trainer.step
    rate = learning_rate(config, trainer.step)
    scenes = trainer.forward([s.inputs for s in samples], [s.depth_range for s in samples])
    model_s = watch.lap()

    leaves = [_leaf(scene) for scene in scenes]
    losses = [
        _rendered(leaf, sample, trainer, len(samples), perceptual) for leaf, sample in zip(leaves, samples, strict=True)
    ]
    rendering_s = watch.lap()

    trainer.optimizer.zero_grad(set_to_none=True)
    outputs = [tensor for scene in scenes for tensor in scene.tensors()]
    gradients = [tensor.grad for leaf in leaves for tensor in leaf.tensors()]
    torch.autograd.backward(outputs, gradients)
    model_s += watch.lap()

    norm = float(torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), config.clip))
    for group in trainer.optimizer.param_groups:
        group["lr"] = rate
    if math.isfinite(norm):
        trainer.optimizer.step()
    trainer.step += 1
    _average(trainer)
    loss, quality = (float(torch.stack(values).mean()) for values in zip(*losses, strict=True))
    return Advance(loss, quality, norm, rate, Seconds(0.0, model_s, rendering_s, watch.lap()))


def _rendered(
    leaf: Gaussians, sample: Sample, trainer: Trainer, scenes: int, perceptual: Perceptual | None
) -> tuple[Tensor, Tensor]:
    """Return loss and PSNR of one scene; the gradient of its part in the mean loss is left in the leaf."""
    behind = backdrop(sample.inputs, sample.depth_range[1]) if trainer.model.capabilities.backdrop else None
    done = trainer.step / trainer.config.steps
    aligned = trainer.model.capabilities.grid_factor is not None
    loss: Loss = scene_loss(leaf, sample, trainer.config, done, perceptual, behind, aligned=aligned)
    (loss.total / scenes).backward()
    return loss.total.detach(), loss.psnr


def _leaf(gaussians: Gaussians) -> Gaussians:
    return gaussians.rebuilt(*(tensor.detach().requires_grad_() for tensor in gaussians.tensors()))


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the rate of a linear warm-up, then a cosine down to a small share of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    low = config.final_rate
    return config.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@torch.no_grad()
def _average(trainer: Trainer) -> None:
    """Update the exponential moving average; young runs forget faster, so that the first weights do not linger."""
    decay = min(trainer.config.ema, (1 + trainer.step) / (10 + trainer.step))
    for mean, new in zip(trainer.averaged.parameters(), trainer.model.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
