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
    lint-imports --no-cache
    python -m tools.dependencies
    typos
    python -m tools.contracts --check

# Mend what can be mended by machine.
format:
    ruff check --fix .
    ruff format .

# Write the generated contracts: JSON Schemas, OpenAPI, AsyncAPI.
contracts:
    python -m tools.contracts

# A benchmark, e.g. just bench rules --quick --json figures.json
bench *arguments:
    python -m bench {{ arguments }}

# Break the rules in a thousand small ways and count which the tests notice; about half an hour.
mutants *arguments:
    uv sync --quiet --frozen --inexact --group mutation
    python -m tools.mutants {{ arguments }}
