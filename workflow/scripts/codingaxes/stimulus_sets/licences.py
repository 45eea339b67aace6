"""Say under which licence the images of a set stand, and who may see it.

The licence of an image is that of the natural image that it was made of: a perturbed photograph is still that
photograph.
"""

import re
from dataclasses import dataclass

NSD_TERMS = "https://cvnlab.slite.com/api/s/note/9dgh5HCqgZYhMoAESZBS86/Terms-and-Conditions"
COCO_TERMS = "https://cocodataset.org/#termsofuse"
FROM_NSD = ("nsd", "local")  # values of nsd.source whose images are photographs of NSD
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Licence:
    """Hold what the tables and the README of a set say of the rights in its images."""

    license: str  # identifier of SPDX, or words where there is none
    copyright: str
    words: str  # a paragraph of the README


MINIATURE = Licence(
    "MIT",
    "codingaxes contributors",
    "The natural images are scenes that codingaxes draws by a program. They show no person and no real "
    "place. They, and what was made of them, may be used, changed and passed on freely, also publicly, under "
    "the licence of codingaxes (MIT).",
)
NSD = Licence(
    "each photograph has its own in COCO; NSD's terms apply too",
    "the photographers, see COCO",
    "The natural images are photographs of the Natural Scenes Dataset (NSD), which took them from COCO. "
    "**Each photograph has a licence of its own**, which COCO states (its annotations list `license` for "
    "each image; NSD's table `nsd_stim_info_merged.csv` gives the COCO number, `cocoId`, of each number of "
    f"NSD). COCO's terms are at <{COCO_TERMS}>. **NSD's own terms apply too**: <{NSD_TERMS}>. The same holds "
    "for the perturbed images, which are changed photographs: some licences forbid to change or to sell "
    "them. Photographs show people. Read both terms before you give this folder to anybody.",
)


def of(design, source):
    """Give the licence of the images of a set.

    Parameters
    ----------
    design : dict
        Of the set. Its key `licence` is what the owner of own images says of them; "": nothing.
    source : str
        The setting nsd.source: miniature, nsd, local or own.

    Returns
    -------
    Licence
    """
    if source == "miniature":
        return MINIATURE
    if source in FROM_NSD:
        return NSD
    said = design["licence"].strip()
    words = (
        f"The owner of the natural images states this licence: {said}. It was not checked."
        if said
        else "The licence of the natural images is **unknown**: they are data of your own, and nothing was "
        "said about them. Find out what may be done with them before you give this folder to anybody, and "
        "write it in `licence` of the design."
    )
    return Licence(said or UNKNOWN, UNKNOWN, words)


def check_public(design, source):
    """Refuse a set that is marked public although nobody has said that this is allowed.

    Parameters
    ----------
    design : dict
        With `public`, `terms_read` and `licence`; see `of`.
    source : str

    Raises
    ------
    ValueError
        If `public` is true and the images are NSD's but `terms_read` does not say who has read the terms and
        when, or the images are own ones without a licence.
    """
    if not design["public"] or source == "miniature":
        return
    read = design["terms_read"].strip()
    if source in FROM_NSD and not (re.search(r"[^\W\d_]{2}", read) and re.search(r"\b(19|20)\d\d\b", read)):
        raise ValueError(
            f"public: true is refused, as terms_read is {read!r}: images of NSD are photographs of COCO with "
            f"licences of their own, and NSD's terms apply. Read {NSD_TERMS} and {COCO_TERMS}; then say in "
            "terms_read who has read them and when, for instance 'A. Reader, 2026-05-01', or set public: "
            "false"
        )
    if source not in FROM_NSD and not design["licence"].strip():
        raise ValueError(
            "public: true is refused, as the licence of your own images is unknown: write it in licence of "
            "the design, or set public: false"
        )
