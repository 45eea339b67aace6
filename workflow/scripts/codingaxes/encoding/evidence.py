"""Ask a model how much it sees of each category of the miniature: a judge that no image was made for."""

import torch

from codingaxes.miniature.brain import TemplateEnergies
from codingaxes.miniature.scenes import CATEGORIES, PREFERRED


def judge_of(model, row):
    """Give the category evidence of a model, if it has any.

    Parameters
    ----------
    model : model.EncodingModel
    row : dict or None
        Of the table of networks; None for the simulated brain.

    Returns
    -------
    callable, images (n, 3, h, w) -> (n, categories); or None
        Of a network of the zoo: the logits of its own task, in the order of `scenes.CATEGORIES`. Of the
        simulated brain: the mean of each category's template energies, standardised over scenes, less the
        mean over all templates. Pretrained networks have no such categories, and a brain that is a network
        has no templates: None.
    """
    if row is None:
        brain = next(iter(model.group.values())).brain
        return _category_energies(brain) if isinstance(brain.features, TemplateEnergies) else None
    return model.features.network if row["source"] == "zoo" else None


def beside_responses(model, row):
    """Compute the group's responses and the category evidence of a model side by side, in one pass.

    Parameters
    ----------
    model : model.EncodingModel
    row : dict or None
        As for `judge_of`.

    Returns
    -------
    callable, images (n, 3, h, w) -> (n, regions + categories)
        Only the responses (n, regions), in the order of `model.group`, if the model has no such evidence.
    """
    respond, _ = model.readers(subjects=False)
    judge = judge_of(model, row)
    if judge is None:
        return respond
    if row is None:
        return lambda images: torch.cat([respond(images), judge(images)], dim=1)
    parts = list(model.group.values())
    layers = list(dict.fromkeys(part.layer for part in parts))

    def both(images):
        features, answer = model.features.network.features_and_answer(images, layers)
        return torch.cat([*(part.read(features) for part in parts), answer], dim=1)

    return both


def of_region(evidence, roi):
    """Take the evidence (n, categories) for the categories that a region prefers, (n,); None without any.

    Of several categories the log of the summed odds counts: either is enough.
    """
    if roi not in PREFERRED:
        return None
    places = [CATEGORIES.index(name) for name in PREFERRED[roi]]
    return torch.logsumexp(evidence[:, places], dim=1)


def _category_energies(brain):
    """Average the standardised energies of each category's templates, of all sizes and poses."""

    def energies(images):
        standard = (brain.features(images) - brain.mean) / brain.sd
        categories, place = [], 0
        for i in range(brain.features.n_kernels):
            n = len(getattr(brain.features, f"kernel_{i}"))
            categories.append(standard[:, place : place + n].unflatten(1, (len(CATEGORIES), -1)))
            place += n
        categories = torch.cat(categories, dim=2).mean(dim=2)
        return categories - categories.mean(dim=1, keepdim=True)

    return energies
