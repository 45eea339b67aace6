"""Tests of cards: processes that take turns on stand-ins of GPUs, by the real locks; none needs a GPU."""

import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pytest

from codingaxes import cards
from codingaxes.cards import Card

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
UUIDS = [f"GPU-{number}0000000-aaaa-bbbb-cccc-dddddddddddd" for number in range(3)]
LISTED = "".join(f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: {uuid})\n" for i, uuid in enumerate(UUIDS))
# As the driver's manual shows it: one GPU that is divided and one that is not.
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 1g.5gb      Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 2g.10gb     Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-7c2ba0d6-0000-2b2c-524d-9e3d8d2b8a77)
"""
# Takes a card and says every few milliseconds that it is on it.
JOB = """
import logging, os, sys, time
sys.path.insert(0, sys.argv[1])
from codingaxes import cards
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
if len(sys.argv) > 4:
    os.umask(0o077)
card = cards.take(f"job {sys.argv[2]}")
assert os.environ["CUDA_VISIBLE_DEVICES"] == card.uuid and cards.take("another") == card
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    print("at work on", card.uuid, time.monotonic(), flush=True)
    time.sleep(0.005)
"""


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine whose driver lists three GPUs, with a folder of locks of its own."""
    (tmp_path / "bin").mkdir()
    driver = tmp_path / "bin/nvidia-smi"  # a stand-in of the command
    driver.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat <<"END"\n{LISTED}END\n')
    driver.chmod(0o755)
    (tmp_path / "locks").mkdir()
    hidden = ("SLURM_", cards.VISIBLE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    path = f"{tmp_path / 'bin'}:{environment['PATH']}"
    return environment | {"PATH": path, cards.SETTING: str(tmp_path / "locks")}


def start(machine, folder, name, seconds, *more, code=JOB, **environment):
    """Start a job in a process of its own; what it says goes to a file."""
    file = folder / f"{name}.txt"
    command = [sys.executable, "-c", code, str(SCRIPTS), str(name), str(seconds), *more]
    with file.open("a") as out:
        process = subprocess.Popen(command, env=machine | environment, stdout=out, stderr=out, cwd=folder)
    return process, file


def wait_for(text, file, seconds=30):
    """Wait until a file holds a text."""
    end = time.monotonic() + seconds
    while text not in file.read_text():
        assert time.monotonic() < end, f"{text!r} was not said: {file.read_text()}"
        time.sleep(0.01)


def spans(file):
    """Read on which card a process was, from when to when; processes that were killed began a new file."""
    lines = re.findall(r"at work on (\S+) ([\d.]+)\n", file.read_text())
    assert len({uuid for uuid, _ in lines}) <= 1, "a process held more than one card"
    return (lines[0][0], float(lines[0][1]), float(lines[-1][1])) if lines else None


def test_sixteen_jobs_share_three_cards_and_never_two_are_on_one_though_some_are_killed(machine, tmp_path):
    # two studies of two users' habits: indices and UUIDs, other temporary folders, a strict umask
    habits = [
        {},
        {cards.VISIBLE: "0,1,2", "TMPDIR": str(tmp_path)},
        {cards.VISIBLE: ",".join(reversed(UUIDS))},
        {cards.VISIBLE: "2, 0,GPU-1"},
    ]
    draw, running = random.Random(19), {}
    files, finished, killed = [], 0, {"at work": 0, "waiting for a GPU": 0}

    def begin(number, more=()):
        habit = habits[number % len(habits)]
        running[number] = start(machine, tmp_path, f"{number}.{len(files)}", 0.3, *more, **habit)
        files.append(running[number][1])

    for number in range(16):
        begin(number, ["umask"] * (number % 2))
    while running:
        time.sleep(0.02)
        for number, (process, file) in list(running.items()):
            if process.poll() == 0:
                finished += 1
                del running[number]
            elif process.poll() is not None:
                assert process.returncode == -signal.SIGKILL, file.read_text()
                begin(number)
        doing = {
            number: (re.findall("at work|waiting for a GPU", file.read_text()) or [None])[-1]
            for number, (_, file) in running.items()
        }
        state = draw.choice(list(killed))
        if killed[state] < 4 and (some := [number for number, what in doing.items() if what == state]):
            running[draw.choice(some)][0].kill()
            killed[state] += 1
    work = sorted(span for span in map(spans, files) if span)
    assert {uuid for uuid, _, _ in work} == set(UUIDS), "a card was never used"
    for (uuid, _, end), (other, begin, _) in pairwise(work):
        assert uuid != other or end < begin, f"two jobs were on {uuid} at once"
    assert finished == 16 and set(killed.values()) == {4}


def test_one_who_waits_says_for_whom_and_goes_on_when_that_one_is_killed(machine, tmp_path):
    first, said = start(machine, tmp_path, "first", 60, **{cards.VISIBLE: "1"})
    wait_for("at work on", said)
    second, says = start(machine, tmp_path, "second", 0.1, **{cards.VISIBLE: UUIDS[1]})
    wait_for("waiting for a GPU", says)
    assert f"NVIDIA H100 80GB HBM3 ({UUIDS[1]}) by job first, process {first.pid} of " in says.read_text()
    assert f"in {tmp_path}" in says.read_text()
    third, free = start(machine, tmp_path, "third", 0.1)
    assert third.wait(30) == 0 and UUIDS[0] in free.read_text(), "another card was free"
    first.kill()
    assert second.wait(30) == 0 and f"at work on {UUIDS[1]}" in says.read_text()
    first.wait()


PARENT = JOB.replace(
    "end = time",
    """import subprocess
print("child", subprocess.Popen(["sleep", "120"], close_fds=False).pid, flush=True)
if not os.fork():
    print("child", os.getpid(), flush=True)
    time.sleep(120)
end = time""",
)


def test_what_a_job_starts_does_not_keep_its_card(machine, tmp_path):
    parent, said = start(machine, tmp_path, "parent", 60, code=PARENT, **{cards.VISIBLE: "0"})
    wait_for("at work on", said)
    wait_for("child", said)
    time.sleep(0.2)
    children = [int(pid) for pid in re.findall(r"child (\d+)", said.read_text())]
    parent.kill()
    parent.wait()
    try:
        assert len(children) == 2
        for child in children:
            os.kill(child, 0)  # is alive
        other, says = start(machine, tmp_path, "other", 0.1, **{cards.VISIBLE: "0"})
        assert other.wait(30) == 0, says.read_text()
        assert "waiting" not in says.read_text()
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_locks_are_plain_files_that_every_user_can_open_whatever_the_umask(machine, tmp_path):
    job, said = start(machine, tmp_path, "job", 0, "umask")
    assert job.wait(30) == 0, said.read_text()
    lock = tmp_path / "locks" / f"codingaxes-{UUIDS[0]}.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o666


# Tries a lock as another user: what was imported before stays readable.
NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from codingaxes import cards
os.setgid(65534), os.setuid(65534)
print(cards._try(cards.Path(sys.argv[2])))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_two_users_share_a_lock_in_a_folder_like_tmp():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)  # everybody may make files here, and nobody may delete those of others
    lock = folder / "codingaxes-x.lock"
    command = [sys.executable, "-c", NOBODY, str(SCRIPTS), str(lock)]

    def as_nobody():
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        descriptor, _ = cards._try(lock)
        os.pwrite(descriptor, b"job of root", 0)
        assert as_nobody() == "(None, 'job of root')\n"
        os.close(descriptor)
        assert re.fullmatch(r"\(\d+, ''\)\n", as_nobody())
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("trap", ["link", "second name", "pipe", "no folder"])
def test_a_file_that_could_lead_elsewhere_is_refused_with_its_name_and_a_remedy(tmp_path, monkeypatch, trap):
    precious, folder = tmp_path / "precious.txt", tmp_path / "locks"
    precious.write_text("mine")
    lock = folder / f"codingaxes-{UUIDS[0]}.lock"
    if trap != "no folder":
        folder.mkdir()
        make = {"link": lock.symlink_to, "second name": lock.hardlink_to, "pipe": lambda _: os.mkfifo(lock)}
        make[trap](precious)
    monkeypatch.setenv(cards.SETTING, str(folder))
    with pytest.raises(
        RuntimeError, match=rf"{lock}: .*; delete the file .* set CODINGAXES_LOCKS to a folder"
    ):
        cards.claim([Card(UUIDS[0], "a card")], "job")
    assert precious.read_text() == "mine" and cards.claimed() is None


