"""Choose the device of a job, fit batches into its memory, and compute in a cheaper precision."""

import ctypes
import logging
import time
from contextlib import contextmanager

import torch
from torch.autograd.function import once_differentiable

from codingaxes import cards

GROWN = 1.05  # times the images a second of half as many that a part of a batch must have to grow further
PRECISIONS = ("float32", "tf32", "bfloat16")
# Parameters of glibc's mallopt, of malloc.h: from which size on memory is asked of the system block by block,
# and how much may lie free before it goes back.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, LARGEST = -3, -1, 2**30

log = logging.getLogger("codingaxes")


class Batches:
    """Run work on parts of a batch, of as many images as the device can hold.

    The parts are halved whenever the device is out of memory. If asked to, they also grow: twice as many
    images are tried for as long as that is faster and memory allows. Results do not depend on the parts, but
    for rounding.

    Parameters
    ----------
    size : int
        Images to begin with.
    grow : bool
        True on a GPU, for work whose time is that of its images (a forward pass, not a search that ends when
        it has found something).
    """

    def __init__(self, size, grow=False):
        self.size, self.grow, self.rate = size, grow, 0.0

    def __call__(self, work, *tensors):
        """Run `work` on parts of `tensors` (n, ...), one after the other.

        Returns
        -------
        list
            What `work` returned for each part.

        Raises
        ------
        torch.OutOfMemoryError, RuntimeError or MemoryError
            If not even one image fits.
        """
        done, start = [], 0
        while start < len(tensors[0]):
            part = [x[start : start + self.size] for x in tensors]
            try:
                done.append(self._run(work, part))
                start += len(part[0])
                continue
            except (RuntimeError, MemoryError) as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
                self.size, self.grow = (len(part[0]) + 1) // 2, False
            torch.cuda.empty_cache()  # outside the handler, whose traceback holds tensors
            log.warning(f"the device is out of memory; going on with {self.size} images at once")
        return done

    def _run(self, work, part):
        """Run `work` on one part; where parts may grow, time it and choose the size of the next."""
        if not self.grow or len(part[0]) < self.size:
            return work(*part)
        held, began = _memory(reset=True), _clock()
        result = work(*part)
        rate = len(part[0]) / (_clock() - began)
        if rate < GROWN * self.rate:  # no faster than half as many
            self.size, self.grow = self.size // 2, False
            log.info(f"{self.size} images at once: more are no faster")
        elif _fits(2 * (_memory() - held)):
            self.size, self.rate = 2 * self.size, rate
        else:
            self.grow = False
            log.info(f"{self.size} images at once: twice as many do not fit into memory")
        return result


def _memory(reset=False):
    """Give the bytes that the GPU holds for this process at most, from the last reset on; 0 without a GPU."""
    if not torch.cuda.is_available():
        return 0
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated()


def _fits(more):
    """Say whether the GPU has room for so many bytes, with a margin for what is cut into blocks."""
    if not torch.cuda.is_available():
        return True
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return more < 0.8 * (torch.cuda.mem_get_info()[0] + unused)


def _clock():
    """Read the time once everything sent to the GPU, if there is one, is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def is_out_of_memory(error):
    """Tell whether an error says that memory is out: of a GPU, of its libraries, or of the processor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in ("out of memory", "ALLOC_FAILED", "can't allocate memory")
    )


