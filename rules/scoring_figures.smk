"""Figure of images made elsewhere, if scoring.folder names a folder.

reads   results/summaries/method_curves.parquet, results/networks/networks.parquet (names, order, colours)
makes   results/figures/method_scores.pdf, .png and .csv
"""

if config["scoring"]["folder"]:
    FIGURES.append("method_scores")
    SUMMARIES.append("results/summaries/methods.csv")

    # Change of the response against size, one curve for each method, beside white noise of the same size.
    use rule plot_predicted_vs_measured as plot_method_scores with:
        input:
            networks="results/networks/networks.parquet",
            method_curves="results/summaries/method_curves.parquet",
        output:
            **figure_files("method_scores"),
        log:
            "logs/plot_method_scores.log",
        benchmark:
            "results/benchmarks/plot_method_scores.tsv"
        params:
            regions=REGION_ORDER,
            script="plot_method_scores.py",
            code=code_of("plot_method_scores.py"),
