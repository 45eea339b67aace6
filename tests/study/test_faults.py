"""Faults on copies of the finished micro study: kills, two runs at once, full disks, clocks, odd paths."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import studies
from studies import MICRO, ROBUST, run

from codingaxes import writing

AXES = f"results/axes/eigenvectors/{ROBUST}.parquet"
ATTACKS = f"results/attacks/perturbations/{ROBUST}.parquet"
SYNTHESIS = f"results/synthesis/perturbations/{ROBUST}.parquet"
FIGURE = "results/figures/transfer_matrix.pdf"
# Files whose bytes are the same in every run; a record of a training holds the seconds that it took.
REPEATABLE = {".parquet", ".csv", ".npz", ".safetensors", ".png", ".pdf", ".webp", ".txt"}


def files_of(folder):
    """Collect the files that a study has made, but for parts of jobs and what is half written."""
    results = (file for name in ("results", "resources") for file in (folder / name).rglob("*"))
    own = {file.relative_to(folder) for file in results if file.suffix in REPEATABLE and file.is_file()}
    return {file for file in own if ".parts" not in file.parts and not file.name.startswith(writing.MARK)}


def differing(study, folder, files):
    """List those of some files that are not byte by byte those of the undisturbed study."""
    return [str(file) for file in files if (folder / file).read_bytes() != (study / file).read_bytes()]


def start(folder, *arguments):
    """Start Snakemake with the micro configuration, in a group of its own; what it prints goes to a file."""
    with open(folder / "said.log", "w") as said:
        command = [sys.executable, "-m", "snakemake", *MICRO, *arguments]
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)


def wait_for(condition, process, what, seconds=300):
    """Wait until a condition holds, as long as a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before there was {what}"
        assert time.monotonic() < end, f"no {what} after {seconds} seconds"
        time.sleep(0.02)


def scripts_below(process):
    """List the processes that run scripts of the workflow below a Snakemake."""
    jobs = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any("/.snakemake/scripts/" in word for word in child.cmdline()):
                jobs.append(child)
        except psutil.NoSuchProcess:
            continue
    return jobs


def freeze(process):
    """Stop a Snakemake and all that it has started, so that nobody sees another die; give all of them."""
    everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in everyone:
        one.send_signal(signal.SIGSTOP)
    return everyone


def kill_all(everyone):
    """Kill processes that were frozen, at once."""
    for one in everyone:
        one.kill()
    psutil.wait_procs(everyone, 60)


def kept_parts(folder):
    """Collect the parts that jobs have kept."""
    return {str(file) for file in (folder / "results/.parts").rglob("[!.]*.arrow")}


def remove_outputs(study, folder, rule, name=None):
    """Remove the outputs of a job."""
    for value in studies.recorded(study, rule, name)["output"].values():
        file = folder / value
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def test_after_kills_of_a_job_and_of_the_whole_run_the_same_command_gives_the_same_tables(study, study_copy):
    shutil.rmtree(study_copy / "results/.parts")
    for rule in ("compute_eigenvectors", "attack_images", "synthesise_perturbations"):
        remove_outputs(study, study_copy, rule, ROBUST)
    command = ("--cores", "2", "--", AXES, ATTACKS, SYNTHESIS)
    process = start(study_copy, *command)
    wait_for(lambda: kept_parts(study_copy), process, "a part of a table")
    for job in scripts_below(process):
        job.kill()
    assert process.wait(300) == 1
    assert "died with <Signals.SIGKILL: 9>" in (study_copy / "said.log").read_text()
    before = kept_parts(study_copy)
    assert before, "a job of several parts was killed"
    process = start(study_copy, *command)
    wait_for(lambda: kept_parts(study_copy) - before, process, "another part of a table")
    everyone = freeze(process)
    second = run(study_copy, *command)
    assert second.returncode == 1 and "removed with the --unlock argument" in second.stdout
    kill_all(everyone)
    assert not differing(study, study_copy, files_of(study_copy)), "what has its name is whole"
    assert list((study_copy / ".snakemake/locks").iterdir()), "the lock stays"
    assert run(study_copy, "--unlock").returncode == 0
    done = run(study_copy, *command)
    assert done.returncode == 0, done.stdout
    assert "parts are already there" in done.stdout + (study_copy / "said.log").read_text()
    assert files_of(study_copy) == files_of(study) and not differing(study, study_copy, files_of(study))
    assert not list((study_copy / "results").rglob(f"{writing.MARK}*"))


def finished_jobs(folder):
    """Count the jobs that have come to their end: each leaves its time and memory."""
    return sum(1 for _ in (folder / "results/benchmarks").rglob("*.tsv"))


