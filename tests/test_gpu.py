"""Tests that need a GPU of NVIDIA, but neither Snakemake nor a network: `pytest -m gpu tests/test_gpu.py`.

Each runs in processes of its own, as CUDA_VISIBLE_DEVICES must be set before CUDA starts.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codingaxes import cards

ROOT = Path(__file__).parents[1]
ZOO = ROOT / "resources/zoo"
pytestmark = pytest.mark.gpu

BEGIN = """
import logging, os, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
import torch
from codingaxes import cards, devices
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
"""


def start(tmp_path, code, *arguments, name="job", **environment):
    """Run code in a process of its own; what it says goes to a file."""
    file = tmp_path / f"{name}.txt"
    command = [sys.executable, "-c", BEGIN + code, str(ROOT / "workflow/scripts"), *map(str, arguments)]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
    environment = inherited | {cards.SETTING: str(tmp_path)} | environment
    with file.open("w") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out), file


def finished(process, file, seconds=300):
    """Wait until a process has ended well; what it said."""
    assert process.wait(seconds) == 0, file.read_text()
    return file.read_text()


ATTACK = """
import resource
from codingaxes import memory
from codingaxes.attacks import strongest
from codingaxes.networks.network import load_network

device = devices.choose_device(sys.argv[3], 1, "attack")
generator = torch.Generator().manual_seed(0)
images = torch.rand(8, 3, 64, 64, generator=generator)
attacks = []
for place in ("cpu", device):
    network = load_network("resnet", sys.argv[2], place)
    with torch.no_grad():
        size = network.features(images[:1].to(place), ["layer4"])["layer4"].shape[1]
    weight = torch.randn(size, generator=torch.Generator().manual_seed(1)).to(place) / size**0.5

    def respond(images):
        return network.features(images, ["layer4"])["layer4"] @ weight

    attacks.append(strongest.maximise(respond, images.to(place), 0.86, steps=20))
slow, fast = attacks
assert fast.delta.is_cuda and torch.cuda.max_memory_allocated() > 0
torch.testing.assert_close(fast.before.cpu(), slow.before, rtol=1e-3, atol=1e-4)
torch.testing.assert_close(fast.change.cpu(), slow.change, rtol=0.02, atol=1e-3)
assert (fast.size.cpu() <= 0.86 * (1 + 1e-6)).all()
assert torch.cuda.device_count() == 1 and os.environ["CUDA_VISIBLE_DEVICES"] == cards.claimed().uuid
uuid = str(torch.cuda.get_device_properties(0).uuid)
assert cards.claimed().uuid.endswith(uuid), (cards.claimed(), uuid)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(f"{peak:.0f} MB of the machine's memory")
assert peak < memory.NETWORKS + memory.CUDA, "what jobs ask for beside a GPU is too little"
print("done")
"""


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_job_claims_a_gpu_and_attacks_on_it_as_on_the_processor(tmp_path, device):
    said = finished(*start(tmp_path, ATTACK, ZOO / "resnet_robust_1.safetensors", device))
    assert f"device cuda (asked for {device})" in said and said.endswith("done\n")
    assert list(tmp_path.glob("codingaxes-*.lock"))


WORK = """
device = devices.choose_device("auto", 1, sys.argv[2])
print("at work", float(torch.ones(1000, device=device).sum()), flush=True)
time.sleep(float(sys.argv[3]))
"""


def test_a_second_job_waits_until_the_first_is_killed(tmp_path):
    one = {cards.VISIBLE: (os.environ.get(cards.VISIBLE) or "0").split(",")[0]}
    first, said = start(tmp_path, WORK, "first", 300, name="first", **one)
    try:
        end = time.monotonic() + 120
        while "at work 1000.0" not in said.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        second, says = start(tmp_path, WORK, "second", 0, name="second", **one)
        while "waiting for a GPU" not in says.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        assert f"by first, process {first.pid} of" in says.read_text(), said.read_text()
        assert "at work" not in says.read_text()
    finally:
        first.kill()
        first.wait()
    assert "at work 1000.0" in finished(second, says, 120)


LISTED = """
driver = cards.parse(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout)
os.environ["PATH"] = ""
through_torch = cards.installed()
print(driver, through_torch)
assert driver[0] and not torch.cuda.is_initialized()
if not any(driver[1].values()):  # of a GPU that is divided CUDA lists one part
    assert through_torch[0] == driver[0]
print("the same")
"""


def test_without_the_command_of_the_driver_the_same_gpus_are_found_through_torch(tmp_path):
    said = finished(*start(tmp_path, LISTED, **{cards.VISIBLE: "0"}))
    assert said.rstrip().endswith("the same")


FIT = """
device = devices.choose_device("cuda", 1, "fit")
total = torch.cuda.get_device_properties(0).total_memory
torch.cuda.set_per_process_memory_fraction(2e9 / total)

def work(x):  # 100 MB an image
    return (x[:, None] * weight).sum((1, 2)).cpu()

weight = torch.rand(5000, 5000, device=device)
x = torch.rand(50, 5000, generator=torch.Generator().manual_seed(0)).to(device)
whole = torch.cat([work(one) for one in x.split(1)])
fitting = devices.Batches(50)
torch.testing.assert_close(torch.cat(fitting(work, x)), whole, rtol=1e-4, atol=0)  # sums of 25 million
assert 1 < fitting.size < 25, fitting.size
"""


def test_a_batch_that_does_not_fit_onto_the_gpu_is_halved_until_it_does(tmp_path):
    assert "the device is out of memory; going on with 25 images at once" in finished(*start(tmp_path, FIT))


HIDDEN = """
assert devices.choose_device("auto", 1, "job").type == "cpu"
assert devices.choose_device("auto", 0, "job").type == "cpu"
try:
    devices.choose_device("cuda", 1, "job")
except RuntimeError as error:
    print(error)
"""


def test_a_gpu_that_is_hidden_is_not_taken(tmp_path):
    said = finished(*start(tmp_path, HIDDEN, **{cards.VISIBLE: ""}))
    assert "device: cuda, but CUDA_VISIBLE_DEVICES is '', which is none of the" in said


def test_a_gpu_of_a_slurm_job_that_was_given_none_is_not_taken(tmp_path):
    said = finished(*start(tmp_path, HIDDEN, SLURM_JOB_ID="7"))
    assert "device: cuda, but SLURM gave this job no GPU" in said
