# What a person does here. `just` comes with the check group: uv sync --all-groups, then .venv/bin/just.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

# List the recipes.
default:
    @just --list

# The whole system on this machine, with made-up messages.
demo *arguments:
    ./switchboard demo {{ arguments }}

# The tests; arguments go to pytest.
test *arguments:
    ./switchboard test {{ arguments }}

# Everything that is checked without running the system: the same in CI.
check:
    ruff check .
    ruff format --check .
    mypy
    basedpyright --project pyproject.toml
    bandit --quiet --recursive --configfile pyproject.toml services shared cli clients/python tools
    lint-imports --no-cache
    python -m tools.dependencies
    typos
    python -m tools.secrets
    hadolint deploy/service.Dockerfile
    python -m tools.contracts --check

# Every dependency of the services with its version and digests (CycloneDX), into .sbom.json.
sbom:
    uv export --quiet --frozen --no-dev --format cyclonedx1.5 --output-file .sbom.json

# What is known to be wrong with a dependency. Asks a database on the network, so it is no part of `check`.
audit:
    uv audit --frozen

# Mend what can be mended by machine.
format:
    ruff check --fix .
    ruff format .

# Write the generated contracts: JSON Schemas, OpenAPI, AsyncAPI.
contracts:
    python -m tools.contracts

# The documentation site, into .site; a link that leads nowhere is an error.
docs:
    NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict

# What Kubernetes would say to each overlay. Needs kustomize.
manifests:
    #!/bin/sh
    set -eu
    mkdir -p .manifests
    # The components that no overlay of ours has.
    printf '%s\n' 'resources: [../deploy/kubernetes/overlays/small]' \
        'components: [../deploy/kubernetes/components/mllp, ../deploy/kubernetes/components/drop-folder, ../deploy/kubernetes/components/backup]' \
        >.manifests/kustomization.yaml
    for overlay in deploy/kubernetes/overlays/small deploy/kubernetes/overlays/production deploy/kubernetes/overlays/test .manifests; do
        kustomize build "$overlay" >.manifests/built
        kubernetes-validate --strict --quiet --no-warn .manifests/built
    done
    kustomize build deploy/kubernetes/strimzi >.manifests/built
    rm -r .manifests

# A benchmark, e.g. just bench router --quick --json figures.json; --keep writes to bench/results.
bench *arguments:
    uv sync --quiet --frozen --inexact --group bench
    python -m bench {{ arguments }}

# The promises under faults: the whole system under load while its parts fail, e.g. just faults --minutes 8 --seed 1
faults *arguments:
    pytest -m faults -s tests/faults {{ arguments }}

# Break the rules in a thousand small ways and count which the tests notice; about half an hour.
mutants *arguments:
    uv sync --quiet --frozen --inexact --group mutation
    python -m tools.mutants {{ arguments }}

# Every endpoint and door with made-up input: the same each time, in about four minutes; or at random, e.g. just fuzz --minutes 20
fuzz *arguments:
    uv sync --quiet --frozen --inexact --group test --group fuzz
    pytest -m fuzz tests/fuzz {{ arguments }}