def kill_at(folder, process, jobs, delay, rng, group):
    """Kill a run, or one of its jobs, a while after so many jobs have finished."""
    wait_for(lambda: finished_jobs(folder) >= jobs, process, f"{jobs} finished jobs", seconds=1800)
    time.sleep(delay)
    wait_for(lambda: scripts_below(process), process, "a job")
    if group:
        kill_all(freeze(process))
        assert run(folder, "--unlock").returncode == 0
        return
    running = scripts_below(process)
    if running:
        running[rng.integers(len(running))].kill()
    process.wait(600)


@pytest.mark.long
def test_ten_kills_at_seeded_moments_of_a_study_leave_every_table_and_figure_as_it_is(study, tmp_path):
    rng, folder = np.random.default_rng(19), studies.copy_to(tmp_path / "study")
    last = finished_jobs(study) - 5
    moments = np.sort(rng.choice(np.arange(2, last), 10, replace=False))
    for number, jobs in enumerate(moments):
        process = start(folder, "--cores", "2")
        kill_at(folder, process, jobs, rng.uniform(0, 3), rng, group=number % 2)
        assert not differing(study, folder, files_of(folder)), "what has its name is whole"
    done = run(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout
    assert files_of(folder) == files_of(study) and not differing(study, folder, files_of(study))


def test_a_limit_of_disk_stops_a_job_with_a_remedy_and_the_same_command_goes_on(study, study_copy):
    remove_outputs(study, study_copy, "plot_transfer_matrix")
    size = 60_000  # bytes: less than the PNG has, more than what Snakemake itself writes
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    command = [sys.executable, "-m", "snakemake", *MICRO, "--cores", "1", "--", FIGURE]
    stopped = subprocess.run(
        ["prlimit", f"--fsize={size}:{limits[1]}", *command], cwd=study_copy, capture_output=True, text=True
    )
    assert stopped.returncode == 1
    said = "results/figures/transfer_matrix.png cannot be written: File too large; make room on the disk of"
    assert said in stopped.stdout + stopped.stderr
    assert not list((study_copy / "results/figures").glob("*transfer_matrix*"))
    done = run(study_copy, "--cores", "1", "--", FIGURE)
    assert done.returncode == 0, done.stdout
    assert files_of(study_copy) == files_of(study) and not differing(study, study_copy, files_of(study))


def test_a_damaged_brain_stops_a_job_with_its_name_and_is_simulated_again_once_it_is_deleted(
    study, study_copy
):
    brain = study_copy / "resources/simulated_brain.npz"
    content = brain.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:2000] + b"x" * 9 + content[2009:]):
        brain.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"simulated_brain\.npz is no undamaged file of arrays"):
            studies.model_of(study_copy, studies.BRAIN)
    remove_outputs(study, study_copy, "attack_images", studies.BRAIN)  # of the job that stopped
    brain.unlink()
    rerun = studies.listed(study_copy, "--", f"results/attacks/perturbations/{studies.BRAIN}.parquet")
    assert {"simulate_nsd", "attack_images", "prepare_responses"} < rerun and "train_network" not in rerun


def shift(folder, seconds):
    """Move the times of all files of a study."""
    for file in [*(folder / "results").rglob("*"), *(folder / "resources").rglob("*")]:
        about = file.lstat()
        os.utime(file, (about.st_atime + seconds, about.st_mtime + seconds), follow_symlinks=False)


def test_after_a_clock_was_set_back_nothing_reruns_and_no_old_table_is_taken_for_new(study_copy):
    shift(study_copy, 86400)
    assert studies.listed(study_copy) == set(), "a finished study is finished"
    (study_copy / FIGURE).unlink()
    refused = run(study_copy, "--cores", "1")
    assert refused.returncode == 1 and "seconds after this machine's clock" in refused.stdout
    command = re.search(r"^(find results resources .*)$", refused.stdout, re.MULTILINE)[1]
    subprocess.run(command, shell=True, cwd=study_copy, check=True)
    assert studies.listed(study_copy) == {"plot_transfer_matrix", *studies.LAST}
    done = run(study_copy, "--cores", "1")
    assert done.returncode == 0, done.stdout
    assert studies.listed(study_copy) == set()


ODD = '-it\'s a "study" é ü 日本 100% %s $HOME; & [a]* ' + "x" * 150


def test_a_folder_may_have_any_name_but_one_with_braces(study, study_copy, tmp_path):
    odd = study_copy.rename(tmp_path / ODD)
    wanted = [FIGURE, "results/summaries/transfers.csv"]
    remove_outputs(study, odd, "plot_transfer_matrix")
    (odd / wanted[1]).unlink()
    done = run(odd, "--cores", "1", "--", *wanted)
    assert done.returncode == 0, done.stdout
    assert files_of(odd) == files_of(study) and not differing(study, odd, files_of(study))
    braces = odd.rename(tmp_path / "a {study}")
    refused = run(braces, "-n")
    assert refused.returncode == 1 and "has braces in its path" in refused.stdout
