"""A script is `main(run)`: everything about Snakemake stops here.

`start(main, globals())` ends every script. Under Snakemake it builds the `Run` from the job; from the
command line it replays one job from the file that the job left beside its log, for a debugger.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from codingaxes import tables

log = logging.getLogger("codingaxes")


@dataclass(frozen=True)
class Run:
    """What one job was asked to do: its files, wildcards, parameters and threads."""

    rule: str
    input: dict
    output: dict
    params: dict
    wildcards: dict
    log: str
    threads: int = 1
    resources: dict = field(default_factory=dict)
    site: dict = field(default_factory=dict)  # addresses and digests: no reason to run again when they change

    def __str__(self):
        return " ".join([self.rule, *map(str, self.wildcards.values())])

    def seed(self, *names):
        """A seed of 63 bits that belongs to the study's seed, the rule, its wildcards and `names` alone."""
        return seed_of(self.params.get("seed", 0), self.rule, *sorted(self.wildcards.items()), *names)

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
        """Finished parts of this job's table, kept until it is written, so that a killed job resumes.

        `name` tells several outputs of one kind of table apart.
        """
        stamps = [(str(path), os.stat(path).st_mtime_ns) for path in _flat(self.input.values())]
        identity = [self.rule, self.wildcards, self.params, stamps]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return Shards(Path("results/.parts") / self.rule / digest / (name or table), table)


class Shards:
    """Parts of a table under a folder, each written whole, joined at the end; see `Run.shards`."""

    def __init__(self, folder, table):
        self.folder, self.table = Path(folder), table

    def _file(self, name):
        return self.folder / f"{hashlib.sha256(str(name).encode()).hexdigest()[:24]}.arrow"

    def missing(self, names):
        """Those of `names` that no earlier run has finished, in order."""
        names = list(names)
        left = [name for name in names if not self._file(name).exists()]
        if len(left) < len(names):
            log.info(f"resuming: {len(names) - len(left)} of {len(names)} parts are already there")
        return left

    def save(self, name, frame):
        """Keep the rows of the part `name`."""
        tables.write_part(self._file(name), self.table, frame)

    def write(self, path, names):
        """Write the parts as one table, in the order of `names`, however they were made."""
        tables.join(path, self.table, [self._file(name) for name in names])

    def remove(self):
        """Delete the parts; call it once the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def seed_of(*names):
    """A seed of 63 bits from names; independent of process, platform and order of calls."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big") >> 1


def choose_device(wanted):
    """The torch device for `auto`, `cpu` or `cuda`; says what it took.

    Raises
    ------
    RuntimeError
        If `cuda` is wanted and there is none: nothing falls back in silence.
    """
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device: cuda, but torch sees no GPU here; set device: auto or cpu, or ask for a GPU"
        )
    device = "cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu"
    if device == "cuda":  # convolutions too are in float32, as everywhere
        torch.backends.cudnn.allow_tf32 = False
    log.info(f"device {device} (asked for {wanted})")
    return torch.device(device)


def start(main, scope):
    """Run `main` as a Snakemake job (`scope` holds `snakemake`) or replay one from its JSON file."""
    if "snakemake" in scope:
        run = _from_snakemake(scope["snakemake"])
        _remember(run)
    elif len(sys.argv) == 2 and sys.argv[1].endswith(".json"):
        run = Run(**json.loads(Path(sys.argv[1]).read_text()))
    else:
        script = Path(sys.argv[0]).name
        sys.exit(f"usage: python {script} FILE.json; a job writes that file beside its log when it starts")
    _log_to(run)
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
    log.info(f"done in {time.monotonic() - begin:.1f} s")


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
            name: value for name, value in snakemake.resources.items() if isinstance(value, int | str)
        },
        site=dict(snakemake.config.get("site", {})),
    )


def _replay_file(run):
    return Path(run.log).with_suffix(".json")


def _remember(run):
    path = _replay_file(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(run), indent=1))


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


def _limit_threads(threads):
    """As many threads as the rule asked for, so that a result does not depend on the machine's cores."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
        # numbers below 1e-38 count as 0: they slow processors down (training a ResNet of the zoo by a tenth)
        sys.modules["torch"].set_flush_denormal(True)
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def _flat(values):
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value
