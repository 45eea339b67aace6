"""Transfer: what perturbations made on one model do to the others.

reads   results/attacks/perturbations/{model}.parquet and variants of every model, results/attacks/noise.parquet
makes   results/transfer/perturbations/{model}.parquet   one row per perturbation made on, or shown to, this model
        results/transfer/variants/{model}.parquet        the same for the variants of the attacks
        results/transfer/controls/{model}.parquet        the same for controls of the main attacks of the largest size

The job of a model is about its pairs with the models before it in the table, both ways, itself and random noise: so a
network that is added at the end of the table brings one job, and no other runs again.
"""


def pairs_of(wildcards):
    """List the models that a model is paired with: those before it and itself, in order."""
    return PAIR_ORDER[: PAIR_ORDER.index(wildcards.model) + 1]


def files_of_pairs(wildcards):
    """Name the files of each of these models, and the perturbations made on it, as the inputs {name}.{part}."""
    return {
        f"{name}.{part}": file
        for name in pairs_of(wildcards)
        for part, file in [
            *model_files(name).items(),
            ("perturbations", f"results/attacks/perturbations/{name}.parquet"),
            ("variants", f"results/attacks/variants/{name}.parquet"),
        ]
    }


def functions_of_pairs(wildcards):
    """Keep what makes the function of each of these models, by name; None for the simulated brain."""
    return {
        name: None if name == BRAIN else configuration.function_of(ROWS[name]) for name in pairs_of(wildcards)
    }


def mem_of_pairs(wildcards, attempt):
    """Ask for the memory of a job by the models that it is about."""
    *others, own = [ROWS.get(name) for name in pairs_of(wildcards)]
    return mem(memory.show, own, others)(wildcards, attempt)


rule measure_transfer:
    """Response changes of one model under the perturbations of those before it, and the other way round."""
    input:
        unpack(files_of_pairs),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        noise="results/attacks/noise.parquet",
    output:
        perturbations="results/transfer/perturbations/{model}.parquet",
        variants="results/transfer/variants/{model}.parquet",
        controls="results/transfer/controls/{model}.parquet",
    log:
        "logs/measure_transfer/{model}.log",
    benchmark:
        "results/benchmarks/measure_transfer/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=mem_of_pairs,
        runtime="4h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        seed=config["seed"],
        models=functions_of_pairs,
        draws=config["controls"]["transfer_draws"],
        code=code_of("measure_transfer.py"),
    script:
        "../workflow/scripts/measure_transfer.py"
