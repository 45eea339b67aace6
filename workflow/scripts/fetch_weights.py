"""The weights of one pretrained network: fetched, verified, converted (rule fetch_weights)."""

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from codingaxes import checkpoints, downloads, formats, job, networks, sources, tables

HUB = re.compile(r"hf://(?P<repo>[^@]+)@(?P<revision>[^/]+)/(?P<file>.+)")


def main(run):
    """Weights under the network's own names as safetensors, and a record of where they come from."""
    row, out = run.params["network"], Path(run.output["weights"])
    raw = out.parent / ".raw" / row["name"]
    out.parent.mkdir(parents=True, exist_ok=True)
    formats.of(row)  # a wrong name is found before gigabytes are fetched
    if run.params["random_weights"]:
        job.log.warning("random_weights: these weights are drawn; results with them mean nothing")
        records = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed())
            parameters = checkpoints.save(sources.build(row), row, out)
    elif row["weights"]:
        row = row | {"sha256": run.site["sha256"].get(row["name"], "")}
        files, records = obtain(row, run.site["hub"], raw)
        parameters = checkpoints.convert(files, row, out)
    else:
        records = [{"file": path, "sha256": checkpoints.sha256(path)} for path in run.input["files"]]
        parameters = keep_own(row, out)
    about = {"network": row["name"], "random_weights": run.params["random_weights"], "files": records}
    Path(run.output["record"]).write_text(json.dumps(about, indent=1) + "\n")
    measured = {"network": row["name"], "parameters": parameters, "n_images": 0}
    measured |= dict.fromkeys(("accuracy", "adversarial_accuracy", "attack_radius"), float("nan"))
    tables.write(run.output["accuracies"], "accuracies", pd.DataFrame([measured]))
    shutil.rmtree(raw, ignore_errors=True)


def keep_own(row, out):
    """Weights of a network that the user's own function gives; they must be all that makes up the network."""
    first = networks.Network(row).eval()
    parameters = checkpoints.save(first.body, row, out)
    images = torch.rand(
        2, 3, row["input_size"], row["input_size"], generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        before, after = first.features(images), networks.load(row, out).features(images)
    for layer, values in before.items():
        if not torch.allclose(values, after[layer], rtol=1e-4, atol=1e-5 * float(values.abs().max())):
            out.unlink()
            raise ValueError(
                f"network {row['name']}: layer {layer} answers otherwise once its weights were saved and "
                "loaded: it has numbers that are neither parameters nor buffers; register them as buffers"
            )
    return parameters


def obtain(row, hub, folder):
    """The files that the row names, in order, and what is known of each; none is fetched twice."""
    files, records = [], []
    wanted = row["weights"].split()
    digests = row["sha256"].split() or [""] * len(wanted)
    if len(digests) != len(wanted):
        raise ValueError(
            f"network {row['name']}: {len(wanted)} weights, but {len(digests)} sha256; give one for each"
        )
    for place, sha256 in zip(wanted, digests, strict=True):
        if "://" not in place:
            files.append(Path(place))
            records.append({"file": place, "sha256": checkpoints.sha256(place)})
            continue
        url = address(place, hub)
        # files of one name may come from several places: each has a folder of its own
        path = folder / hashlib.sha256(url.encode()).hexdigest()[:16] / Path(url).name
        note = path.with_name(f"{path.name}.json")
        if not (path.is_file() and note.is_file()):
            # a hub announces the sha256 of a file; where nobody states one, the record below keeps what came
            found = asdict(downloads.fetch(url, path, sha256=sha256 or None, unverified=True))
            note.write_text(json.dumps(found))
        records.append(json.loads(note.read_text()))
        files.append(path)
        advise(row["name"], place, sha256, records[-1])
    return files, records


def address(place, hub):
    """The web address of a file, also of one on a hub."""
    if match := HUB.fullmatch(place):
        return f"{hub}/{match['repo']}/resolve/{match['revision']}/{match['file']}"
    return place


def advise(name, place, sha256, record):
    """Say what to write into the table of networks to pin what came."""
    job.log.info(f"{place}: {record['size'] / 1e6:.1f} MB, checked against {record['checked']}")
    match = HUB.fullmatch(place)
    if match and record["commit"] and match["revision"] != record["commit"]:
        job.log.warning(
            f"network {name}: {match['revision']} was commit {record['commit']}; write that into the table"
        )
    if len(sha256) < 64:
        job.log.info(f"network {name}: to pin this file, write sha256 {record['sha256']} into the table")


if __name__ == "__main__":
    job.start(main, globals())