def test_a_card_that_is_given_back_leaves_the_environment_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv(cards.SETTING, str(tmp_path))
    for before in ("0,1", None):
        if before is None:
            monkeypatch.delenv(cards.VISIBLE)
        else:
            monkeypatch.setenv(cards.VISIBLE, before)
        card = cards.claim([Card(UUIDS[0], "a card")], "job")
        assert cards.claimed() == card and os.environ[cards.VISIBLE] == card.uuid
        cards.release()
        assert cards.claimed() is None and os.environ.get(cards.VISIBLE) == before
    cards.release()  # nothing to give back


A100 = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
SMALL, LARGE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
OTHER = "GPU-7c2ba0d6-0000-2b2c-524d-9e3d8d2b8a77"


@pytest.mark.parametrize(
    ("text", "wanted", "uuids"),
    [
        (LISTED, None, UUIDS),
        (LISTED, "0", UUIDS[:1]),
        (LISTED, " 2 , 0 ", [UUIDS[2], UUIDS[0]]),
        (LISTED, "1,1", UUIDS[1:2]),
        (LISTED, f"{UUIDS[2]},0", [UUIDS[2], UUIDS[0]]),
        (LISTED, "GPU-1", UUIDS[1:2]),  # the beginning is enough where it is one card's alone
        (LISTED, "0,7,1", UUIDS[:1]),  # as for CUDA, what is no card hides all after it
        (LISTED, "0,-1,1", UUIDS[:1]),
        (DIVIDED, None, [SMALL, LARGE, OTHER]),
        (DIVIDED, "0", [SMALL, LARGE]),
        (DIVIDED, A100, [SMALL, LARGE]),
        (DIVIDED, f"{LARGE},{OTHER}", [LARGE, OTHER]),
        (DIVIDED, "MIG-cba663e8", [LARGE]),
    ],
)
def test_the_list_of_visible_devices_is_read_as_cuda_reads_it(text, wanted, uuids):
    assert [card.uuid for card in cards.visible(*cards.parse(text), wanted)] == uuids


