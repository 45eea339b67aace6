"""Tests that need a GPU: memory that really runs out, precisions that really differ, and equal results."""

from pathlib import Path

import pytest
import torch
from planted_zoo import face_body_house

from codingaxes import devices
from codingaxes.attacks import strongest
from codingaxes.axes import eigenpairs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
ZOO = Path(__file__).parents[1] / "resources" / "zoo"
SETTINGS = {"steps": 10, "limit": 310, "tolerance": 0.005}  # the default of the configuration
RADIUS = 0.86


@pytest.fixture(scope="module")
def gpu():
    """The GPU, as jobs take it: everything in float32."""
    return devices.choose_device("cuda", 1, "tests")


@pytest.fixture(scope="module", params=["resnet_standard_1", "resnet_robust_1"])
def both(request, gpu):
    """Readouts of a shipped network and two images, on the processor and on the GPU."""
    return [face_body_house(ZOO, request.param, n=2, device=device) for device in ("cpu", gpu)]


def gradient_of(respond, images, precision):
    """Compute the gradients of the first response, (n, pixels)."""
    explore = devices.exploring(respond, precision) or respond
    which = torch.zeros(len(images), dtype=torch.long, device=images.device)
    return strongest.value_and_gradient(explore, images, which)[1].flatten(1)


def attacked(respond, images, precision):
    """Attack three responses of each image, up and down: changes in float32."""
    shown, n = images.repeat_interleave(6, dim=0), len(images)
    which = torch.arange(3, device=images.device).repeat(2 * n)
    sign = torch.tensor([1.0, 1, 1, -1, -1, -1], device=images.device).repeat(n)
    explore = devices.exploring(respond, precision)
    settings = SETTINGS | {"which": which, "direction": sign, "explore": explore}
    return strongest.maximise(respond, shown, RADIUS, **settings).change.abs().cpu()


def test_responses_on_the_gpu_are_those_of_the_processor(both):
    (slow, on_cpu), (fast, on_gpu) = both
    torch.testing.assert_close(fast(on_gpu).cpu(), slow(on_cpu), rtol=1e-4, atol=1e-4)
    expected, gradient = gradient_of(slow, on_cpu, "float32"), gradient_of(fast, on_gpu, "float32").cpu()
    assert (gradient - expected).norm() < 1e-3 * expected.norm()


def test_a_cheaper_precision_is_cheaper_in_both_passes_and_leaves_float32_as_it_was(both):
    respond, images = both[1]
    exact, before = gradient_of(respond, images, "float32"), respond(images)
    distance = {}
    for precision in ("tf32", "bfloat16"):
        gradient = gradient_of(respond, images, precision)
        distance[precision] = float((gradient - exact).norm() / exact.norm())
        assert torch.equal(respond(images), before), "float32 is as exact as before"
    assert 1e-6 < distance["tf32"] < 0.1 and distance["tf32"] < distance["bfloat16"] < 1, distance


@pytest.mark.parametrize("precision", devices.PRECISIONS)
def test_attacks_on_the_gpu_are_as_strong_as_those_of_the_processor(both, precision):
    (slow, on_cpu), (fast, on_gpu) = both
    share = attacked(fast, on_gpu, precision) / attacked(slow, on_cpu, "float32")
    assert abs(share.mean() - 1) < 0.01, share


def test_axes_on_the_gpu_are_those_of_the_processor(both):
    start = torch.randn(2, 3 * 64 * 64, generator=torch.Generator().manual_seed(0))
    found = [
        eigenpairs.top_axes(respond, images, 3, start=start.to(images.device), route="lanczos").spectrum
        for respond, images in both
    ]
    torch.testing.assert_close(found[1].values.cpu(), found[0].values, rtol=1e-3, atol=0)
    cosine = (found[1].vectors.cpu() * found[0].vectors).sum(dim=2).abs()
    assert cosine[:, 0].min() > 0.999


def test_memory_that_runs_out_halves_the_batches(gpu, caplog):
    share, sizes = int(0.2 * torch.cuda.mem_get_info()[0]), []

    def work(x):
        torch.empty(share * len(x), dtype=torch.uint8, device=gpu)
        sizes.append(len(x))
        return x

    with caplog.at_level("WARNING", logger="codingaxes"):
        done = torch.cat(devices.Batches(16)(work, torch.arange(32)))
    assert torch.equal(done, torch.arange(32)) and set(sizes) == {4}
    assert "out of memory; going on with 4 images" in caplog.text


def test_batches_that_grow_give_the_same_responses(both):
    respond, images = both[1]
    many = images.repeat(1000, 1, 1, 1) * torch.linspace(0.5, 1, 2000, device=images.device).view(-1, 1, 1, 1)
    growing = devices.Batches(16, grow=True)
    with torch.inference_mode():
        grown = torch.cat(growing(respond, many))
        fixed = torch.cat([respond(part) for part in many.split(16)])
    assert growing.size > 16
    torch.testing.assert_close(grown, fixed, rtol=1e-4, atol=1e-4)
