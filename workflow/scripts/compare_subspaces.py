"""How similar the leading axes of every two models are, image by image (rule compare_subspaces)."""

import itertools

import numpy as np
import pandas as pd

from codingaxes import job, subspaces, tables


def main(run):
    """A pair of models is left missing for an image where an axis has not converged."""
    vectors = tables.read(run.input["eigenvectors"], "eigenvectors")
    gradients = tables.read(run.input["gradients"], "gradients")
    names = list(dict.fromkeys(vectors.network))
    rows, dropped = [], 0
    groups = list(vectors.groupby(["roi", "image_id"], sort=False))
    slopes = dict(list(gradients.groupby(["roi", "image_id"], sort=False)))
    for (roi, image_id), found in run.track(groups, unit="image"):
        slope = {row.network: row.gradient.astype(float) for row in slopes[roi, image_id].itertuples()}
        axes = {name: part.sort_values("rank") for name, part in found.groupby("network", sort=False)}
        bases = {name: tables.matrix(part.vector).astype(float) for name, part in axes.items()}
        for k in run.params["k"]:
            usable = {name: axes[name].converged[:k].all() for name in names}
            dropped += sum(not good for good in usable.values())
            spans = {name: subspaces.orthonormal(bases[name][:k]) for name in names if usable[name]}
            for one, other in itertools.combinations(names, 2):
                both = usable[one] and usable[other]
                rows.append(
                    {
                        "network_i": one,
                        "network_j": other,
                        "roi": roi,
                        "image_id": image_id,
                        "k": k,
                        "similarity": subspaces.similarity(spans[one], spans[other]) if both else np.nan,
                        "chance": subspaces.chance(k, bases[one].shape[1]),
                        "gradient_cosine": cosine(slope[one], slope[other]),
                    }
                )
    job.log.info(f"{dropped} subspaces were left out because an axis had not converged")
    tables.write(run.output["similarity"], "similarity", pd.DataFrame(rows))


def cosine(one, other):
    """Cosine of two vectors; NaN where one of them is zero, as the gradient of a dead response is."""
    norm = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / norm) if norm > 0 else np.nan


if __name__ == "__main__":
    job.start(main, globals())
