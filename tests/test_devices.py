"""Tests of devices: which one is taken, batches that fit into memory, and cheaper precisions."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from planted_responses import kinked, rand

from codingaxes import cards, devices


def test_batches_are_halved_when_memory_is_out_and_results_stay_the_same(caplog):
    sizes = []

    def work(x, y):
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError("no room")
        return x + y

    fitting = devices.Batches(10)
    x, y = torch.arange(10), torch.ones(10)
    with caplog.at_level("WARNING", logger="codingaxes"):
        assert torch.equal(torch.cat(fitting(work, x, y)), x + y)
    assert sizes == [10, 5, 3, 3, 3, 1]
    assert "going on with 3 images at once" in caplog.text
    assert torch.equal(torch.cat(fitting(work, x, y)), x + y) and sizes[6] == 3

    def hopeless(x):
        raise torch.OutOfMemoryError("no room at all")

    with pytest.raises(torch.OutOfMemoryError, match="no room at all"):
        fitting(hopeless, x)


def test_other_errors_are_no_reason_for_smaller_batches():
    def wrong(x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    fitting = devices.Batches(10)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fitting(wrong, torch.arange(10))
    assert fitting.size == 10


LITTLE_MEMORY = """
import logging, resource, torch
from codingaxes import devices

logging.basicConfig(level="WARNING", format="%(message)s")
weight = torch.randn(1000, 1000)

def work(x):  # about 40 MB an image beside the result
    return (x[:, None, :, None] * weight[None]).expand(-1, 10, -1, -1).contiguous().sum((1, 3))

x = torch.randn(32, 1000)
whole = torch.cat([work(one) for one in x.split(1)])
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 500_000_000, -1))
fitting = devices.Batches(32)
torch.testing.assert_close(torch.cat(fitting(work, x)), whole, rtol=1e-4, atol=1e-2)  # sums of 10 000
print("fitted", fitting.size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_batch_for_which_the_processor_has_no_memory_is_halved_until_it_fits():
    scripts = Path(devices.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY], cwd=scripts, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout in ("fitted 8\n", "fitted 4\n") and "16 images at once" in done.stderr


def batches_of(seconds, n=100, size=4):
    """Give the sizes of the parts that work of known duration is done in, and what it returns."""
    sizes = []

    def work(x):
        sizes.append(len(x))
        time.sleep(seconds(len(x)))
        return 2 * x

    done = torch.cat(devices.Batches(size, grow=True)(work, torch.arange(n)))
    assert torch.equal(done, 2 * torch.arange(n))
    return sizes


def test_batches_grow_while_more_at_once_are_faster():
    assert batches_of(lambda n: 0.02) == [4, 8, 16, 32, 40]


def test_batches_go_back_to_half_once_more_at_once_are_no_faster(caplog):
    with caplog.at_level("INFO", logger="codingaxes"):
        sizes = batches_of(lambda n: 0.02 if n <= 8 else 0.01 * n)
    assert sizes[:4] == [4, 8, 16, 8] and set(sizes[3:-1]) == {8}
    assert "8 images at once: more are no faster" in caplog.text


def test_batches_that_ran_out_of_memory_never_grow_again():
    sizes = []

    def work(x):
        sizes.append(len(x))
        if len(x) > 8:
            raise torch.OutOfMemoryError("no room")
        return x

    fitting = devices.Batches(4, grow=True)
    assert torch.equal(torch.cat(fitting(work, torch.arange(60))), torch.arange(60))
    assert sizes == [4, 8, 16, 8, 8, 8, 8, 8, 8]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is the C library of Linux")
def test_freed_memory_stays_with_the_process():
    code = """
import resource
from codingaxes import cards, devices
for keep in (False, True):
    if keep:
        devices.keep_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        block = bytearray(8_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    scripts = Path(devices.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    without, kept = map(int, done.stdout.split())
    assert kept < without / 3, "pages were asked of the system again and again"


def test_cheaper_precisions_give_float32_responses_that_are_rounded_more():
    respond, images = kinked(hidden=200), rand(4, 3, 8, 8).float()
    rounded = devices.exploring(respond, "bfloat16")(images)
    assert rounded.dtype == torch.float32 and not torch.equal(rounded, respond(images))
    torch.testing.assert_close(rounded, respond(images), rtol=0.05, atol=0.5)
    assert torch.equal(devices.exploring(respond, "tf32")(images), respond(images))  # differs on CUDA alone
    assert devices.exploring(respond, "float32") is None
    with pytest.raises(ValueError, match="precision must be one of float32, tf32, bfloat16, not 'float8'"):
        devices.exploring(respond, "float8")


def test_a_job_for_the_processor_takes_it_whatever_it_asked_for(caplog):
    with caplog.at_level("INFO", logger="codingaxes"):
        assert devices.choose_device("cpu", 1, "job") == torch.device("cpu")
    assert "device cpu (asked for cpu)" in caplog.text


def test_auto_takes_no_gpu_that_the_job_did_not_ask_for_and_says_so(caplog):
    with caplog.at_level("INFO", logger="codingaxes"):
        assert devices.choose_device("auto", 0, "job") == torch.device("cpu")
    assert "device cpu (asked for auto: the job asked Snakemake for no GPU (resource gpu=0))" in caplog.text
    with pytest.raises(RuntimeError, match=r"device: cuda, but the job asked .* --resources gpu=1"):
        devices.choose_device("cuda", 0, "job")


def test_auto_takes_no_gpu_of_a_slurm_node_that_slurm_did_not_give(monkeypatch, caplog):
    for name in (*cards.SLURM_INDICES, *cards.SLURM_NUMBERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with caplog.at_level("INFO", logger="codingaxes"):
        assert devices.choose_device("auto", 1, "job") == torch.device("cpu")
    assert "device cpu (asked for auto: SLURM gave this job no GPU)" in caplog.text
    with pytest.raises(RuntimeError, match="device: cuda, but SLURM gave this job no GPU; set device: auto"):
        devices.choose_device("cuda", 1, "job")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_torch_cannot_use_is_given_back_and_named(tmp_path, monkeypatch, caplog):
    driver = tmp_path / "nvidia-smi"  # a stand-in of the command, on a machine without a GPU
    driver.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv(cards.SETTING, str(tmp_path))
    monkeypatch.delenv(cards.VISIBLE, raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with caplog.at_level("INFO", logger="codingaxes"):
        assert devices.choose_device("auto", 1, "job") == torch.device("cpu")
    assert "cannot use the GPU NVIDIA H100 (GPU-1); is its driver too old?" in caplog.text
    assert cards.claimed() is None and cards.VISIBLE not in os.environ


def test_the_backward_pass_too_is_in_the_cheaper_precision_and_nothing_after_it():
    settings = []

    class Watch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            settings.append(torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32)
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            settings.append(torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32)
            return gradient

    explore = devices.exploring(lambda images: Watch.apply(images).flatten(1).sum(dim=1), "tf32")
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    explore(rand(2, 3, 4, 4).requires_grad_(True)).sum().backward()
    assert settings == [True, True]
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_gradients_of_several_responses_come_from_one_cheap_pass():
    images, weights = rand(3, 5).float().requires_grad_(True), rand(5, 2).float()
    responses = devices.exploring(lambda x: x.square() @ weights, "bfloat16")(images)
    for i in range(2):
        (gradient,) = torch.autograd.grad(responses[:, i].sum(), images, retain_graph=True)
        torch.testing.assert_close(gradient, 2 * images.detach() * weights[:, i], rtol=0.02, atol=0.02)
