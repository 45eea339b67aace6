# The software of codingaxes, at the versions of requirements.lock: what `make` installs. The image holds no workflow
# and no data. It runs the checkout that it is given as /study; docs/environments.md shows how.
FROM python:3.11-slim-bookworm

# Debian removes a version when it mends a fault, so these two have none here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 codingaxes \
    && install --directory --owner=1000 /opt/codingaxes

USER 1000
WORKDIR /opt/codingaxes
COPY Makefile requirements.lock ./
RUN PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 make .venv/.installed

# Whoever runs the image may have no home in it, and Snakemake and matplotlib want a place for caches.
ENV PATH=/opt/codingaxes/.venv/bin:$PATH \
    HOME=/tmp
WORKDIR /study
ENTRYPOINT ["snakemake"]
CMD ["--cores", "all"]
