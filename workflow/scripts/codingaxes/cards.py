"""Claim one free GPU of this machine, by a lock on one file per card that ends with the process.

All jobs, studies and users of a machine share the files, so that no two jobs of codingaxes are on one card.
The lock (flock) belongs to an open file: the system ends it with the process, also after SIGKILL, and what
the process starts does not inherit it. Programs that do not know of these files are not kept off a card.
"""

import ctypes
import fcntl
import logging
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Not the temporary folder that TMPDIR names, which differs between jobs, studies and users.
SETTING, FOLDER = "CODINGAXES_LOCKS", "/tmp"
# What SLURM sets in a job or a step that it gave GPUs to (manual pages of sbatch and srun).
SLURM_INDICES, SLURM_NUMBERS = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS"), ("SLURM_GPUS_ON_NODE", "SLURM_GPUS")
TEXT = 300  # bytes of a lock's file, which says who has it
PAUSE, SAY = 0.5, 300.0  # seconds between tries, and between lines in the log
# Run by another process, as asking torch starts CUDA, which reads CUDA_VISIBLE_DEVICES only once.
ASK_TORCH = """
import torch
for number in range(torch.cuda.device_count()):
    card = torch.cuda.get_device_properties(number)
    print(f"GPU {number}: {card.name} (UUID: GPU-{card.uuid})")
"""

log = logging.getLogger("codingaxes")


class NoCard(RuntimeError):
    """Say why a job gets no GPU."""


@dataclass(frozen=True)
class Card:
    """Name a GPU, or a part of one (MIG), as CUDA_VISIBLE_DEVICES does whatever its index is."""

    uuid: str
    name: str

    def __str__(self):
        return f"{self.name} ({self.uuid})"


@dataclass(frozen=True)
class Claim:
    """Hold the lock of a card, and remember what CUDA_VISIBLE_DEVICES was before."""

    card: Card
    descriptor: int
    before: str | None


_held = None  # the claim of this process, as the environment and CUDA are the process's own too


def take(job):
    """Find a GPU that this process may use and, unless SLURM has chosen it, claim it.

    CUDA_VISIBLE_DEVICES is set to the card, so that it is the only one that CUDA sees. That must happen
    before CUDA starts. A second call gives the same card. Inside a SLURM job a single card is taken without
    a lock, as SLURM knows who shares it; of several cards, as in a group of jobs, one is claimed.

    Parameters
    ----------
    job : str
        Named in the file of the lock, for those who wait.

    Returns
    -------
    Card

    Raises
    ------
    NoCard
        If SLURM gave this job none, there is none, or CUDA_VISIBLE_DEVICES hides all.
    """
    if card := claimed():
        return card
    slurm = granted_by_slurm(os.environ)
    if slurm is False:
        raise NoCard("SLURM gave this job no GPU")
    cards = visible(*installed(), os.environ.get(VISIBLE))
    if slurm and len(cards) == 1:
        log.info(f"SLURM has chosen the GPU: {cards[0]}")
        return cards[0]
    return claim(cards, job)


def granted_by_slurm(environment):
    """Tell whether SLURM gave GPUs to the job that an environment is of; None outside of SLURM.

    CUDA_VISIBLE_DEVICES is no evidence: a job inherits it from the shell that submitted it.
    """
    if not environment.get("SLURM_JOB_ID"):
        return None
    indices = any(environment.get(name) for name in SLURM_INDICES)
    return indices or any(environment.get(name, "0") not in ("", "0") for name in SLURM_NUMBERS)


def installed():
    """List the GPUs of this machine, in the order of nvidia-smi; each as a list of its parts.

    Returns
    -------
    whole : list of Card
    parts : dict
        uuid of a GPU -> list of Card, its MIG devices; empty for a GPU that is not divided.

    Raises
    ------
    NoCard
        If there is no driver of NVIDIA, or it does not answer.
    """
    try:
        text = _said(["nvidia-smi", "-L"])
    except FileNotFoundError:
        try:
            ctypes.CDLL("libcuda.so.1")  # loading it does not start CUDA
        except OSError:
            raise NoCard("there is no driver of NVIDIA here") from None
        text = _said([sys.executable, "-c", ASK_TORCH], env=_environment_of_all())
    return parse(text)


