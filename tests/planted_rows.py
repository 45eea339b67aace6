"""A row of the table of networks whose weights are drawn."""

ROW = {
    "name": "squeeze_drawn",
    "display_name": "SqueezeNet, untrained",
    "family": "untrained",
    "architecture": "squeezenet",
    "source": "torchvision",
    "identifier": "squeezenet1_1",
    "input_size": "64",
    "mean": "0.5,0.5,0.5",
    "std": "0.25,0.25,0.25",
    "interpolation": "bilinear",
    "layers": "features.7,features.12",
}
