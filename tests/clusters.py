"""A real SLURM of one node on the loopback interface, with GPUs that are none, for tests that submit jobs.

Its configuration has to lie where SLURM was compiled to look for it. So there can be one such cluster on a
machine, and none where SLURM is configured already.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
MARK = "# Written by the tests of codingaxes, which delete it."
PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
PROGRAMS = ["setpriv", "munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun"]
# Devices that any program may open stand for GPUs: SLURM counts them, and nobody computes on them.
CARDS = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random"]
PARTITION = "tests"
# Jobs at a time. Some wait for files while others compute.
CPUS, MEMORY = 4, 200_000
SETTINGS = """\
ClusterName=codingaxes
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# CPUs and memory are those that are stated here, whatever the machine has: nothing is bound or confined.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
EnforcePartLimits=ALL
ReturnToService=2
# Records of finished jobs stay for an hour, to be read; a job whose time is over is killed at once.
MinJobAge=3600
KillWait=2
SchedulerParameters=sched_min_interval=0,sched_interval=1,batch_sched_delay=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{cards}
PartitionName={partition} Nodes=ALL State=UP MaxTime=1-0
"""


def obstacle():
    """Say why no SLURM can be started here; an empty text if one can."""
    foreign = [file for file in _files_of_configuration() if file.exists() and not _is_ours(file)]
    if foreign:
        return f"a SLURM is configured here already: {', '.join(map(str, foreign))}"
    running = _running({"slurmctld", "slurmd", "slurmdbd"})
    if running:
        return f"a SLURM runs here already: {', '.join(running)}"
    if os.geteuid() != 0:
        return "only root can start the daemons of SLURM"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and shutil.which("apt-get") is None:
        return f"{', '.join(missing)} are not here, and no apt-get that could install them"
    return ""


def install():
    """Install SLURM's Debian packages unless they are there; the text of an error, empty if all went well."""
    if all(shutil.which(program) for program in PROGRAMS):
        return ""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # 1: start no service
    options = ["-qq", "--yes", "--no-install-recommends"]
    for command in (["update", "-qq"], ["install", *options, *PACKAGES]):
        done = subprocess.run(["apt-get", *command], env=quiet, capture_output=True, text=True, timeout=300)
        if done.returncode:
            return f"apt-get {command[0]} failed: {done.stderr.strip()[-500:]}"
    return ""


class Cluster:
    """Start munge, the controller and one node in a folder; a context that stops them by their numbers.

    Parameters
    ----------
    folder : Path
        New and empty; its path must be short, since it holds a socket.
    """

    def __init__(self, folder):
        self.folder, self.host = Path(folder), socket.gethostname().partition(".")[0]
        self.daemons = []

    def __enter__(self):
        try:
            self._write()
            munge = ["--key-file", "munge.key", "--socket", "munge.socket", "--pid-file", "munge.pid"]
            munge += ["--log-file", "munge.log", "--seed-file", "munge.seed"]
            files = [part if part.startswith("--") else f"{self.folder}/{part}" for part in munge]
            self._start("munged", "--foreground", "--force", *files)
            _wait((self.folder / "munge.socket").exists, 10, "munged")
            self._start("slurmctld", "-D", "-c")
            self._start("slurmd", "-D", "-N", self.host)
            _wait(lambda: "State=IDLE" in self.control("show", "node"), 30, "a node of SLURM")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _write(self):
        for part in ("state", "spool"):
            (self.folder / part).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        controller_port, node_port = _free_ports(2)
        settings = SETTINGS.format(
            host=self.host,
            folder=self.folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=CPUS,
            memory=MEMORY,
            cards=len(CARDS),
            partition=PARTITION,
        )
        cards = "\n".join(f"NodeName={self.host} Name=gpu File={card}" for card in CARDS)
        CONFIGURATION.mkdir(exist_ok=True)
        for file, text in zip(_files_of_configuration(), (settings, cards), strict=True):
            assert not file.exists() or _is_ours(file), f"{file} is not ours"
            file.write_text(f"{MARK}\n{text}\n")

    def _start(self, program, *arguments):
        with open(self.folder / f"{program}.out", "w") as said:
            pipes = {"stdout": said, "stderr": said}
            # setpriv: it ends with this process, also if that is killed
            command = ["setpriv", "--pdeathsig", "TERM", shutil.which(program), *arguments]
            self.daemons.append(subprocess.Popen(command, cwd=self.folder, start_new_session=True, **pipes))

    def stop(self):
        """Cancel all jobs, stop the daemons by their process numbers, and delete the configuration."""
        try:
            if len(self.daemons) == 3:
                subprocess.run(["scancel", "--partition", PARTITION], check=False, timeout=30)
                _wait(lambda: not self.jobs("PENDING", "RUNNING", "COMPLETING"), 60, "the end of all jobs")
        finally:
            for daemon in reversed(self.daemons):
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            self.daemons.clear()
            for file in _files_of_configuration():
                if _is_ours(file):
                    file.unlink()

    def control(self, *arguments):
        """Ask scontrol; an empty text if the controller does not answer yet."""
        done = subprocess.run(["scontrol", *arguments], capture_output=True, text=True, timeout=60)
        return done.stdout

    def jobs(self, *states):
        """Read SLURM's records of all jobs of the last hour, a dict each, in the order of submission.

        With `states`, those that are in one of them.
        """
        lines = self.control("--oneliner", "--all", "show", "jobs").splitlines()
        records = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if line.startswith("JobId=")]
        records.sort(key=lambda record: int(record["JobId"]))
        return [record for record in records if not states or record["JobState"] in states]


def _files_of_configuration():
    return [CONFIGURATION / name for name in ("slurm.conf", "gres.conf")]


def _is_ours(file):
    return file.is_file() and file.read_text().startswith(MARK)


def _running(names):
    """List processes of these names."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
        except OSError:  # it has ended
            continue
        if name in names:
            found.append(f"{name} ({process.name})")
    return found


def _free_ports(number):
    """Find ports of the loopback interface that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(condition, seconds, what):
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come within {seconds} s"
        time.sleep(0.05)
