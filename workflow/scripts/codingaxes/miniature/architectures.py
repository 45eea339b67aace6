"""Define the networks of the zoo: a narrow ResNet, VGG and DenseNet for images of about 64 x 64 pixels.

They are timm's networks of these kinds, module for module, written out in plain torch. So shipped weights do
not depend on a version of timm, and jobs on the zoo need not import it, which takes longer than torch alone.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional

RESNET_CHANNELS = (16, 32, 64, 128)  # of the four stages, one block each
VGG_CHANNELS = (8, "pool", 24, "pool", 48, 48, "pool", 64, 64, "pool")
VGG_HIDDEN, VGG_OUT = 163, 4096  # units of the two layers before the classifier
DENSE_GROWTH, DENSE_WIDTH = 16, 2  # channels that a layer adds, and width of its bottleneck in these
DENSE_LAYERS = (2, 4, 6, 4)  # of the four blocks


def _conv(inside, outside, size, stride=1):
    return nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)


class _Block(nn.Module):
    """Add two 3 x 3 convolutions to the input, which is projected where shapes differ."""

    def __init__(self, inside, outside, stride):
        super().__init__()
        projected = None
        if stride > 1 or inside != outside:
            projected = nn.Sequential(_conv(inside, outside, 1, stride), nn.BatchNorm2d(outside))
        self.conv1, self.bn1 = _conv(inside, outside, 3, stride), nn.BatchNorm2d(outside)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = _conv(outside, outside, 3), nn.BatchNorm2d(outside)
        self.act2 = nn.ReLU(inplace=True)
        self.downsample = projected

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.act2(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))) + shortcut)


class ResNet(nn.Module):
    """Compute logits (n, classes) by a stem of three 3 x 3 convolutions and four residual blocks.

    At this width, a stem of 7 x 7 would cost most of an input gradient.

    Source
    ------
    K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition (CVPR 2016).
    """

    def __init__(self, n_classes):
        super().__init__()
        width = RESNET_CHANNELS[0]
        stem = []
        for inside, outside, stride in ((3, width // 2, 2), (width // 2, width // 2, 1)):
            stem += [_conv(inside, outside, 3, stride), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
        self.conv1 = nn.Sequential(*stem, _conv(width // 2, width, 3))
        self.bn1, self.act1 = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for stage, channels in enumerate(RESNET_CHANNELS, start=1):
            self.add_module(f"layer{stage}", nn.Sequential(_Block(width, channels, 1 if stage == 1 else 2)))
            width = channels
        self.fc = nn.Linear(width, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for module in self.modules():
            if isinstance(module, _Block):  # which begins as the identity
                nn.init.zeros_(module.bn2.weight)

    def forward(self, x):
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for stage in range(len(RESNET_CHANNELS)):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class _Hidden(nn.Module):
    """Compute the two layers before VGG's classifier; maps smaller than 7 x 7 are enlarged to that."""

    def __init__(self, inside):
        super().__init__()
        self.fc1, self.act1 = nn.Conv2d(inside, VGG_HIDDEN, 7), nn.ReLU(inplace=True)
        self.fc2, self.act2 = nn.Conv2d(VGG_HIDDEN, VGG_OUT, 1), nn.ReLU(inplace=True)

    def forward(self, x):
        size = [max(7, length) for length in x.shape[-2:]]
        if size != list(x.shape[-2:]):
            x = functional.adaptive_avg_pool2d(x, size)
        return self.act2(self.fc2(self.act1(self.fc1(x))))


class _Head(nn.Module):
    """Classify the mean over positions."""

    def __init__(self, inside, n_classes):
        super().__init__()
        self.fc = nn.Linear(inside, n_classes)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


class VGG(nn.Module):
    """Compute logits (n, classes) by six 3 x 3 convolutions with batch normalisation and four poolings.

    Source
    ------
    K. Simonyan and A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (ICLR
    2015).
    """

    def __init__(self, n_classes):
        super().__init__()
        layers, width = [], 3
        for channels in VGG_CHANNELS:
            if channels == "pool":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(width, channels, 3, padding=1), nn.BatchNorm2d(channels)]
                layers.append(nn.ReLU(inplace=True))
                width = channels
        self.features = nn.Sequential(*layers)
        self.pre_logits = _Hidden(width)
        self.head = _Head(VGG_OUT, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.head(self.pre_logits(self.features(x)))


class _NormRelu(nn.BatchNorm2d):
    """Normalise over the batch, and rectify."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(super().forward(x))


class _DenseLayer(nn.Module):
    """Compute new channels from all earlier ones of a block."""

    def __init__(self, inside):
        super().__init__()
        width = DENSE_WIDTH * DENSE_GROWTH
        self.norm1, self.conv1 = _NormRelu(inside), _conv(inside, width, 1)
        self.norm2, self.conv2 = _NormRelu(width), _conv(width, DENSE_GROWTH, 3)

    def forward(self, x):
        return self.conv2(self.norm2(self.conv1(self.norm1(x))))


class _DenseBlock(nn.ModuleDict):
    """Put the input and the channels of all layers side by side."""

    def __init__(self, inside, n_layers):
        layers = {f"denselayer{i + 1}": _DenseLayer(inside + i * DENSE_GROWTH) for i in range(n_layers)}
        super().__init__(layers)

    def forward(self, x):
        features = [x]
        for layer in self.values():
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


def _transition(inside):
    """Halve channels and positions."""
    parts = {"norm": _NormRelu(inside), "conv": _conv(inside, inside // 2, 1), "pool": nn.AvgPool2d(2, 2)}
    return nn.Sequential(OrderedDict(parts))


class DenseNet(nn.Module):
    """Compute logits (n, classes) by a stem of three 3 x 3 convolutions and four densely connected blocks.

    Source
    ------
    G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, Densely Connected Convolutional Networks (CVPR
    2017).
    """

    def __init__(self, n_classes):
        super().__init__()
        parts, width = OrderedDict(), 3
        for i, channels in enumerate((DENSE_GROWTH, DENSE_GROWTH, 2 * DENSE_GROWTH)):
            parts[f"conv{i}"] = _conv(width, channels, 3, 2 if i == 0 else 1)
            parts[f"norm{i}"], width = _NormRelu(channels), channels
        parts["pool0"] = nn.MaxPool2d(3, 2, padding=1)
        for i, n_layers in enumerate(DENSE_LAYERS, start=1):
            parts[f"denseblock{i}"] = _DenseBlock(width, n_layers)
            width += n_layers * DENSE_GROWTH
            if i < len(DENSE_LAYERS):
                parts[f"transition{i}"], width = _transition(width), width // 2
        parts["norm5"] = _NormRelu(width)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(width, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))
