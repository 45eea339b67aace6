"""Compare methods of making images at equal norm and at equal effect (rule compare_methods)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import control, measures, methods, undefined
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.scoring import IMAGE_SCORES, METHOD_CURVES, METHODS, SCORED_IMAGES

ALL = "all"  # methods
MEASURES = ("wanted", "size")
NOISES = ("noise_mean", "noise_q95")
SHARES = ("beyond_noise", "super_stimulus")
HALF = 0.5  # of a method's images: with fewer a curve has no value
NO_SIZE = "none of its images has an original and another size than 0"
NO_DIRECTION = "no direction was wanted"
NO_RANGE = "its images have no size in common"
NO_COMMON = "methods have no size in common"
ONE_SIZE = "methods have one size in common: no area"
FEW_HERE = "fewer than half of its images have this size"
NOT_REACHED = "half of its images or more do not reach it"
ALREADY = "half of its images or more are beyond it at their smallest size"


def main(run):
    """Follow each method through the sizes that it made, for every model, family and region."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    images = store.read(run.input["scored_images"], SCORED_IMAGES).set_index("filename")
    scores = store.read(run.input["image_scores"], IMAGE_SCORES)
    curves, rows = [], []
    for roi, part in scores[scores.meant].groupby("roi", sort=False):
        region = Region.of(roi, part, images, networks)
        for measure in MEASURES:
            parts = Comparison(region, measure, run)
            curves += parts.curves()
            rows += parts.methods()
    rows = pd.concat(rows, ignore_index=True)
    curves = (
        on_front(pd.concat(curves, ignore_index=True))
        if curves
        else pd.DataFrame(columns=list(METHOD_CURVES.columns))
    )
    store.write(run.output["method_curves"], METHOD_CURVES, curves[list(METHOD_CURVES.columns)])
    rows = rows[list(METHODS.columns)]
    store.write(run.output["methods"], METHODS, rows)
    writing.write_csv(run.output["csv"], rows, digits=5)
    for row in rows[(rows.seen_as != "network") & (rows.measure == "size")].itertuples():
        value = "unknown" if np.isnan(row.mean_change) else f"{row.mean_change:.3g} SD"
        why = f" ({row.reason})" if row.reason else ""
        job.log.info(f"{row.roi}, {row.seen_by}, {row.method}: mean |change| at equal norm {value}{why}")


@dataclass(frozen=True)
class Region:
    """Hold the scored images of one region, with a column of every value for each model and family."""

    roi: str
    files: pd.DataFrame  # method, original_digest, direction, l2, by filename
    values: dict  # name of a value -> DataFrame, files x (seen_as, seen_by)

    @classmethod
    def of(cls, roi, scores, images, networks):
        """Collect the values of a region: changes both ways of counting, noise, and shares.

        Parameters
        ----------
        roi : str
        scores : DataFrame
            Rows of the table image_scores, of images that were made for the region.
        images : DataFrame
            The table scored_images, by filename.
        networks : DataFrame
            The table networks, by network.
        """
        names = list(dict.fromkeys(scores.filename))
        files = images.loc[names, ["method", "original_digest", "direction", "l2"]]
        direction = scores.filename.map(files.direction)
        scores = scores.assign(
            wanted=measures.attacked_change(scores.change, direction).where(direction != ""),
            size=scores.change.abs(),
            beyond_noise=scores.beyond_noise.astype(float).where(scores.noise_q95.notna()),
            super_stimulus=scores.super_stimulus.astype(float).where(
                scores.level.notna() & (direction != "")
            ),
        )
        models = list(dict.fromkeys(scores.network))
        columns = [("brain" if name == BRAIN else "network", name) for name in models]
        values = {}
        for name in (*MEASURES, *NOISES, *SHARES):
            table = scores.pivot(index="filename", columns="network", values=name)
            table = table.reindex(index=names, columns=models)
            table.columns = pd.MultiIndex.from_tuples(columns, names=["seen_as", "seen_by"])
            values[name] = with_families(table, networks)
        return cls(roi, files, values)


def with_families(table, networks):
    """Add the means over the networks of each family, within each image; families and brain come first."""
    names = [name for kind, name in table.columns if kind == "network"]
    parts = {}
    for family in dict.fromkeys(networks.family[names]):
        members = [("network", name) for name in names if networks.family[name] == family]
        parts["family", family] = table[members].mean(axis=1, skipna=False)
    brain = [column for column in table if column[0] == "brain"]
    ordered = pd.DataFrame(parts, index=table.index)
    single = table[[column for column in table if column[0] == "network"]]
    table = pd.concat([ordered, table[brain], single], axis=1)
    table.columns = pd.MultiIndex.from_tuples(list(table.columns), names=["seen_as", "seen_by"])
    return table


