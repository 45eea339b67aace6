"""Run a script, which is `main(run)`, as a job of Snakemake or alone; everything about Snakemake stops here.

`start(main, globals())` ends every script. Under Snakemake it builds the `Run` from the job; from the
command line it replays one job from the file that the job left beside its log, for a debugger.
"""

import contextlib
import faulthandler
import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from threadpoolctl import threadpool_limits

from codingaxes import writing
from codingaxes.tables import store

log = logging.getLogger("codingaxes")

GRACE = 30  # seconds after its run time, when a job ends that lets no other thread of Python run


@dataclass(frozen=True)
class Run:
    """Hold what one job was asked to do: its files, wildcards, parameters and threads."""

    rule: str
    input: dict
    output: dict
    params: dict
    wildcards: dict
    log: str
    threads: int = 1
    resources: dict = field(default_factory=dict)

    def __str__(self):
        return " ".join([self.rule, *map(str, self.wildcards.values())])

    @property
    def gpus(self):
        """How many GPUs Snakemake gave this job: its resource gpu, which limits of the run can lower to 0."""
        return int(self.resources.get("gpu", 0))

    def seed(self, *names, rule=None):
        """Derive a seed of 63 bits from the study's seed, the rule, its wildcards and `names` alone.

        `rule` names another rule, whose draws this job repeats.
        """
        return seed_of(self.params.get("seed", 0), rule or self.rule, *sorted(self.wildcards.items()), *names)

    def files(self, name):
        """Collect the inputs whose names begin with `name` and a dot, as a dict by the rest of the name."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): file for key, file in self.input.items() if key.startswith(prefix)}

    def track(self, items, unit, every=5.0):
        """Yield `items`, and say about every `every` seconds how far the job is and how long it will take."""
        items = list(items)
        begin = said = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            if now - said >= every or done == len(items):
                said, rate = now, done / max(now - begin, 1e-9)
                left = (len(items) - done) / rate
                log.info(f"{unit} {done} of {len(items)}, {rate:.2g} a second, {left:.0f} s left")

    def shards(self, table, name=None):
        """Keep finished parts of this job's table until it is written, so that a killed job resumes.

        `name` tells several outputs of one kind of table apart.
        """
        stamps = [(str(path), os.stat(path).st_mtime_ns) for path in _flat(self.input.values())]
        identity = [self.rule, self.wildcards, self.params, stamps]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return Shards(Path("results/.parts") / self.rule / digest / (name or table.name), table)


class Shards:
    """Keep parts of a table in a folder, each written whole, and join them at the end; see `Run.shards`."""

    def __init__(self, folder, table):
        self.folder, self.table = Path(folder), table

    def _file(self, name):
        return self.folder / f"{hashlib.sha256(str(name).encode()).hexdigest()[:24]}.arrow"

    def has(self, name):
        """Tell whether an earlier run has finished a part; one that was damaged since is dropped."""
        file = self._file(name)
        if not file.exists():
            return False
        try:
            store.check_part(file, self.table)
        except ValueError as error:
            log.warning(f"{error}: it is made anew")
            file.unlink()
            return False
        return True

    def missing(self, names):
        """List those of `names` that no earlier run has finished, in order."""
        return unfinished((self, names))

    def read(self, name):
        """Read the rows of a finished part."""
        return store.read_part(self._file(name), self.table)

    def drop(self, name):
        """Delete a part, so that it is made anew."""
        self._file(name).unlink(missing_ok=True)

    def save(self, name, frame):
        """Keep the rows of the part `name`."""
        store.write_part(self._file(name), self.table, frame)

    def write(self, path, names):
        """Write the parts as one table, in the order of `names`, however they were made."""
        store.join(path, self.table, [self._file(name) for name in names])

    def remove(self):
        """Delete the parts, and the folder of the job with the last; call it once the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another table of the job has parts there
            self.folder.parent.rmdir()


def unfinished(*kept):
    """List the parts that some of the tables lack which a job makes together, in the order of the first.

    Parameters
    ----------
    *kept : pairs (Shards, list)
        The parts of a table, and their names.
    """
    names = list(kept[0][1])
    lacking = {name for shards, of_table in kept for name in of_table if not shards.has(name)}
    left = [name for name in names if name in lacking]
    if len(left) < len(names):
        log.info(f"resuming: {len(names) - len(left)} of {len(names)} parts are already there")
    return left


