"""Fetch, verify and convert the weights of one pretrained network (rule fetch_weights)."""

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from huggingface_hub import try_to_load_from_cache

from codingaxes import job, writing
from codingaxes.downloads import fetch
from codingaxes.networks import builders, formats, published, weights
from codingaxes.networks.network import Network, load_network
from codingaxes.networks.places import places_of
from codingaxes.tables import store
from codingaxes.tables.networks import ACCURACIES

HUB = re.compile(r"hf://(?P<repo>[^@]+)@(?P<revision>[^/]+)/(?P<file>.+)")
COMMIT, SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


def main(run):
    """Write weights under the network's own names as safetensors, and a record of where they come from."""
    row, out = run.params["network"], Path(run.output["weights"])
    raw = out.parent / ".raw" / row["name"]
    out.parent.mkdir(parents=True, exist_ok=True)
    formats.of(row)  # refuse a wrong name before gigabytes are fetched
    if run.params["random_weights"]:
        job.log.warning(
            "these weights are drawn. They are a control if the family is untrained; "
            "if random_weights is true, results with them mean nothing"
        )
        records = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed())
            parameters = weights.save(builders.build(row), row, out)
    elif row["weights"]:
        row = row | {"sha256": run.params["sha256"]}
        published.check(row)  # before gigabytes are fetched, too
        files, records = obtain(row, run.params["hub"], raw)
        parameters = weights.convert(files, row, out)
    else:
        published.check(row)
        records = [{"file": path, "sha256": weights.sha256(path)} for path in run.input["files"]]
        parameters = keep_own(row, out)
    about = {"network": row["name"], "random_weights": run.params["random_weights"], "files": records}
    about["sha256"] = weights.sha256(out)  # of the converted file, which is held to it whenever it is loaded
    writing.write_text(run.output["record"], json.dumps(about, indent=1) + "\n")
    measured = {"network": row["name"], "parameters": parameters, "n_images": 0}
    measured |= dict.fromkeys(("accuracy", "adversarial_accuracy", "attack_radius"), float("nan"))
    store.write(run.output["accuracies"], ACCURACIES, pd.DataFrame([measured]))
    shutil.rmtree(raw, ignore_errors=True)


def keep_own(row, out):
    """Write the weights of a network of the user's own function, if they are all that it consists of."""
    first = Network(row).eval()
    parameters = weights.save(first.body, row, out)
    images = torch.rand(
        2, 3, row["input_size"], row["input_size"], generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        before, after = first.features(images), load_network(row, out).features(images)
    for layer, values in before.items():
        if not torch.allclose(values, after[layer], rtol=1e-4, atol=1e-5 * float(values.abs().max())):
            out.unlink()
            raise ValueError(
                f"network {row['name']}: layer {layer} answers otherwise once its weights were saved and "
                "loaded: it has numbers that are neither parameters nor buffers; register them as buffers"
            )
    return parameters


def obtain(row, hub, folder):
    """Obtain the files that the row names, in order, and what is known of each; fetch none of them twice."""
    places, digests = places_of(row), row["sha256"].split()
    digests = digests or [""] * len(places)
    if len(digests) != len(places):
        raise ValueError(
            f"network {row['name']}: {len(places)} weights, but {len(digests)} sha256; give one for each"
        )
    files, records = [], []
    for place, sha256 in zip(places, digests, strict=True):
        if "://" in place:
            path, record = from_cache(place, hub, sha256) or download(place, hub, sha256, folder)
            advise(row["name"], place, sha256, record)
        else:
            path, record = Path(place), {"file": place, "sha256": weights.sha256(place)}
        files.append(path)
        records.append(record)
    return files, records


def from_cache(place, hub, sha256):
    """Look for a file of a hub in the cache of huggingface_hub, where timm and `hf download` put it.

    Returns
    -------
    (Path, dict) or None
        The file and its record. None if it is not there or damaged, if its revision is no commit, or if its
        sha256 is not known beforehand.
    """
    match = HUB.fullmatch(place)
    if not match or not COMMIT.fullmatch(match["revision"]):
        return None
    file = try_to_load_from_cache(match["repo"], match["file"], revision=match["revision"])
    if not isinstance(file, str):
        return None
    path = Path(file)
    # the cache keeps large files under their sha256, to which their names are links
    expected = sha256.lower() or (path.readlink().name if path.is_symlink() else "")
    if not sha256 and not SHA256.fullmatch(expected):
        return None
    digest = weights.sha256(path)
    if not digest.startswith(expected):
        job.log.warning(f"{path} has the sha256 {digest}, not {expected}; it is fetched instead")
        return None
    job.log.info(f"{place}: taken from the cache of huggingface_hub, {path}")
    url, size = address(place, hub), path.stat().st_size
    return path, asdict(fetch.Fetched(url, size, "", digest, match["revision"], "sha256"))


def download(place, hub, sha256, folder):
    """Download a file into a folder, unless an earlier job has; give its path and its record."""
    url = address(place, hub)
    # files of one name may come from several places: each has a folder of its own
    path = folder / hashlib.sha256(url.encode()).hexdigest()[:16] / Path(url).name
    note = path.with_name(f"{path.name}.json")
    known = json.loads(note.read_text())["sha256"] if path.is_file() and note.is_file() else None
    if known is None or not known.startswith(sha256.lower()):
        # a hub announces the sha256 of a file; where nobody states one, the record keeps that of the file
        record = fetch.fetch(url, path, sha256=sha256 or None, unverified=True)
        writing.write_text(note, json.dumps(asdict(record)))
    return path, json.loads(note.read_text())


def address(place, hub):
    """Give the web address of a file, also of one on a hub."""
    if match := HUB.fullmatch(place):
        return f"{hub}/{match['repo']}/resolve/{match['revision']}/{match['file']}"
    return place


def advise(name, place, sha256, record):
    """Say what to write into the table of networks so that the next download is the same file."""
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
