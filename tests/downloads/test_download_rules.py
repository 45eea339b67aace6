"""The rules that download NSD, run as a user runs them against a local bucket with a miniature NSD in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import servers
import small_nsd
from servers import Fault
from studies import MICRO, copy_to, jobs, snakemake

from codingaxes.nsd.layout import LABELS
from codingaxes.tables import store
from codingaxes.tables.nsd import SESSIONS, STIMULI

pytestmark = pytest.mark.slow  # runs Snakemake

COMPLETED = {"subj01": 3, "subj02": 2}  # of which 1 and 2 can hold an image that both saw three times
TRIALS = 90
CONSENT = ["--config", "nsd={terms_accepted: true}", "--"]
RESPONSES = [f"results/nsd/responses/{subject}.parquet" for subject in COMPLETED]
EXTRACTED = [f"results/nsd/sessions/{subject}/{n:02d}.parquet" for subject in COMPLETED for n in (1, 2)]
TABLES = [*EXTRACTED[:2], "results/nsd/stimuli.parquet"]
KEYS = small_nsd.layout_in("resources/nsd")  # the same paths in the folder of the workflow ...
SHARED = "nsddata/stimuli/nsd/shared1000"  # ... and the keys of objects, without that folder


def key_of(path):
    """The key of the object that a file of resources/nsd is downloaded from."""
    return path.removeprefix("resources/nsd/")


def betas_key(subject, session, suffix="nii.gz"):
    """The key of a session of betas."""
    return key_of(small_nsd.layout_in("resources/nsd", suffix).session(subject, session))


@pytest.fixture(scope="module")
def source(brain, tmp_path_factory):
    """The folder of a miniature NSD, with its betas in both formats."""
    folder = tmp_path_factory.mktemp("source")
    for suffix in ("hdf5", "nii.gz"):
        small_nsd.write(
            folder, brain, suffix=suffix, sessions=COMPLETED, n_trials=TRIALS, n_shared=55, n_own=35
        )
    return folder


@pytest.fixture(scope="module")
def shared_proxy(source):
    """A proxy before a bucket that holds the miniature alone."""
    with servers.s3_bucket() as bucket:
        bucket.put_tree(source)
        with servers.proxy_before(bucket.url) as proxy:
            yield proxy


@pytest.fixture
def proxy(shared_proxy):
    """The proxy without faults or memory of earlier tests."""
    shared_proxy.reset()
    return shared_proxy


def set_up(copy, **nsd):
    """Configure a copy of the workflow; the arguments for Snakemake."""
    settings = {"trials_per_session": TRIALS, "probes": 2}
    settings |= {"sessions": COMPLETED | {"subj03": 0, "subj04": 0}, **nsd}
    (copy / "overlay.yaml").write_text(json.dumps({"nsd": settings}))
    return [*MICRO, "overlay.yaml", "--cores", "2", "--nolock", *CONSENT]


def study(folder, proxy):
    """A copy of the workflow that downloads from `proxy`, and the arguments for Snakemake."""
    return copy_to(folder), set_up(folder, source="nsd", endpoint=proxy.url)


class Watch:
    """The most sessions of betas that lie on the disk at once while a context lasts."""

    def __init__(self, folder):
        self.folder, self.most, self.over = folder, 0, threading.Event()

    def look(self):
        """Count until the context is over."""
        while not self.over.wait(0.02):
            self.most = max(self.most, len(betas_in(self.folder)))

    def __enter__(self):
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def betas_in(folder):
    """Sessions of betas, whole or in part, wherever they lie."""
    return [path for path in folder.glob("resources/nsd/**/*betas_session*") if path.suffix != ".note"]


@pytest.fixture(scope="module")
def clean(source, shared_proxy, tmp_path_factory):
    """A study that was downloaded without a fault: its folder, and what was asked of the server."""
    folder, arguments = study(tmp_path_factory.mktemp("clean"), shared_proxy)
    shared_proxy.reset()
    for subject, n in product(COMPLETED, (1, 2)):  # half a second each, so that no session escapes the watch
        key = betas_key(subject, n)
        shared_proxy.always[key] = Fault(rate=2 * (source / key).stat().st_size)
    with Watch(folder) as watch:
        done = snakemake(folder, *arguments, *RESPONSES)
    assert done.returncode == 0, done.stdout
    assert 1 <= watch.most <= 2  # as many as there are jobs at once
    return folder, list(shared_proxy.requests)


def copy_of(clean, folder):
    """A copy of the clean study, to take something away from."""
    shutil.copytree(clean[0], folder, dirs_exist_ok=True)
    return folder, [*MICRO, "overlay.yaml", "--cores", "2", "--nolock", *CONSENT]


def same_tables(one, other, names):
    """Two studies have the same tables, byte by byte."""
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_what_the_study_needs_is_fetched_once_and_nothing_else(clean, source):
    folder, requests = clean
    asked = [request.key for request in requests]
    assert len(asked) == len(set(asked)) and {request.status for request in requests} == {200}
    expected = {KEYS.design}
    for subject in COMPLETED:
        expected |= {KEYS.session(subject, session) for session in (1, 2)}
        expected |= {KEYS.atlas(subject, atlas, side) for side in ("", "lh") for atlas in LABELS}
        expected |= {KEYS.labels(subject, atlas) for atlas in LABELS}
        expected |= {KEYS.tmap(subject, contrast) for contrast in ("bodies", "faces", "places")}
        expected |= {KEYS.brainmask(subject), KEYS.behaviour(subject), KEYS.ncsnr(subject)}
    pictures = {key for key in asked if key.startswith(SHARED)}
    assert set(asked) - pictures == set(map(key_of, expected))
    stimuli = store.read(folder / "results/nsd/stimuli.parquet", STIMULI)
    assert sorted(int(key[-9:-4]) for key in pictures) == sorted(stimuli.nsd_id + 1)
    assert 10 < len(pictures) < len(list((source / SHARED).iterdir()))
    assert sum(request.sent for request in requests) == sum((source / key).stat().st_size for key in asked)


def test_a_session_keeps_all_labelled_voxels_and_its_file_is_deleted(clean, source):
    folder, _ = clean
    assert betas_in(folder) == [] and not (folder / "resources/nsd/.downloads").exists()
    layout = small_nsd.layout_in(source)
    for subject in COMPLETED:
        masks = [nibabel.load(layout.atlas(subject, atlas)).get_fdata() > 0 for atlas in LABELS]
        labelled = np.any(masks, axis=0)
        stored = np.asanyarray(nibabel.load(layout.session(subject, 2)).dataobj)
        rows = store.read(folder / f"results/nsd/sessions/{subject}/02.parquet", SESSIONS)
        assert np.array_equal(rows[["i", "j", "k"]], np.argwhere(labelled))
        assert np.array_equal(store.matrix(rows.beta), stored[labelled])
        assert set(rows.subject) == {subject} and set(rows.session) == {2}


def test_downloaded_and_local_data_give_the_same_responses(clean, source, tmp_path):
    folder = copy_to(tmp_path)
    done = snakemake(folder, *set_up(folder, source="local", folder=str(source)), RESPONSES[1])
    assert done.returncode == 0, done.stdout
    same_tables(folder, clean[0], [RESPONSES[1]])


def test_a_file_of_a_local_copy_that_is_replaced_by_an_older_one_runs_again_what_reads_it(source, tmp_path):
    """As `cp -p` and `rsync -a` do it: the other file keeps its own, older time."""
    folder, copy = copy_to(tmp_path / "workflow"), tmp_path / "nsd"
    shutil.copytree(source, copy)
    arguments = [*set_up(folder, source="local", folder=str(copy)), RESPONSES[1]]
    done = snakemake(folder, *arguments)
    assert done.returncode == 0 and jobs(folder, *arguments) == {}, done.stdout
    layout = small_nsd.layout_in(str(copy))
    picture = sorted((copy / SHARED).glob("*.png"))[0]
    for file, rules in (
        (Path(layout.session("subj02", 1)), {"prepare_responses"}),
        (Path(layout.labels("subj02", "floc-faces")), {"prepare_responses"}),
        (picture, {"prepare_stimuli", "prepare_responses"}),
    ):
        content, times = file.read_bytes(), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(file, (1e9, 1e9))
        assert set(jobs(folder, *arguments)) == rules, file
        file.write_bytes(content)
        os.utime(file, ns=times)
        assert jobs(folder, *arguments) == {}, file
    (copy / SHARED / ".DS_Store").touch()
    os.utime(copy / SHARED, (1e9, 1e9))
    assert jobs(folder, *arguments) == {}


def test_a_study_through_faults_gives_the_same_tables(clean, proxy, tmp_path):
    folder, arguments = study(tmp_path, proxy)
    picture = next(request.key for request in clean[1] if request.key.startswith(SHARED))
    proxy.next |= {
        key_of(KEYS.design): [Fault(status=503, headers={"Retry-After": "1"}), Fault(cut=700)],
        picture: [Fault(corrupt=1000), Fault(status=429)],
        key_of(KEYS.brainmask("subj01")): [Fault(shrink=100)],
        betas_key("subj01", 1): [Fault(cut=70_000), Fault(cut=30_000, reset=True)],
        betas_key("subj01", 2): [Fault(cut=70_000), Fault(ignore_range=True, corrupt=70_000)],
    }
    faults = sum(map(len, proxy.next.values()))
    done = snakemake(folder, *arguments, *TABLES)
    assert done.returncode == 0, done.stdout
    usual = [request for request in clean[1] if "subj02" not in request.key]
    assert not any(proxy.next.values()) and len(proxy.requests) == len(usual) + faults
    same_tables(folder, clean[0], TABLES)
    assert betas_in(folder) == [] and not (folder / "resources/nsd/.downloads").exists()


def test_wrong_and_missing_files_stop_with_their_names_and_get_no_final_one(clean, proxy, tmp_path):
    folder, arguments = copy_of(clean, tmp_path)
    wrong, missing = betas_key("subj01", 2), key_of(KEYS.tmap("subj02", "faces"))
    proxy.always |= {wrong: Fault(corrupt=9), missing: Fault(status=404)}
    targets = [folder / EXTRACTED[1], folder / "resources/nsd" / missing]
    for target in targets:
        target.unlink()
    done = snakemake(folder, "--keep-going", *arguments, EXTRACTED[1], f"resources/nsd/{missing}")
    assert done.returncode != 0
    assert f"{proxy.url}/{wrong}: 2 whole copies were wrong" in done.stdout
    assert f"{proxy.url}/{missing}: the server answers 404 Not Found: there is no such object" in done.stdout
    assert len(proxy.of(wrong)) == 2 and len(proxy.of(missing)) == 1
    assert not any(target.exists() for target in targets) and betas_in(folder) == []


def start(folder, arguments, targets):
    """Snakemake in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", *arguments, *targets]
    output = open(folder / "killed.log", "w")
    return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)


