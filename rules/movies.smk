"""Movies: an image as its perturbation grows, and the responses of all models.

reads   results/synthesis, results/networks/networks.parquet (names, order, colours)
makes   results/movies/{region}_{direction}.webp   the movie
        results/movies/{region}_{direction}.png    its pictures at all radii, for print and for the report
        results/movies/{region}_{direction}.mp4    the movie again, only where the package av is installed
"""

MOVIES = expand("{roi}_{direction}", roi=REGION_ORDER, direction=["increase", "decrease"])


rule render_movies:
    """Render one movie for each region and direction: standard and robust maker, and the simulated brain."""
    input:
        networks="results/networks/networks.parquet",
        stimuli="results/nsd/stimuli.parquet",
        images="results/nsd/images",
        chosen_images="results/synthesis/chosen_images.parquet",
        synthesis=expand("results/synthesis/perturbations/{model}.parquet", model=MODELS),
        pictures=expand("results/synthesis/pictures/perturbations/{model}", model=MODELS),
        peer_review="results/synthesis/peer_review.parquet",
    output:
        movies=expand("results/movies/{movie}.webp", movie=MOVIES),
        strips=report(
            expand("results/movies/{movie}.png", movie=MOVIES),
            caption="../docs/captions/movies.rst",
            category="Movies",
        ),
    log:
        "logs/render_movies.log",
    benchmark:
        "results/benchmarks/render_movies.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem=mem(memory.judge),
        runtime="30m",
    params:
        image_size=config["image_size"],
        regions=REGION_ORDER,
        code=code_of("render_movies.py"),
    script:
        "../workflow/scripts/render_movies.py"
