"""Transfer: what perturbations made on one model do to the others.

reads   results/attacks/{model}.parquet of every model and of random noise, results/variants/{model}.parquet
makes   results/transfer/{model}.parquet            one row per perturbation made on, or shown to, this model
        results/transfer_variants/{model}.parquet   the same for the variants of the attacks

The job of a model is about its pairs with the models before it in the table, both ways, itself and random noise: so a
network that is added at the end of the table brings one job, and no other runs again.
"""


rule measure_transfer:
    """Response changes of one model under the perturbations of those before it, and the other way round."""
    input:
        unpack(parts_of_pairs),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        noise="results/attacks/random.parquet",
    output:
        transfer="results/transfer/{model}.parquet",
        variants="results/transfer_variants/{model}.parquet",
    log:
        "logs/measure_transfer/{model}.log",
    benchmark:
        "results/benchmarks/measure_transfer/{model}.tsv"
    conda:
        TORCH
    threads: 1
    resources:
        gpu=GPU,
        mem=MODEL_MEMORY,
        runtime="4h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        seed=config["seed"],
        networks=functions_of_pairs,
        code=code_of("measure_transfer.py"),
    script:
        "../workflow/scripts/measure_transfer.py"