@pytest.mark.parametrize("wanted", ["", "-1", "NoDevFiles", "3", "GPU-", "GPU-f", "MIG-1", "x,0"])
def test_a_list_that_names_no_card_hides_all(wanted):
    with pytest.raises(
        cards.NoCard, match=f"CUDA_VISIBLE_DEVICES is '{wanted}', which is none of the 3 GPUs"
    ):
        cards.visible(*cards.parse(LISTED), wanted)


def test_a_machine_without_a_driver_or_with_one_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cards.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    with pytest.raises(cards.NoCard, match="there is no driver of NVIDIA here"):
        cards.installed()
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho Driver/library version mismatch\nexit 18\n")
    driver.chmod(0o755)
    with pytest.raises(cards.NoCard, match="nvidia-smi ended with status 18 and said: Driver/library"):
        cards.installed()
    with pytest.raises(cards.NoCard, match="the driver of NVIDIA sees no GPU here"):
        cards.visible(*cards.parse("No devices found.\n"), None)


@pytest.mark.parametrize(
    ("environment", "granted"),
    [
        ({}, None),
        ({"CUDA_VISIBLE_DEVICES": "0"}, None),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}, False),  # of the shell that submitted the job
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "", "SLURM_GPUS_ON_NODE": "0"}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"}, True),  # an index
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_GPUS": "2,3"}, True),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "1"}, True),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS": "a100:1"}, True),
    ],
)
def test_slurm_tells_whether_it_gave_a_job_gpus(environment, granted):
    assert cards.granted_by_slurm(environment) is granted


def test_a_job_of_slurm_takes_only_what_slurm_gave_it(machine, tmp_path, monkeypatch):
    for name, value in machine.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(cards.VISIBLE, "1")
    with pytest.raises(cards.NoCard, match="SLURM gave this job no GPU"):
        cards.take("job")
    monkeypatch.setenv("SLURM_STEP_GPUS", "1")
    assert cards.take("job").uuid == UUIDS[1]
    assert not list((tmp_path / "locks").iterdir()) and os.environ[cards.VISIBLE] == "1"
    monkeypatch.setenv("SLURM_STEP_GPUS", "1,2")  # of a group of jobs, which take turns
    monkeypatch.setenv(cards.VISIBLE, "1,2")
    try:
        assert cards.take("job").uuid == UUIDS[1] and cards.claimed()
    finally:
        cards.release()
