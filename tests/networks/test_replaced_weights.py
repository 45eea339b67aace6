"""Weights on this machine that are replaced run again, also by an older file; a touched one does not."""

import os

import pytest
import torch
from planted_rows import ROW
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes.networks import builders

NAME = "squeeze_mine"
WANTED = f"resources/weights/{NAME}.safetensors"


def save_weights(path, seed, when):
    """Write random weights of SqueezeNet, with a time of their file in seconds."""
    torch.manual_seed(seed)
    torch.save(builders.build({"source": "torchvision", "identifier": "squeezenet1_1"}).state_dict(), path)
    os.utime(path, (when, when))


@pytest.mark.slow
def test_local_weights_that_an_older_file_replaces_are_read_again(tmp_path):
    tree, weights = copy_to(tmp_path / "tree"), tmp_path / "my weights.pth"
    row = ROW | {"name": NAME, "family": "standard", "weights": str(weights), "format": "plain"}
    row |= {"licence": "mine", "citation": "me"}
    (tree / "config/mine.tsv").write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    arguments = [*MICRO, "--config", "networks=config/mine.tsv", "--"]
    save_weights(weights, seed=1, when=1.5e9)
    done = snakemake(tree, "--cores", "1", *arguments, WANTED)
    assert done.returncode == 0, done.stdout
    assert jobs(tree, *arguments, WANTED) == {}
    save_weights(weights, seed=1, when=1e9)
    assert jobs(tree, *arguments, WANTED) == {}, "the same content with another time"
    save_weights(weights, seed=2, when=1e9)
    assert jobs(tree, *arguments, WANTED) == {"fetch_weights": 1}, "other content with an older time"