def _environment_of_all():
    """Copy the environment so that CUDA sees all GPUs, in the order of nvidia-smi."""
    others = {name: value for name, value in os.environ.items() if name != VISIBLE}
    return others | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _said(command, **options):
    """Run a command that lists GPUs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    except subprocess.TimeoutExpired:
        raise NoCard(f"{command[0]} did not answer within two minutes") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        raise NoCard(f"{Path(command[0]).name} ended with status {done.returncode} and said: {said[-1]}")
    return done.stdout


def parse(text):
    """Read the output of `nvidia-smi -L`; see `installed`."""
    whole, parts = [], {}
    for line in text.splitlines():
        if match := re.match(r"GPU \d+: (.*) \(UUID: (\S+)\)", line):
            whole.append(Card(match[2], match[1]))
            parts[match[2]] = []
        elif (match := re.match(r"\s+MIG (\S+) .*\(UUID: (\S+)\)", line)) and whole:
            parts[whole[-1].uuid].append(Card(match[2], f"{whole[-1].name} MIG {match[1]}"))
    return whole, parts


def visible(whole, parts, wanted):
    """List the cards that CUDA_VISIBLE_DEVICES leaves, in its order.

    Parameters
    ----------
    whole, parts
        From `installed`.
    wanted : str or None
        Indices (those of nvidia-smi, as with CUDA_DEVICE_ORDER=PCI_BUS_ID), UUIDs of GPUs or MIG devices, or
        beginnings of UUIDs, with commas between. None leaves all. As for CUDA, an entry that is no card hides
        itself and all after it, so that -1, NoDevFiles and the empty text hide all.

    Returns
    -------
    list of Card
        Each once. A GPU that is divided stands for all its MIG devices.

    Raises
    ------
    NoCard
        If none is left.
    """
    if not whole:
        raise NoCard("the driver of NVIDIA sees no GPU here")
    entries = [str(number) for number in range(len(whole))] if wanted is None else wanted.split(",")
    cards = []
    for entry in map(str.strip, entries):
        named = _named(entry, whole, parts)
        if not named:
            break
        cards += [card for card in named if card not in cards]
    if not cards:
        raise NoCard(f"{VISIBLE} is {wanted!r}, which is none of the {len(whole)} GPUs here")
    return cards


def _named(entry, whole, parts):
    """List the cards that one entry of CUDA_VISIBLE_DEVICES names: a GPU or its parts, one part, or none."""
    if entry.isdecimal():
        chosen = whole[int(entry) : int(entry) + 1]
    elif entry.startswith("MIG-"):
        chosen = [card for of_gpu in parts.values() for card in of_gpu if card.uuid.startswith(entry)]
        return chosen if len(chosen) == 1 else []
    else:
        chosen = [card for card in whole if entry.startswith("GPU-") and card.uuid.startswith(entry)]
    return (parts[chosen[0].uuid] or chosen) if len(chosen) == 1 else []


def claim(cards, job):
    """Wait until one of some cards is free, and hold its lock until this process ends.

    Parameters
    ----------
    cards : list of Card
    job : str

    Returns
    -------
    Card
        The only one that CUDA_VISIBLE_DEVICES names now.

    Raises
    ------
    RuntimeError
        If the files of the locks cannot be used; says which, and what to do.
    """
    global _held
    folder, said = Path(os.environ.get(SETTING, FOLDER)), -SAY
    while True:
        holders = []
        for card in cards:
            descriptor, holder = _try(folder / f"codingaxes-{re.sub(r'[^A-Za-z0-9.-]', '_', card.uuid)}.lock")
            if descriptor is not None:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _about(job).encode()[:TEXT], 0)
                _held = Claim(card, descriptor, os.environ.get(VISIBLE))
                os.environ[VISIBLE] = card.uuid
                log.info(f"claimed the GPU {card}")
                return card
            holders.append(f"{card} by {holder}")
        if time.monotonic() - said >= SAY:
            log.info(f"waiting for a GPU; taken: {'; '.join(holders)}")
            said = time.monotonic()
        time.sleep(PAUSE)


def claimed():
    """Give the card that this process has claimed, or None."""
    return _held.card if _held else None


def release():
    """Give back the card that this process has claimed, if any, and restore CUDA_VISIBLE_DEVICES."""
    global _held
    if _held:
        os.close(_held.descriptor)
        os.environ.pop(VISIBLE)
        if _held.before is not None:
            os.environ[VISIBLE] = _held.before
    _held = None


def _forget():
    """Close the lock's file in a copy of this process, as it would stay locked as long as any copy lives."""
    global _held
    if _held:
        os.close(_held.descriptor)
    _held = None


os.register_at_fork(after_in_child=_forget)


def _try(path):
    """Lock a file if nobody has: its descriptor and "", or None and who has it."""
    try:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, TEXT, 0).decode(errors="replace")
            os.close(descriptor)
            return None, "".join(filter(str.isprintable, holder)) or "somebody"
        if (
            os.fstat(descriptor).st_nlink == 0
        ):  # deleted meanwhile: others would lock another file of its name
            os.close(descriptor)
            return _try(path)
    except OSError as error:
        raise RuntimeError(
            f"the lock of a GPU cannot be used: {path}: {error.strerror}; delete the file if nobody is at "
            f"work, or set {SETTING} to a folder of this machine that all its users can write to"
        ) from error
    return descriptor, ""


def _opened(path):
    """Open a lock's file for reading and writing by everybody; make it if it is not there.

    It lies in a folder where everybody writes, so only a plain file with one name is accepted: a link could
    lead to a file of the user's own.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for left in range(20, -1, -1):
        try:
            descriptor = os.open(path, flags)
            break
        except FileNotFoundError:
            try:
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue
            os.fchmod(descriptor, 0o666)  # whatever the umask
            break
        except PermissionError:  # another user may just be making it, and gives the right a moment later
            if not left:
                raise
            time.sleep(0.05)
    else:
        raise OSError(0, "it comes and goes")
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(descriptor)
        raise OSError(0, "it is not a plain file with one name")
    return descriptor


def _about(job):
    """Describe this process for those who wait."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"user {os.getuid()}"
    since = time.strftime("%Y-%m-%d %H:%M")
    return f"{job}, process {os.getpid()} of {user} on {socket.gethostname()}, since {since}, in {Path.cwd()}"
