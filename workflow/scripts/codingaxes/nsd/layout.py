"""Know where NSD keeps its files, and what their names and numbers mean; no other module does.

Source: the NSD data manual, and the code of NSD's authors (Allen et al., Nature Neuroscience 2022).
"""

from dataclasses import dataclass
from pathlib import Path

PERCENT = 300  # betas are stored as int16: percent signal change times 300
# The integers of NSD's own code (its scripts that draw the regions), by atlas; a label file must agree.
LABELS = {
    "floc-faces": {"OFA": 1, "FFA-1": 2, "FFA-2": 3, "mTL-faces": 4, "aTL-faces": 5},
    "floc-bodies": {"EBA": 1, "FBA-1": 2, "FBA-2": 3, "mTL-bodies": 4},
    "floc-places": {"OPA": 1, "PPA": 2, "RSC": 3},
}


@dataclass(frozen=True)
class Layout:
    """Give the paths of NSD's files, as text.

    A subject, atlas, contrast or session may also be a wildcard of Snakemake, such as "{subject}". Then the
    path is a pattern.
    """

    root: str  # the folder that stands for NSD's bucket
    space: str  # NSD's name of the volume space, for instance func1pt8mm
    version: str  # NSD's name of the kind of betas, for instance betas_fithrf_GLMdenoise_RR
    suffix: str = "nii.gz"  # of files of betas; or hdf5

    @property
    def design(self):
        """Give the path of the experimental design: which image each subject saw in each trial."""
        return f"{self.root}/nsddata/experiments/nsd/nsd_expdesign.mat"

    @property
    def stimuli(self):
        """Give the folder of the shared images; `stimulus_file` names its files."""
        return f"{self.root}/nsddata/stimuli/nsd/shared1000"

    def behaviour(self, subject):
        """Give the path of the table of a subject's trials."""
        return f"{self._subject(subject)}/behav/responses.tsv"

    def brainmask(self, subject):
        """Give the path of the volume that says where a subject has betas."""
        return f"{self._anatomy(subject)}/brainmask.nii.gz"

    def atlas(self, subject, atlas, hemisphere=""):
        """Give the path of an atlas of regions: of both hemispheres together, or of "lh" or "rh" alone."""
        return f"{self._anatomy(subject)}/roi/{hemisphere and f'{hemisphere}.'}{atlas}.nii.gz"

    def labels(self, subject, atlas):
        """Give the path of the text file with the integers and names of an atlas."""
        return f"{self.root}/nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab"

    def tmap(self, subject, contrast):
        """Give the path of the t map of a contrast of the functional localiser."""
        return f"{self._anatomy(subject)}/floc_{contrast}tval.nii.gz"

    def session(self, subject, session):
        """Give the path of the file of a session of betas; sessions count from 1."""
        return f"{self._betas(subject)}/{session_name(session)}.{self.suffix}"

    def ncsnr(self, subject):
        """Give the path of the map of noise ceiling signal-to-noise ratios."""
        return f"{self._betas(subject)}/ncsnr.nii.gz"

    def _subject(self, subject):
        return f"{self.root}/nsddata/ppdata/{subject}"

    def _anatomy(self, subject):
        return f"{self._subject(subject)}/{self.space}"

    def _betas(self, subject):
        return f"{self.root}/nsddata_betas/ppdata/{subject}/{self.space}/{self.version}"


def session_name(session):
    """Give the file name of a session of betas, without the suffix of its format."""
    return f"betas_session{str(session).zfill(2)}"


def stimulus_file(folder, rank, image):
    """Give the path of a shared image: `rank` counts from 1 in sharedix, `image` is the 0-based id."""
    return Path(folder) / f"shared{rank:04d}_nsd{image + 1:05d}.png"


def position(subject):
    """Give the position of a subject in NSD's design: subj01 is 0."""
    if not (subject.startswith("subj") and subject[4:].isdigit() and int(subject[4:]) > 0):
        raise ValueError(f"NSD calls its subjects subj01, subj02 ..., not {subject!r}")
    return int(subject[4:]) - 1


def root_of(path):
    """Give the folder that stands for NSD's bucket: the part of a path before nsddata or nsddata_betas.

    Raises
    ------
    ValueError
        If the path has neither.
    """
    parts = Path(path).parts
    tops = [place for place, part in enumerate(parts) if part in ("nsddata", "nsddata_betas")]
    if not tops:
        raise ValueError(f"{path} is no path of NSD's bucket: it has neither nsddata nor nsddata_betas")
    return Path(*parts[: tops[0]])


def present(path, what):
    """Give `path` as a Path; raises FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} ({what}) is not there; see nsd.folder in the configuration")
    return path
