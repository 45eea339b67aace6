"""Check what the settings say of images made elsewhere, before the first job."""

from pathlib import Path

from codingaxes.configuration import ConfigurationError
from codingaxes.stimulus_sets import outside


def check_scoring(config, here="."):
    """Check the folder of images made elsewhere, and list its images; put the home of the user for ~.

    Parameters
    ----------
    config : dict
        From `configuration.checked`; `scoring.folder` may be empty.
    here : path-like
        Folder that relative paths start from.

    Returns
    -------
    list of dict
        From `outside.listed`; empty without a folder, and in an archive, whose images are scored already.

    Raises
    ------
    ConfigurationError
        If the folder is not there, has no image, or its table is wrong; says what, where, and what is known.
    """
    folder = config["scoring"]["folder"]
    if not folder or config["archive"]:
        return []
    if {"{", "}"} & set(folder):
        raise ConfigurationError(
            f"scoring.folder: {folder!r} has braces, which stand for wildcards; link to it under another name"
        )
    folder = str(Path(folder).expanduser())
    if not Path(here, folder).is_dir():
        raise ConfigurationError(
            f"scoring.folder: {folder!r} is no folder; name one of images that were made elsewhere, or leave "
            'it empty ("")'
        )
    config["scoring"]["folder"] = folder
    regions = config["own" if config["nsd"]["source"] == "own" else "nsd"]["regions"]
    try:
        return outside.listed(Path(here, folder), list(regions))
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"scoring.folder: {error}") from None
