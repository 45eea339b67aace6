"""Describe a study as an RO-Crate, for repositories and tools that read one: the folder results is the crate.

Each job is an action of the Process Run Crate profile: a script (instrument) that made files (result) of
others (object). Files outside of the folder are named, but not part of the crate.
"""

from pathlib import Path

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
ROOT = "results/"


def describe(jobs, study, licence):
    """Describe the jobs of a study.

    Parameters
    ----------
    jobs : list of manifest.Job
    study : dict
        What results/manifest.json holds: digests and sizes of tables.
    licence : str
        Address of the licence of the results, which a crate must state.

    Returns
    -------
    dict
        What ro-crate-metadata.json holds.
    """
    files = sorted({file for job in jobs for file in (*job.inputs, *job.outputs)})
    parts = [name_of(file) for file in files if file.startswith(ROOT)]
    actions = [_action(job) for job in jobs]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": "Results of a study with codingaxes",
        "description": "Tables, figures and movies, and the jobs that made them; see manifest.json.",
        "license": {"@id": licence},
        "conformsTo": {"@id": PROFILE},
        "hasPart": [{"@id": part} for part in parts],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    about = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}}
    about["conformsTo"] = {"@id": CRATE}
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    terms = {"@id": licence, "@type": "CreativeWork", "name": "Licence of the results"}
    entities = [_file(file, study["tables"].get(file, {})) for file in files]
    graph = [about, root, profile, terms, *_scripts(jobs, study), *actions, *entities]
    return {"@context": CONTEXT, "@graph": graph}


def name_of(file):
    """Name a file in the crate: relative to it, or by a mark if it lies outside."""
    if not file.startswith(ROOT):
        return f"#given/{file}"
    return file.removeprefix(ROOT) + "/" * Path(file).is_dir()


def _action(job):
    return {
        "@id": f"#job/{job.name}",
        "@type": "CreateAction",
        "name": job.name,
        "instrument": {"@id": f"#script/{job.record['rule']}"},
        "object": [{"@id": name_of(file)} for file in job.inputs],
        "result": [{"@id": name_of(file)} for file in job.outputs],
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }


def _scripts(jobs, study):
    """Describe the script of each rule, in the version of the study's commit and of its digest of code."""
    rules = sorted({job.record["rule"] for job in jobs})
    return [
        {
            "@id": f"#script/{rule}",
            "@type": "SoftwareApplication",
            "name": f"{study['workflow']}: {rule}",
            "version": study["commit"] or "unknown",
            "identifier": study["rules"][rule]["code"],
        }
        for rule in rules
    ]


def _file(file, about):
    kind = "Dataset" if Path(file).is_dir() else "File"
    entity = {"@id": name_of(file), "@type": kind, "name": Path(file).name}
    if "sha256" in about:
        entity |= {"contentSize": str(about["bytes"]), "sha256": about["sha256"]}
    return entity