def staged(folder):
    """Bytes that are staged of each file, and of how many, by the file's name."""
    files = {}
    for note in (folder / "resources/nsd/.downloads").glob("[!.]*.note"):  # not one that is being written
        size = json.loads(note.read_text() or "{}").get("size")
        files[note.stem.split("-", 2)[2]] = (note.with_suffix("").stat().st_size, size)
    return files


def kill_midway(folder, process, betas):
    """Kill the group once pictures are complete and the session is halfway; what is staged then."""
    try:
        for _ in range(1500):
            now, session = staged(folder), (0, 0)
            session = now.get(betas, session)
            if sum(have == size for have, size in now.values()) >= 4 and session[0] > 40_000:
                break
            assert process.poll() is None, (folder / "killed.log").read_text()
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(0.2)  # until the jobs of the group are gone
    return staged(folder)


def test_a_killed_study_resumes_where_it_stopped_and_fetches_nothing_twice(clean, proxy, tmp_path):
    folder, arguments = copy_of(clean, tmp_path)
    stimuli, key = folder / KEYS.stimuli, betas_key("subj02", 1)
    expected = {path.name: path.read_bytes() for path in stimuli.iterdir() if path.suffix == ".png"}
    shutil.rmtree(stimuli)
    (folder / EXTRACTED[2]).unlink()
    proxy.always = {f"{SHARED}/{name}": Fault(rate=60_000) for name in expected} | {key: Fault(rate=50_000)}
    targets = [EXTRACTED[2], KEYS.stimuli]
    arguments[arguments.index("2")] = "6"
    there = kill_midway(folder, start(folder, arguments, targets), Path(key).name)
    begun, whole = there[Path(key).name]
    complete = {name for name, (have, size) in there.items() if have == size}
    assert 40_000 < begun < whole and 4 <= len(complete) < len(expected)
    assert not stimuli.exists() or not list(stimuli.glob("*.png"))
    assert not (folder / EXTRACTED[2]).exists()

    proxy.reset()
    done = snakemake(folder, *arguments, *targets)
    assert done.returncode == 0, done.stdout
    (rest,) = proxy.of(key)
    assert rest.range == f"bytes={begun}-" and rest.sent == whole - begun
    asked = {Path(request.key).name for request in proxy.requests} - {Path(key).name}
    assert asked == set(expected) - complete
    assert {path.name: path.read_bytes() for path in stimuli.glob("*.png")} == expected
    same_tables(folder, clean[0], [EXTRACTED[2]])
    assert betas_in(folder) == [] and not (folder / "resources/nsd/.downloads").exists()