class Comparison:
    """Compare the methods of one region by one measure."""

    def __init__(self, region, measure, run):
        self.region, self.measure, self.run = region, measure, run
        self.names = list(dict.fromkeys(region.files.method))
        self.seen = list(region.values[measure].columns)
        files = region.files
        has_size = files.original_digest.ne("") & files.l2.gt(0)
        has_measure = region.values[measure].notna().all(axis=1)
        self.usable = has_size & has_measure
        self.paths = {name: self.paths_of(self.usable & (files.method == name)) for name in self.names}
        ranges = {name: methods.range_of(paths) for name, paths in self.paths.items()}
        self.common = methods.common_range(list(ranges.values()))
        self.ranges = ranges
        every = [path for paths in self.paths.values() for path in paths]
        self.sizes = methods.sizes_between(every, self.common)
        self.about = {"roi": region.roi, "measure": measure}

    def paths_of(self, chosen):
        """Collect the paths of some files: columns of the measure and of both noises, for each model."""
        files = self.region.files[chosen]
        values = [self.region.values[name].loc[files.index] for name in (self.measure, *NOISES)]
        values = np.concatenate([table.to_numpy(float) for table in values], axis=1)
        groups = files.groupby(["original_digest", "direction"], sort=False).indices
        return [
            methods.make_path(original, files.l2.to_numpy()[places], values[places])
            for (original, _), places in groups.items()
        ]

    def rng(self):
        """Begin the same random numbers for every method, so that those of the same images share samples."""
        return np.random.default_rng(self.run.seed(self.region.roi))

    def means(self, values, images):
        """Average values (paths, cells) over images: rows of `control.mean_over_images`."""
        cells = np.broadcast_to(np.arange(values.shape[1]), values.shape)
        labels = np.repeat(np.asarray(images, object), values.shape[1])
        draws = self.run.params["bootstrap"]
        return control.mean_over_images(values.ravel(), cells.ravel(), labels, self.rng(), draws)

    def frame(self, at, steps=1):
        """Begin rows of all models and families, for each of some steps."""
        kinds, names = zip(*self.seen, strict=True)
        rows = {"step": np.repeat(np.arange(1, steps + 1), len(self.seen))}
        rows |= {"seen_as": kinds * steps, "seen_by": names * steps}
        return pd.DataFrame(rows).assign(**self.about, at=at, **dict.fromkeys(NOISES, np.nan), common=False)

    def curves(self):
        """Give the rows of the table method_curves, but for the front."""
        parts, effects = [self.of_noise()] if self.sizes.size else [], []
        for name, paths in self.paths.items():
            if paths:
                parts += [self.at_norms(paths).assign(method=name), self.of_own(name).assign(method=name)]
                effects.append(self.at_effects(paths).assign(method=name))
        if effects:
            effects = pd.concat(effects, ignore_index=True)
            known = effects.l2.notna().groupby([effects.seen_as, effects.seen_by, effects.step])
            parts.append(effects.assign(common=known.transform("all")))
        return parts

    def at_norms(self, paths):
        """Give the change of a method at each size, beside the noise on its own originals."""
        images = [path.image for path in paths]
        values = np.stack([path.at(self.sizes) for path in paths])
        means = self.means(values.reshape(len(paths), -1), images)
        shape = len(self.sizes), 1 + len(NOISES), len(self.seen)
        mean, low, high, n = (
            means[name].to_numpy().reshape(shape) for name in ("mean", "ci_low", "ci_high", "n_images")
        )
        few = n[:, 0].ravel() < HALF * len(set(images))

        def known(values):
            return np.where(few, np.nan, values.ravel())

        change, begin = known(mean[:, 0]), known(low[:, 0])
        inside = (self.sizes >= self.common[0]) & (self.sizes <= self.common[1])
        rows = self.frame("norm", len(self.sizes)).assign(
            l2=np.repeat(np.exp(self.sizes), len(self.seen)),
            change=change,
            ci_low=begin,
            ci_high=known(high[:, 0]),
            noise_mean=known(mean[:, 1]),
            noise_q95=known(mean[:, 2]),
            common=np.repeat(inside, len(self.seen)),
            n_images=n[:, 0].ravel().astype(np.int32),
            reason=undefined.of_estimate(change, begin, FEW_HERE),
        )
        return rows[rows.n_images > 0]

    def of_noise(self):
        """Give the mean change by white noise at each size, on the originals of all methods."""
        paths = [path for paths in self.paths.values() for path in paths]
        count = len(self.seen)
        values = np.stack([path.at(self.sizes)[:, count:] for path in paths])
        means = self.means(values.reshape(len(paths), -1), [path.image for path in paths])
        shape = len(self.sizes), len(NOISES), count
        columns = {name: means[name].to_numpy().reshape(shape) for name in means}
        change, low = columns["mean"][:, 0].ravel(), columns["ci_low"][:, 0].ravel()
        return self.frame("noise", len(self.sizes)).assign(
            method=ALL,
            l2=np.repeat(np.exp(self.sizes), count),
            change=change,
            ci_low=low,
            ci_high=columns["ci_high"][:, 0].ravel(),
            noise_mean=change,
            noise_q95=columns["mean"][:, 1].ravel(),
            n_images=columns["n_images"][:, 0].ravel().astype(np.int32),
            reason=undefined.of_estimate(change, low),
        )

    def of_own(self, name):
        """Give the mean change of all images of a method, at the geometric mean of their sizes."""
        files = self.region.files[self.usable & (self.region.files.method == name)]
        means = self.means(self.value(self.measure, files.index), files.original_digest)
        noises = {noise: self.value(noise, files.index).mean(axis=0) for noise in NOISES}
        return self.frame("own").assign(
            l2=np.exp(np.log(files.l2).mean()),
            change=means["mean"],
            ci_low=means.ci_low,
            ci_high=means.ci_high,
            **noises,
            n_images=means.n_images.astype(np.int32),
            reason=undefined.of_estimate(means["mean"], means.ci_low),
        )

    def value(self, name, files):
        """Look up one value of some files, for all models and families: array (files, seen)."""
        return self.region.values[name].loc[files].to_numpy(float)

    def at_effects(self, paths):
        """Give the size that a method needs for each wanted change: the median over images."""
        images, count, parts = [path.image for path in paths], len(self.seen), []
        own = [methods.Path(path.image, path.sizes, path.values[:, :count]) for path in paths]
        for effect in self.run.params["effects"]:
            needed = np.stack([methods.size_for(path, effect) for path in own])
            rows = [
                methods.median_size(column, images, self.rng(), self.run.params["bootstrap"])
                for column in needed.T
            ]
            estimate, low, high = np.array(rows).T
            unknown = {NOT_REACHED: estimate == methods.NEVER, ALREADY: estimate == methods.ALREADY}
            size, begin = (np.exp(np.where(np.isfinite(x), x, np.nan)) for x in (estimate, low))
            parts.append(
                self.frame("effect").assign(
                    step=len(parts) + 1,
                    l2=size,
                    change=effect,
                    ci_low=begin,
                    ci_high=np.exp(high),
                    n_images=np.int32(len(set(images))),
                    reason=undefined.join(
                        undefined.say(unknown),
                        undefined.of_estimate(
                            np.where(np.isnan(size), 0, size), np.where(np.isnan(size), 0, begin)
                        ),
                    ),
                )
            )
        return pd.concat(parts, ignore_index=True)

    def methods(self):
        """Give the rows of the table methods."""
        files, low, high = self.region.files, *self.common
        originals = {name: {path.image for path in paths} for name, paths in self.paths.items()}
        same = len({frozenset(images) for images in originals.values() if images}) <= 1
        first = self.front_of_images()
        for name, paths in self.paths.items():
            own = files.index[files.method == name]
            used = own[self.usable[own]]
            count = len(self.seen)
            height = np.full((4, count), np.nan)
            if paths and not np.isnan(low):
                values = np.stack([methods.mean_height(path, low, high)[:count] for path in paths])
                means = self.means(values, [path.image for path in paths])
                height = means[["mean", "ci_low", "ci_high"]].to_numpy().T
            super_rate = self.region.values["super_stimulus"].loc[own].mean()
            yield (
                self.frame("")
                .drop(columns=["at", "step", "common", *NOISES])
                .assign(
                    method=name,
                    n_files=np.int32(len(own)),
                    n_left_out=np.int32(len(own) - len(used)),
                    n_images=np.int32(len(originals[name])),
                    same_images=same,
                    l2_low=np.exp(low),
                    l2_high=np.exp(high),
                    area=height[0] * (high - low if high > low else np.nan),
                    mean_change=height[0],
                    ci_low=height[1],
                    ci_high=height[2],
                    beyond_noise=self.region.values["beyond_noise"].loc[used].mean().to_numpy(),
                    super_rate=super_rate.to_numpy(),
                    front_images=first.loc[own].sum().to_numpy(np.int32),
                    reason=self.reasons(name, height),
                )
            )

    def reasons(self, name, height):
        """Say why the mean height of a method, its interval or its area is missing, for each model."""
        files = self.region.files[self.region.files.method == name]
        paths, (low, high) = self.paths[name], self.common
        why = NO_DIRECTION if self.measure == "wanted" and (files.direction == "").all() else NO_SIZE
        if paths:
            why = NO_RANGE if np.isnan(self.ranges[name][0]) else NO_COMMON
        said = undefined.of_estimate(height[0], height[1], why)
        return undefined.join(said, undefined.say({ONE_SIZE: (low == high) & ~np.isnan(height[0])}))

    def front_of_images(self):
        """Tell of every image whether no other has a smaller size and a larger change: files x seen."""
        table = self.region.values[self.measure]
        size = self.region.files.l2.where(self.usable)
        return pd.DataFrame({column: methods.front(size, table[column]) for column in table}, table.index)


def on_front(curves):
    """Mark the points of curves that no other method beats; a method without a curve has one point."""
    drawn = (curves["at"] == "norm") & curves.change.notna()
    key = ["seen_as", "seen_by", "roi", "measure"]
    with_curve = drawn.groupby([curves[name] for name in ("method", *key)]).transform("any")
    points = curves[drawn | ((curves["at"] == "own") & ~with_curve)]
    front = pd.Series(False, curves.index)
    for _, rows in points.groupby(key):
        front[rows.index] = methods.front(rows.l2, rows.change)
    return curves.assign(front=front)


if __name__ == "__main__":
    job.start(main, globals())
