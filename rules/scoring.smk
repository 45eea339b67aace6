"""Scoring: images made elsewhere, shown to every model, and methods compared at equal norm and at equal effect.

reads   the folder scoring.folder, results/nsd/stimuli.parquet and images, every model, its natural responses
makes   results/scoring/scored_images.parquet           one row per image: method, original, sizes, flags
        results/scoring/image_scores.parquet            one row per image, model and region
        results/summaries/method_curves.parquet         change against size, and size against change, of each method
        results/summaries/methods.parquet, .csv         one row per method, model or family, and region

Only if scoring.folder names a folder.
"""

from codingaxes.stimulus_sets import outside

if config["scoring"]["folder"]:

    rule score_stimuli:
        """The responses of every model to images made elsewhere, and to white noise of the same size."""
        input:
            unpack(files_of_models),
            # its time does not count, what is in it does: see stamp
            images=ancient(config["scoring"]["folder"]),
            stimuli="results/nsd/stimuli.parquet",
            stimulus_images="results/nsd/images",
            natural=expand("results/attacks/natural/{model}.parquet", model=MODELS),
        output:
            scored_images="results/scoring/scored_images.parquet",
            image_scores="results/scoring/image_scores.parquet",
        log:
            "logs/score_stimuli.log",
        benchmark:
            "results/benchmarks/score_stimuli.tsv"
        conda:
            TORCH
        threads: 1
        resources:
            gpu=GPU,
            mem=mem(memory.score, len(SCORED)),
            runtime="4h",
        params:
            device=config["device"],
            image_size=config["image_size"],
            seed=config["seed"],
            regions=REGION_ORDER,
            noise_draws=config["scoring"]["noise_draws"],
            models=functions_of_models,
            stamp=outside.stamp(config["scoring"]["folder"]),
            code=code_of("score_stimuli.py"),
        script:
            "../workflow/scripts/score_stimuli.py"

    rule compare_methods:
        """Methods of making images at equal norm and at equal effect, with intervals over images."""
        input:
            networks="results/networks/networks.parquet",
            scored_images="results/scoring/scored_images.parquet",
            image_scores="results/scoring/image_scores.parquet",
        output:
            method_curves="results/summaries/method_curves.parquet",
            methods="results/summaries/methods.parquet",
            csv=report(
                "results/summaries/methods.csv",
                caption="../docs/captions/methods_table.rst",
                category="Numbers",
            ),
        log:
            "logs/compare_methods.log",
        benchmark:
            "results/benchmarks/compare_methods.tsv"
        conda:
            "../envs/statistics.yaml"
        threads: 1
        resources:
            mem=mem(memory.compare_methods, len(SCORED)),
            runtime="1h",
        params:
            effects=config["scoring"]["effects"],
            bootstrap=config["estimates"]["bootstrap"],
            seed=config["seed"],
            code=code_of("compare_methods.py"),
        script:
            "../workflow/scripts/compare_methods.py"