def keep_memory():
    """Let the process keep the memory that it frees, where the C library is glibc; elsewhere do nothing.

    Each layer of a network asks for large blocks and frees them soon. By default every such block comes from
    the system and goes back, and its pages are cleared each time: a quarter of the time of a gradient of the
    miniature's networks.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, LARGEST)


def choose_device(wanted, gpus, job):
    """Choose the torch device of a job for `auto`, `cpu` or `cuda`, and say in the log which one, and why.

    A GPU is claimed (see `cards.take`): nobody else's job of codingaxes is on it while this process lives. If
    all are taken, this waits, and says for whom.

    Parameters
    ----------
    wanted : str
        The setting `device`. `auto` takes a GPU if it can, and the processor if the job asked for none, if
        there is none, or if SLURM gave none.
    gpus : int
        How many GPUs the job asked Snakemake for, its resource gpu. More than one is as one.
    job : str
        Named for those who wait for the same card.

    Returns
    -------
    torch.device

    Raises
    ------
    RuntimeError
        If `cuda` is wanted and there is none, with the reason and what to do; or if CUDA had been started
        before, so that no card can be chosen.
    """
    keep_memory()
    card, reason = None, ""
    if wanted != "cpu":
        try:
            card = _take(gpus, job)
        except cards.NoCard as error:
            reason = str(error)
    if wanted == "cuda" and card is None:
        raise RuntimeError(
            f"device: cuda, but {reason}; set device: auto or cpu, or run where there is a GPU and tell "
            "Snakemake how many, with --resources gpu=1 or in a profile"
        )
    if card:  # convolutions too are in float32, as everywhere
        torch.backends.cudnn.allow_tf32 = False
    log.info(f"device {'cuda' if card else 'cpu'} (asked for {wanted}{reason and ': '}{reason})")
    return torch.device("cuda" if card else "cpu")


def _take(gpus, job):
    """Take a card that torch can use, or say why there is none; a card that it cannot use is given back."""
    if not gpus:
        raise cards.NoCard("the job asked Snakemake for no GPU (resource gpu=0)")
    if not torch.backends.cuda.is_built():
        raise cards.NoCard("this build of PyTorch has no CUDA")
    if torch.cuda.is_initialized() and not cards.claimed():
        raise RuntimeError("CUDA was started before the job had chosen its GPU; choose the device first")
    card = cards.take(job)
    if not torch.cuda.is_available():
        cards.release()
        version = torch.version.cuda
        raise cards.NoCard(f"PyTorch for CUDA {version} cannot use the GPU {card}; is its driver too old?")
    return card


def exploring(respond, precision):
    """Make the same response in a cheaper precision; None for float32, which needs no other.

    Parameters
    ----------
    respond : callable, images -> responses
    precision : str
        float32, tf32 (on CUDA; elsewhere it changes nothing) or bfloat16 (where torch's autocast applies it).
        On ResNet-18 the direction of a bfloat16 gradient had a cosine of 0.88 with that of float32.

    Returns
    -------
    callable, images -> responses in float32; or None
        Gradients of it are computed in that precision too. It can be differentiated once.

    Raises
    ------
    ValueError
        If the precision is not known.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if precision == "float32":
        return None

    def explore(images):
        if torch.is_grad_enabled() and images.requires_grad:
            return _Cheaply.apply(images, respond, precision)
        with cheaper(precision, images.device.type):
            return respond(images).float()

    return explore


class _Cheaply(torch.autograd.Function):
    """Compute responses and their gradients in a cheaper precision, and nothing around them.

    TF32 is a setting of the whole process, read as each operation runs: set for the forward pass alone, it
    would leave the backward pass in float32.
    """

    @staticmethod
    def forward(ctx, images, respond, precision):
        leaf = images.detach().requires_grad_(True)
        with torch.enable_grad(), cheaper(precision, images.device.type):
            response = respond(leaf)
        ctx.recorded, ctx.precision = (leaf, response), precision
        return response.detach().float()

    @staticmethod
    @once_differentiable
    def backward(ctx, cotangent):
        leaf, response = ctx.recorded
        cotangent = cotangent.to(response.dtype)
        # the backward pass of autocast operations has their type already
        with cheaper("tf32" if ctx.precision == "tf32" else "float32", cotangent.device.type):
            (gradient,) = torch.autograd.grad(response, leaf, cotangent, retain_graph=True)
        return gradient, None, None


@contextmanager
def cheaper(precision, device):
    """Compute in one of `PRECISIONS` while this is active; device is cpu or cuda."""
    if precision == "float32":
        yield
        return
    if precision == "bfloat16":
        with torch.autocast(device, dtype=torch.bfloat16):
            yield
        return
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