def test_hdf5_betas_give_the_same_session(clean, proxy, tmp_path):
    folder, _ = copy_of(clean, tmp_path)
    (folder / EXTRACTED[0]).unlink()
    arguments = set_up(folder, source="nsd", endpoint=proxy.url, format="hdf5")
    done = snakemake(folder, *arguments, EXTRACTED[0])
    assert done.returncode == 0, done.stdout
    assert [request.key for request in proxy.requests] == [betas_key("subj01", 1, "hdf5")]
    same_tables(folder, clean[0], [EXTRACTED[0]])
    assert betas_in(folder) == []


def test_another_server_and_fewer_regions_fetch_nothing_again(clean, tmp_path):
    folder, _ = copy_of(clean, tmp_path)
    settings = [*MICRO, "overlay.yaml", "--config"]
    elsewhere = jobs(folder, *settings, "nsd={endpoint: 'http://127.0.0.1:1/other'}", "--", *RESPONSES)
    assert elsewhere == {}
    config = folder / "config/config.yaml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("    PPA:")]
    config.write_text("\n".join(lines) + "\n")
    fewer = jobs(folder, *settings, "nsd={min_t: 1}", "--", *RESPONSES)
    assert fewer == {"prepare_responses": 2}


def test_a_session_that_cannot_be_cut_does_not_stay_on_the_disk(clean, tmp_path):
    folder, arguments = copy_of(clean, tmp_path)
    for table in EXTRACTED[:2]:
        (folder / table).unlink()
    wrong = {"trials_per_session": TRIALS - 1}
    (folder / "wrong.yaml").write_text(json.dumps({"nsd": wrong}))
    arguments.insert(arguments.index("overlay.yaml") + 1, "wrong.yaml")
    done = snakemake(folder, "--keep-going", *arguments, EXTRACTED[0])
    assert done.returncode != 0 and "see nsd.trials_per_session too" in done.stdout
    assert betas_key("subj01", 1) in done.stdout and betas_in(folder) == []


