"""ResNet-34 (He et al. 2016) in torchvision's layout, as a pyramid of features on one grid."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu

from ilrm_cli.models.pixelnerf.config import PixelNerfConfig

USED_LAYERS = 3  # of four


class BasicBlock(nn.Module):
    """Two convolutions around which the input is passed."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Float[Tensor, "view channel h w"]) -> Float[Tensor, "view made height width"]:
        passed = features if self.downsample is None else self.downsample(features)
        made = self.bn2(self.conv2(relu(self.bn1(self.conv1(features)))))
        return relu(made + passed)


class Trunk(nn.Module):
    """Photos in [-1, 1] -> features after conv1 and three layers, all on the grid of conv1 (section 4.1)."""

    def __init__(self, config: PixelNerfConfig):
        super().__init__()
        widths = config.widths
        self.first_pool = config.first_pool
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for number, depth in enumerate(config.depths, 1):
            ends, stride = (widths[number - 1], widths[number]), 1 if number == 1 else 2
            blocks = [
                BasicBlock(ends[0], ends[1], stride),
                *(BasicBlock(ends[1], ends[1], 1) for _ in range(depth - 1)),
            ]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))

    def forward(self, images: Float[Tensor, "view 3 height width"]) -> Float[Tensor, "view channel rows columns"]:
        features = relu(self.bn1(self.conv1(images)))
        levels, size = [features], features.shape[-2:]
        features = max_pool2d(features, 3, 2, padding=1) if self.first_pool else features
        for number in range(1, USED_LAYERS + 1):
            features = getattr(self, f"layer{number}")(features)
            levels.append(interpolate(features, size=size, mode="bilinear", align_corners=True))
        return torch.cat(levels, dim=1)
