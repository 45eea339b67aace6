"""Turn a row of the table of networks into a differentiable function from images in [0, 1] to named layers.

Resizing and normalisation happen inside, so that perturbations of different networks live in the same pixels.
Attention is computed step by step: the fused kernels have no forward-mode and no second derivatives.
"""

import contextlib
import difflib
import logging
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from codingaxes.miniature import zoo
from codingaxes.networks import builders, published
from codingaxes.networks.weights import restore, write

log = logging.getLogger("codingaxes")

# torch's own transformer layers would take a fused kernel in evaluation, which has no forward-mode derivative
torch.backends.mha.set_fastpath_enabled(False)

BATCH_TOLERANCE = 1e-3  # of the largest feature of a layer: float32 rounds differently in batches of 1 and 2


class _Reached(Exception):
    """Say, from a hook, that the last wanted layer has given its last output; nothing later need run."""


class Network(nn.Module):
    """Compute the named layers of a network, with its resizing and normalisation inside.

    Parameters
    ----------
    row : dict or str
        Of the table of networks; a name stands for that architecture of the miniature's zoo. `source` and
        `identifier` say what is built (see `builders.build`), with random weights. `mean` and `std` (three
        numbers each) normalise, after images have been resized to `input_size` pixels a side (no resizing if
        that is empty) by `interpolation`, bilinear or bicubic, with antialiasing. Bicubic interpolation can
        leave [0, 1] a little at sharp edges; nothing is clamped, since that would cut gradients. `layers`
        are the candidates, early to late; see `features`. `accepted`, if it is there, takes errors back; see
        `published`.

    Raises
    ------
    ValueError
        If a value of the row makes no sense; names the row.
    """

    def __init__(self, row):
        super().__init__()
        row = zoo.row(row) if isinstance(row, str) else row
        self.name, self.layers = row["name"], tuple(row["layers"])
        self.input_size, self.interpolation = row["input_size"] or None, row["interpolation"]
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(
                f"network {self.name}: interpolation is bilinear or bicubic, not {self.interpolation!r}"
            )
        if not self.layers or len(row["mean"]) != 3 or len(row["std"]) != 3 or min(row["std"]) <= 0:
            raise ValueError(
                f"network {self.name}: a row has at least one layer, and three numbers of mean and of std"
            )
        if min(row["mean"]) < 0 or max(row["mean"]) > 1 or max(row["std"]) > 1:
            raise ValueError(
                f"network {self.name}: mean is {row['mean']} and std is {row['std']}, but images are in "
                "[0, 1] here: divide the values of pixels of 0 to 255 by 255"
            )
        self.body = builders.build(row)
        for module in self.body.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
        # a transformer has one convolution, which cuts patches: the layout would only cost it a copy
        if sum(isinstance(module, nn.Conv2d) for module in self.body.modules()) > 1:
            self.body.to(memory_format=torch.channels_last)
            self.layout = torch.channels_last
        else:
            self.layout = torch.contiguous_format
        for name, numbers in (("mean", row["mean"]), ("std", row["std"])):
            values = torch.tensor(numbers, dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.calls = {}  # module -> how often it runs in one pass
        self.accepted, self.tokens = (
            tuple(row.get("accepted", ())),
            set(),
        )  # layers whose first token is checked

    def forward(self, images):
        """Turn images (n, 3, h, w) in [0, 1] into the network's own answer (the zoo: logits (n, 6))."""
        with sdpa_kernel(SDPBackend.MATH):
            return self.body(self._prepare(images))

    def features(self, images, layers=None):
        """Compute the outputs of named layers, flattened: dict of tensors (n, d); nothing later runs.

        A layer is a name from `named_modules()` of the network. `name:cls` takes the first token of an output
        (n, tokens, d). A module that runs several times in a pass, of a recurrent network for instance, gives
        its last output; how often it runs is counted once, and must not depend on the image. Of a tuple the
        first item is taken, of a dict `last_hidden_state`.

        Parameters
        ----------
        images : tensor (n, 3, h, w)
            In [0, 1].
        layers : sequence of str, optional
            The candidate layers of the row if not given.

        Raises
        ------
        ValueError
            If the network has no such layer, does not run it, runs it another number of times than before, or
            it gives no tensor with a row per image; if `:cls` would take something else than a class token.
        """
        return self._pass(images, self.layers if layers is None else tuple(layers))[0]

    def features_and_answer(self, images, layers):
        """Compute named layers as `features` does, and the network's own answer, in one whole pass."""
        return self._pass(images, tuple(layers), whole=True)

    def _pass(self, images, layers, whole=False):
        """Compute layers, and the answer if the pass is to be a whole one (else None)."""
        modules = self._modules_of(layers)
        if any(name not in self.calls for name in modules):
            self.calls = self._counted(torch.zeros_like(images[:1].detach()))
        unused = [name for name in modules if not self.calls[name]]
        if unused:
            raise ValueError(f"network {self.name}: layer {', '.join(unused)} does not run in a forward pass")
        features, calls, answer = {}, dict.fromkeys(modules, 0), None

        def keep(name, output):
            calls[name] += 1
            if calls[name] > self.calls[name]:
                raise self._unsteady(name, calls[name])
            if calls[name] == self.calls[name]:
                for layer in layers:
                    if layer.partition(":")[0] == name:
                        features[layer] = self._flat(layer, output, len(images))
                if len(features) == len(set(layers)) and not whole:
                    raise _Reached

        with self._hooked(modules, keep), contextlib.suppress(_Reached):
            answer = self.forward(images)
        for layer in layers:
            if layer not in features:
                name = layer.partition(":")[0]
                raise self._unsteady(name, calls[name])
        return {layer: features[layer] for layer in layers}, answer

    def _unsteady(self, name, times):
        return ValueError(
            f"network {self.name}: layer {name} runs another number of times, {times}, for these images than "
            f"for a black one ({self.calls[name]}); which of its outputs is its last depends on the image"
        )

    def _prepare(self, images):
        size = self.input_size
        if size and tuple(images.shape[-2:]) != (size, size):
            images = functional.interpolate(
                images, (size, size), mode=self.interpolation, align_corners=False, antialias=True
            )
        return ((images - self.mean) / self.std).contiguous(memory_format=self.layout)

    def _modules_of(self, layers):
        """Look up the modules of layers, by name."""
        modules = dict(self.body.named_modules(remove_duplicate=False))
        wanted = dict.fromkeys(layer.partition(":")[0] for layer in layers)
        unknown = [name for name in wanted if name not in modules or not name]
        unknown += [layer for layer in layers if layer.partition(":")[2] not in ("", "cls")]
        if unknown:
            near = difflib.get_close_matches(unknown[0], modules, n=5, cutoff=0.4)
            raise ValueError(
                f"network {self.name}: no layer {', '.join(unknown)}; candidates are "
                f"{', '.join(self.layers)}; near are {', '.join(near) or 'none'}. "
                "To list all: dict(network.body.named_modules()); of suffixes there is :cls"
            )
        return {name: modules[name] for name in wanted}

    @contextlib.contextmanager
    def _hooked(self, modules, keep):
        """Call `keep(name, output)` for each output of the modules while active."""
        handles = [
            module.register_forward_hook(lambda _, inputs, output, name=name: keep(name, output))
            for name, module in modules.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _counted(self, images):
        """Count how often each module runs in a pass over these images, in evaluation mode."""
        modules = dict(self.body.named_modules(remove_duplicate=False))
        modules.pop("")
        calls, training = dict.fromkeys(modules, 0), [module for module in self.modules() if module.training]

        def keep(name, output):
            calls[name] += 1

        self.eval()
        with self._hooked(modules, keep), torch.no_grad():
            self.forward(images)
        for module in training:
            module.training = True
        return calls

    def _flat(self, layer, output, n):
        """Give the output of a layer as (n, d), in memory of its own."""
        if isinstance(output, tuple | list) and output:
            output = output[0]
        elif isinstance(output, dict):
            output = output.get("last_hidden_state")
        if not torch.is_tensor(output) or not output.ndim or len(output) != n:
            shape = tuple(output.shape) if torch.is_tensor(output) else type(output).__name__
            raise ValueError(
                f"network {self.name}: layer {layer} gives {shape} for {n} images, not a row each"
            )
        if layer.endswith(":cls"):
            if output.ndim != 3:
                raise ValueError(
                    f"network {self.name}: layer {layer} needs an output (n, tokens, d), not "
                    f"{tuple(output.shape)}"
                )
            self._check_first_token(layer, output)
            output = output[:, 0]
        # contiguous and cloned: a later in-place activation must not change what was stored
        return output.clone(memory_format=torch.contiguous_format).flatten(1)

    def _check_first_token(self, layer, output):
        """Hold `:cls` to a class token, once for each layer."""
        if layer not in self.tokens:
            try:
                published.check_first_token(self.body, layer.removesuffix(":cls"), output, self.accepted)
            except ValueError as error:
                raise ValueError(f"network {self.name}: {error}") from None
            self.tokens.add(layer)


def save_network(network, path, half=False):
    """Write the weights as safetensors, whole or not at all; `half`: as float16."""
    write(network.body, path, name=network.name, half=half)


def load_network(row, weights, device="cpu", random_weights=False, image_size=None):
    """Load a network in evaluation mode with frozen parameters, checked on two random images.

    Parameters
    ----------
    row : dict or str
        See `Network`.
    weights : path-like
        From `save_network` or `weights.convert`. Nothing in the file is executed.
    device : torch.device or str
    random_weights : bool
        True builds the network with random weights, always the same, and reads no file: for tests and
        benchmarks.
    image_size : int, optional
        Pixels a side of the study's images, for the check; the network's own input size if not given.

    Raises
    ------
    FileNotFoundError
        If the weights are not there.
    ValueError
        If a weight is missing or not expected (a network is never loaded in part), or see `validate`.
    """
    row = zoo.row(row) if isinstance(row, str) else row
    if not random_weights and not Path(weights).is_file():
        raise FileNotFoundError(
            f"network {row['name']}: {weights} is not there; it is shipped, or the rule train_network or "
            "fetch_weights makes it"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(row)
    if not random_weights:
        restore(network.body, weights, row)
    network = network.to(device).eval().requires_grad_(False)
    validate(network, image_size or network.input_size or 64)
    return network


def validate(network, image_size):
    """Hold a network to what the study relies on, on two random images.

    Parameters
    ----------
    network : Network
    image_size : int
        Pixels a side.

    Raises
    ------
    ValueError
        If a candidate layer does not exist, does not run, runs a number of times that depends on the image,
        gives no row for each image, or an image's features change when another image is in the batch (by more
        than `BATCH_TOLERANCE` of the largest feature); if the same images give other features the second
        time; if no layer tells the two images apart; if it cannot run at this size; or if a layer that tells
        them apart has no gradient, as after detach() or a rounding.
    FloatingPointError
        If a feature or its gradient is not finite.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, image_size, image_size, generator=generator).to(network.mean)
    try:
        with torch.no_grad():
            together, again, *alone = (network.features(part) for part in (images, images, *images.split(1)))
            times = network._counted(images[:1])
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            f"network {network.name}: it cannot run on images of {image_size} pixels a side, of which it "
            f"makes {network.input_size or image_size}: {error}"
        ) from error
    silent = [layer for layer, values in together.items() if torch.equal(values[0], values[1])]
    for layer, values in together.items():
        about = f"network {network.name}: layer {layer}"
        if not torch.isfinite(values).all():
            raise FloatingPointError(f"{about} is not finite on random images; are these its weights?")
        if not torch.equal(values, again[layer]):
            raise ValueError(f"{about} gives other features for the same images; has it random parts?")
        if times[layer.partition(":")[0]] != network.calls[layer.partition(":")[0]]:
            raise network._unsteady(layer.partition(":")[0], times[layer.partition(":")[0]])
        single = torch.cat([part[layer] for part in alone])
        apart = (values - single).abs().max() / values.abs().max().clamp_min(1e-30)
        if apart > BATCH_TOLERANCE:
            raise ValueError(
                f"{about} changes by {apart:.2g} of its largest feature when another image is in the batch"
            )
    if len(silent) == len(together):
        raise ValueError(
            f"network {network.name}: two different random images give the same features in each of its "
            f"layers ({', '.join(silent)}); are these its weights, or are they all zero?"
        )
    for layer in silent:
        log.warning(f"network {network.name}: layer {layer} gives two random images the same features")
    _check_gradients(network, images[:1], [layer for layer in together if layer not in silent])


def _check_gradients(network, image, layers):
    """Refuse layers that do not depend on the image in a way that can be differentiated."""
    with torch.enable_grad():
        leaf = image.clone().requires_grad_(True)
        for layer in layers:
            try:
                values = network.features(leaf, [layer])[layer]
                along = torch.randn(values.shape, generator=torch.Generator().manual_seed(0)).to(values)
                (slope,) = torch.autograd.grad(values, leaf, along)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # torch has one for each way in which a graph can be broken
                slope = None
            if slope is None or not slope.any():
                raise ValueError(
                    f"network {network.name}: layer {layer} depends on the image but has no gradient, so "
                    "nothing can be attacked. Does its code use detach(), no_grad(), numpy, or rounded or "
                    "thresholded values?"
                )
            if not torch.isfinite(slope).all():
                raise FloatingPointError(
                    f"network {network.name}: layer {layer} has a gradient that is not finite on a random "
                    "image"
                )
