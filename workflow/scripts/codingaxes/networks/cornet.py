"""Build CORnet-RT, a small recurrent network with an area each for V1, V2, V4 and IT, and name its weights.

It is written from the description in the paper and from the shapes of the published weights. The package of
its authors is not needed, and none of its code is used.
"""

from torch import nn

from codingaxes.networks.renaming import renamed

# channels, side of the kernel, and stride of each area's input
AREAS = {"V1": (64, 7, 4), "V2": (128, 3, 2), "V4": (256, 3, 2), "IT": (512, 3, 2)}
GROUPS = 32  # of channels that are normalised together


class _Area(nn.Module):
    """Compute one step of an area: relu(norm(conv(x + state))).

    x is the input after a convolution, normalisation and rectification of its own. The state is the area's
    output of the step before.
    """

    def __init__(self, before, width, kernel, stride):
        super().__init__()
        self.enter = nn.Conv2d(before, width, kernel, stride, kernel // 2)
        self.enter_norm, self.enter_relu = nn.GroupNorm(GROUPS, width), nn.ReLU()
        self.recur = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.recur_norm, self.recur_relu = nn.GroupNorm(GROUPS, width), nn.ReLU()
        self.output = nn.Identity()

    def forward(self, below, state):
        """Turn the output of the area below and the area's own of the step before into its next."""
        driven = self.enter_relu(self.enter_norm(self.enter(below)))
        return self.step(driven if state is None else driven + state)

    def step(self, x):
        return self.output(self.recur_relu(self.recur_norm(self.recur(x))))

    def silent(self, below):
        """Make the zeros that stand for x where there is no input; `below` would have been the input."""
        kernel, stride = self.enter.kernel_size[0], self.enter.stride[0]
        size = [(side + 2 * (kernel // 2) - kernel) // stride + 1 for side in below.shape[-2:]]
        return below.new_zeros(len(below), self.enter.out_channels, *size)


class CORnetRT(nn.Module):
    """Compute CORnet-RT over steps of time, in which every area passes its output on to the next area.

    A signal needs one step from area to area, so that IT hears of the image in the fourth. In the first step,
    areas above V1 have no input. Each area's last output is that of the last step.

    Parameters
    ----------
    times : int
        Steps, at least 4; 5 as published.

    Raises
    ------
    TypeError
        If there are fewer steps: then nothing of the image reaches IT.

    Source
    ------
    J. Kubilius, M. Schrimpf, A. Nayebi, D. Bear, D. Yamins and J. DiCarlo, CORnet: Modeling the neural
    mechanisms of core object recognition (bioRxiv 408385, 2018), figure 1 and section on CORnet-RT.
    """

    def __init__(self, times=5):
        super().__init__()
        if not isinstance(times, int) or times < len(AREAS):
            raise TypeError(f"times is {times!r}; a signal needs {len(AREAS)} steps from the image to IT")
        self.times, before = times, 3
        for name, (width, kernel, stride) in AREAS.items():
            self.add_module(name, _Area(before, width, kernel, stride))
            before = width
        self.decoder = nn.Sequential()
        self.decoder.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.decoder.add_module("flatten", nn.Flatten())
        self.decoder.add_module("linear", nn.Linear(before, 1000))

    def forward(self, images):
        """Turn normalised images (n, 3, h, w) into logits (n, 1000)."""
        areas = [self.get_submodule(name) for name in AREAS]
        outputs = [areas[0](images, None)]
        for area in areas[1:]:
            outputs.append(area.step(area.silent(outputs[-1])))
        for _ in range(self.times - 1):
            below = [images, *outputs[:-1]]
            outputs = [area(*parts) for area, *parts in zip(areas, below, outputs, strict=True)]
        return self.decoder(outputs[-1])


CORNET = {
    r"module\.(V1|V2|V4|IT)\.conv_input\.(weight|bias)": r"\1.enter.\2",
    r"module\.(V1|V2|V4|IT)\.norm_input\.(weight|bias)": r"\1.enter_norm.\2",
    r"module\.(V1|V2|V4|IT)\.conv1\.weight": r"\1.recur.weight",
    r"module\.(V1|V2|V4|IT)\.norm1\.(weight|bias)": r"\1.recur_norm.\2",
    r"module\.decoder\.linear\.(weight|bias)": r"decoder.linear.\1",
}


def rename_cornet(name):
    """Give the name in `CORnetRT` of a tensor of CORnet-RT's file."""
    return renamed(name, CORNET)