def seed_of(*names):
    """Derive a seed of 63 bits from names; it does not depend on process, platform or order of calls."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big") >> 1


def start(main, scope):
    """Run `main` as a Snakemake job (`scope` holds `snakemake`) or replay one from its JSON file.

    Under Snakemake the job ends at the run time that its rule declares, so that a job that hangs is noticed.
    """
    under_snakemake = "snakemake" in scope
    if under_snakemake:
        run = _from_snakemake(scope["snakemake"])
    elif len(sys.argv) == 2 and sys.argv[1].endswith(".json"):
        record = json.loads(Path(sys.argv[1]).read_text())
        record.pop("ran_on", None)  # of the job that left it
        run = Run(**record)
    else:
        script = Path(sys.argv[0]).name
        sys.exit(f"usage: python {script} FILE.json; a job writes that file beside its log when it starts")
    try:
        _log_to(run)
        if under_snakemake:
            _remember(run)
            _limit_time(run)
    except OSError as error:
        sys.exit(f"{run}: neither its log nor the record of it can be written: {error}")
    _limit_threads(run.threads)
    begin = time.monotonic()
    log.info("started")
    try:
        main(run)
    except Exception as error:
        replay = f"python workflow/scripts/{run.rule}.py {_replay_file(run)}"
        log.error(f"failed; run it again alone with: {replay}")
        log.error(f"{type(error).__name__}: {error}")
        log.debug(traceback.format_exc())
        sys.exit(1)
    if under_snakemake:
        _remember(run, ran_on=surroundings())
    log.info(f"done in {time.monotonic() - begin:.1f} s")


def surroundings():
    """Say what this process runs on: Python, versions of the packages it has imported, and the machine.

    Returns
    -------
    dict
        software: name -> version; processor, system, accelerator (empty: none was used): texts; cores: int;
        memory_gb: float, None where the system does not tell.
    """
    versions = {
        name: module.__version__
        for name, module in sorted(sys.modules.items())
        if "." not in name
        and name not in sys.stdlib_module_names
        and isinstance(getattr(module, "__version__", None), str)
    }
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (ValueError, OSError, AttributeError):
        memory = None
    return {
        "software": {"python": platform.python_version()} | versions,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "memory_gb": memory and round(memory, 1),
        "accelerator": torch.cuda.get_device_name() if used else "",
    }


def _processor():
    """Name the processor: as Linux does, or as Python knows it elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _from_snakemake(snakemake):
    def plain(named):
        return {name: (value if isinstance(value, str) else list(value)) for name, value in named.items()}

    return Run(
        rule=snakemake.rule,
        input=plain(snakemake.input),
        output=plain(snakemake.output),
        params=dict(snakemake.params.items()),
        wildcards=dict(snakemake.wildcards.items()),
        log=str(snakemake.log[0]),
        threads=snakemake.threads,
        resources={
            name: value for name, value in snakemake.resources.items() if isinstance(value, int | float | str)
        },
    )


def _replay_file(run):
    return Path(run.log).with_suffix(".json")


def _remember(run, **more):
    writing.write_text(_replay_file(run), json.dumps(asdict(run) | more, indent=1))


def _log_to(run):
    log.setLevel(logging.DEBUG)
    log.handlers.clear()
    Path(run.log).parent.mkdir(parents=True, exist_ok=True)
    file, screen = logging.FileHandler(run.log, mode="w"), logging.StreamHandler(sys.stderr)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-5s %(message)s"))
    screen.setFormatter(logging.Formatter(f"    {run}: %(message)s"))
    screen.setLevel(logging.INFO)
    for handler in (file, screen):
        log.addHandler(handler)


def _limit_time(run):
    """End the job at its run time, which Snakemake gives in minutes, and say where in the code it was."""
    minutes = run.resources.get("runtime")
    if not minutes:
        return
    watch = threading.Timer(60 * minutes, _give_up, [run, minutes, threading.main_thread().ident])
    watch.daemon = True
    watch.start()
    # needs no Python: for code that never lets another thread run, such as a read from a disk that is gone
    faulthandler.dump_traceback_later(60 * minutes + GRACE, exit=True)


def _give_up(run, minutes, thread):
    """Say that the run time is over, what to do, and where the job was; then end it."""
    where = "".join(traceback.format_stack(sys._current_frames()[thread]))
    log.error(
        f"ended: it still ran after {minutes:g} minutes, the run time of its rule. If it hung, the log "
        f"{run.log} says where. If this machine is only slow, give it more minutes, for instance "
        f"--set-resources {run.rule}:runtime={4 * minutes:g}, and run again: finished parts are kept"
    )
    log.debug(f"it was here:\n{where}")
    os._exit(1)  # without waiting for the thread that hangs


def _limit_threads(threads):
    """Use as many threads as the rule asked for, so that a result does not depend on the machine's cores."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
        # numbers below 1e-38 count as 0: they slow processors down (training a ResNet of the zoo by a tenth)
        sys.modules["torch"].set_flush_denormal(True)
    threadpool_limits(threads)


def _flat(values):
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value
