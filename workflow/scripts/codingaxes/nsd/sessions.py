"""Keep of a session of betas only the voxels that an atlas labels, as a table, and read it again."""

import pandas as pd

from codingaxes.nsd.layout import present
from codingaxes.tables import store
from codingaxes.tables.nsd import SESSIONS


def write(path, stored, where, subject, session):
    """Write the table "sessions" of one session.

    Parameters
    ----------
    path : path-like
    stored : int16 array (trials, v)
        From `volumes.read_stored`.
    where : int array (v, 3)
        Voxels as i, j, k.
    subject : str
    session : int
        From 1.
    """
    voxels = pd.DataFrame(where, columns=["i", "j", "k"])
    voxels["subject"], voxels["session"] = subject, session
    voxels["beta"] = list(stored.T)
    store.write(path, SESSIONS, voxels)


def read(path, where, n_trials, subject, session):
    """Read the betas of some voxels: what `volumes.read_stored` gives, from the table of one session.

    Parameters
    ----------
    path : path-like
        From `write`.
    where : int array (v, 3)
        Voxels as i, j, k.
    n_trials, subject, session
        What the table must be of.

    Returns
    -------
    int16 array (trials, v)

    Raises
    ------
    ValueError
        If the table is of another subject or session, lacks a voxel, or has another number of trials.
    """
    rows = store.read(present(path, "an extracted session"), SESSIONS)
    sessions = sorted(set(zip(rows.subject, rows.session, strict=True)))
    if sessions != [(subject, session)]:
        raise ValueError(f"{path}: expected {subject}, session {session} alone, found {sessions[:3]}")
    lengths = {len(beta) for beta in rows.beta}
    if lengths != {n_trials}:
        raise ValueError(f"{path}: expected {n_trials} trials a voxel, found {sorted(lengths)}")
    row_of = {voxel: row for row, voxel in enumerate(zip(rows.i, rows.j, rows.k, strict=True))}
    voxels = [tuple(map(int, voxel)) for voxel in where]
    absent = [voxel for voxel in voxels if voxel not in row_of]
    if absent:
        raise ValueError(f"{path} lacks {len(absent)} of {len(voxels)} voxels, the first {absent[0]}")
    return store.matrix(rows.beta.iloc[[row_of[voxel] for voxel in voxels]]).T.copy()
