"""Claims: what the study claims, whether it holds, and the numbers that texts quote.

reads   config/claims.yaml, tables of readouts, attacks, transfer, axes, similarity, synthesis and summaries
makes   results/claims/held_out_predictions.parquet, held_out_gradients.parquet   of readouts without a category
        results/claims/units.parquet                 one row per measure, model or pair, region and image
        results/claims/claims.parquet, .csv, .md     one row per claim: estimate, interval, test and verdict
        results/claims/numbers.parquet, .json, .tex  one row per number that texts quote, and where it stands
        results/claims/results.md                    the results section, docs/paper/results.md, with these numbers
"""

from codingaxes.claims import definitions

try:
    CLAIMS = definitions.read(CODE / "config" / "claims.yaml", SCHEMAS)
    QUOTED = definitions.read_numbers(CODE / "config" / "numbers.yaml", SCHEMAS, CLAIMS)
    RESULTS = (CODE / "docs" / "paper" / "results.md").read_text(encoding="utf-8")
    definitions.check(RESULTS, QUOTED, "docs/paper/results.md")
except configuration.ConfigurationError as error:
    raise WorkflowError(str(error)) from None


# Which images show a category is known of the miniature's scenes, or a table says it.
HELD_OUT = (
    ["results/claims/held_out_predictions.parquet", "results/claims/held_out_gradients.parquet"]
    if config["held_out"]["category"] and (SOURCE == "miniature" or config["held_out"]["table"])
    else []
)


rule hold_out_category:
    """Readouts fitted again without a category: what they predict of it, and their gradients on it."""
    input:
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        measurements="results/readouts/measurements.parquet",
        categories=config["held_out"]["table"] or [],
        weights=[model_files(name)["weights"] for name in NETWORKS],
        readouts=[model_files(name)["readouts"] for name in NETWORKS],
        bases=[model_files(name)["bases"] for name in NETWORKS],
        features=expand("results/features/{network}.parquet", network=NETWORKS),
    output:
        predictions="results/claims/held_out_predictions.parquet",
        gradients="results/claims/held_out_gradients.parquet",
    log:
        "logs/hold_out_category.log",
    benchmark:
        "results/benchmarks/hold_out_category.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem(memory.hold_out),
        runtime="4h",
    params:
        category=config["held_out"]["category"],
        readouts=FITTING,
        probes=config["nsd"]["probes"],
        batch_size=config["eigenvectors"]["batch_size"],
        networks={name: function_of(name) for name in NETWORKS},
        scenes=config["seed"] + 1 if SOURCE == "miniature" else None,
        seed=config["seed"],
        device=config["device"],
        image_size=config["image_size"],
        code=code_of("hold_out_category.py"),
    script:
        "../workflow/scripts/hold_out_category.py"


rule collect_units:
    """What claims average: values of every model or pair of models, region and image."""
    input:
        networks="results/networks/networks.parquet",
        sensitivity=expand("results/attacks/sensitivity/{model}.parquet", model=MODELS),
        perturbations=expand("results/transfer/perturbations/{model}.parquet", model=MODELS),
        variants=expand("results/transfer/variants/{model}.parquet", model=MODELS),
        similarity="results/similarity/similarity.parquet",
        similarity_means="results/similarity/similarity_means.parquet",
        predictions=expand("results/readouts/predictions/{network}.parquet", network=NETWORKS),
        targets="results/readouts/targets.parquet",
        peer_review="results/synthesis/peer_review.parquet",
        held_out=HELD_OUT,
    output:
        units="results/claims/units.parquet",
    log:
        "logs/collect_units.log",
    benchmark:
        "results/benchmarks/collect_units.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.collect),
        runtime="30m",
    params:
        code=code_of("collect_units.py"),
    script:
        "../workflow/scripts/collect_units.py"


rule evaluate_claims:
    """Every claim of config/claims.yaml, with estimate, interval, test and verdict."""
    input:
        networks="results/networks/networks.parquet",
        units="results/claims/units.parquet",
        network_measures="results/summaries/network_measures.parquet",
        race_values="results/summaries/race_values.parquet" if HAS_BRAIN else [],
    output:
        claims="results/claims/claims.parquet",
        csv=report("results/claims/claims.csv", caption="../docs/captions/claims.rst", category="Claims"),
        text="results/claims/claims.md",
    log:
        "logs/evaluate_claims.log",
    benchmark:
        "results/benchmarks/evaluate_claims.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem=mem(memory.evaluate),
        runtime="30m",
    params:
        claims=CLAIMS,
        permutations=config["estimates"]["permutations"],
        n_subjects=len(SUBJECTS),
        seed=config["seed"],
        code=code_of("evaluate_claims.py"),
    script:
        "../workflow/scripts/evaluate_claims.py"


def template_of_results(wildcards):
    """Give the template of the results section; as a function, since its braces are no wildcards."""
    return RESULTS


rule quote_numbers:
    """The numbers that texts quote, each with the cell that it stands in, and the results section with them."""
    input:
        tables=sorted({number["table"] for number in QUOTED.values()}),
    output:
        numbers="results/claims/numbers.parquet",
        json="results/claims/numbers.json",
        tex="results/claims/numbers.tex",
        text=report("results/claims/results.md", caption="../docs/captions/results.rst", category="Claims"),
    log:
        "logs/quote_numbers.log",
    benchmark:
        "results/benchmarks/quote_numbers.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: 1
    resources:
        mem="1GB",
        runtime="10m",
    params:
        numbers=QUOTED,
        template=template_of_results,
        code=code_of("quote_numbers.py"),
    script:
        "../workflow/scripts/quote_numbers.py"
