"""Combine the responses of an encoding model: a network with readouts, or the simulated brain.

An encoding model is made of response modules, one for each region and kind of response. A response module
maps images (n, 3, h, w) in [0, 1] to responses (n, v), and has four methods besides `forward`:

- `observe(images, parts)` makes the pass that several response modules of one model share;
- `read(observed)` computes its own responses from that;
- `compressed()` gives a module of as few responses as have the same JᵀJ;
- `merged(parts)` gives several modules as one where that is cheaper, or None.
"""

from dataclasses import dataclass, field

import torch

from codingaxes.names import GROUP

KINDS = ("group", "subjects", "voxels", "joint", "features")  # of responses whose axes can be asked for


def names_of(owners):
    """Name each subject of some regions once, as the regions have them, one after the other."""
    return tuple(dict.fromkeys(name for names in owners.values() for name in names))


@dataclass(frozen=True)
class EncodingModel:
    """Predict responses to images, by response modules."""

    group: dict  # region -> response module, images -> (n, 1), SD over training images
    subjects: dict  # region -> response module, images -> (n, subjects that have it), SD over training images
    voxels: dict  # region -> response module, images -> (n, voxels of all subjects), z per voxel and session
    features: torch.nn.Module | None = None  # images -> (n, d), the layers that are read; none of the brain
    names: tuple = ()  # of all subjects, as the regions have them, one after the other
    owners: dict = field(
        default_factory=dict
    )  # region -> names of the subjects that have it; all if not there

    def subjects_of(self, roi):
        """Name the subjects that have a region, in the order of their responses."""
        return self.owners.get(roi, self.names)

    def readers(self, subjects=True):
        """Join the group's and, if wanted, each subject's readout of every region, computed in one pass.

        Returns
        -------
        respond : callable, images -> (n, readouts)
        names : list of tuples (region, group or subject)
            Of the readouts, in order. A region has none of a subject that lacks it.
        """
        parts = [of[roi] for roi in self.group for of in (self.group, self.subjects)[: 1 + subjects]]
        names = {roi: (GROUP, *self.subjects_of(roi) * subjects) for roi in self.group}
        return _SharedPass(parts), [(roi, name) for roi in names for name in names[roi]]

    def scalar(self, roi, subject=GROUP):
        """Give the response of a region, of the group or of one subject, as a callable images -> (n,)."""
        respond = self.group[roi] if subject == GROUP else self.subjects[roi]
        place = 0 if subject == GROUP else self.subjects_of(roi).index(subject)
        return lambda images: respond(images)[:, place]

    def responses(self, kind, weights=None):
        """Give the responses whose Jacobian is asked for, by region ("all": of all regions together).

        Parameters
        ----------
        kind : str
            One of `KINDS`. joint: the voxels of all regions. features: of the layers that are read.
        weights : dict, region -> array (voxels,), optional
            By which voxels are multiplied, for instance the square roots of their noise ceilings.

        Returns
        -------
        dict, region -> callable
            Voxels of a network come as fewer responses with the same JᵀJ, where possible. Empty for the
            features of the simulated brain.
        """
        if kind == "features":
            return {"all": self.features} if self.features is not None else {}
        if kind in ("group", "subjects"):
            return self.group if kind == "group" else self.subjects
        voxels = {
            roi: part.with_weight(part.weight * weights[roi][:, None]) if weights else part
            for roi, part in self.voxels.items()
        }
        if kind == "voxels":
            return {roi: part.compressed() for roi, part in voxels.items()}
        parts = list(voxels.values())
        merged = parts[0].merged(parts)
        if merged is not None:
            return {"all": merged.compressed()}
        return {"all": _SideBySide([part.compressed() for part in parts])}


class _SideBySide(torch.nn.Module):
    """Put responses side by side, (n, v) of each -> (n, sum of v)."""

    def __init__(self, parts):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, images):
        return torch.cat([part(images) for part in self.parts], dim=1)


class _SharedPass(torch.nn.Module):
    """Put responses of one model side by side, whatever layers they read, from one pass."""

    def __init__(self, parts):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, images):
        observed = self.parts[0].observe(images, self.parts)
        return torch.cat([part.read(observed) for part in self.parts], dim=1)