def test_consent_is_asked_for_only_when_a_job_downloads_and_never_by_a_dry_run(clean, tmp_path):
    folder, _ = copy_of(clean, tmp_path)
    arguments = [*MICRO, "overlay.yaml", "--cores", "1", "--nolock", "--"]
    (folder / RESPONSES[0]).unlink()
    done = snakemake(folder, *arguments, *RESPONSES)  # a job, but none that downloads
    assert done.returncode == 0 and (folder / RESPONSES[0]).exists(), done.stdout
    (folder / EXTRACTED[0]).unlink()
    assert jobs(folder, *MICRO, "overlay.yaml", "--", *EXTRACTED) == {"download_session": 1}
    refused = snakemake(folder, *arguments, *EXTRACTED)
    assert refused.returncode != 0 and "nsd.terms_accepted is false" in refused.stdout
    assert "https://forms.gle/" in refused.stdout and not (folder / EXTRACTED[0]).exists()


def test_a_changed_function_of_the_client_fetches_nothing_again(clean, tmp_path):
    folder, _ = copy_of(clean, tmp_path)
    for module in ("downloads/fetch.py", "nsd/volumes.py"):
        with open(folder / "workflow/scripts/codingaxes" / module, "a") as file:
            file.write("\n\nANOTHER = 1\n")
    assert jobs(folder, *MICRO, "overlay.yaml", "--", *RESPONSES) == {"prepare_responses": 2}
