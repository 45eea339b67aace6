"""Transfer: what perturbations made on one model do to the others.

reads   results/attacks/{model}.parquet of every model and of random noise
makes   results/transfer/{model}.parquet   one row per perturbation shown to this model
"""


rule measure_transfer:
    """The response change of one model, or of the simulated brain, under every perturbation."""
    input:
        unpack(parts_of_model),
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        perturbations=expand("results/attacks/{source}.parquet", source=[*MODELS, "random"]),
    output:
        transfer="results/transfer/{model}.parquet",
    log:
        "logs/measure_transfer/{model}.log",
    benchmark:
        "results/benchmarks/measure_transfer/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem="4GB",
        runtime="4h",
    params:
        device=config["device"],
        image_size=config["image_size"],
        network=row_of,
        code=code_of("measure_transfer.py"),
    script:
        "../workflow/scripts/measure_transfer.py"
