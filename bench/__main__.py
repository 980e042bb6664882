"""`python -m bench NAME [--quick] [--json FILE]`: run one benchmark."""

import argparse
from collections.abc import Callable
from pathlib import Path

from bench import rules
from bench.report import Row, show, write

BENCHMARKS: dict[str, Callable[..., list[Row]]] = {"rules": rules.run}


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer runs: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, with the machine, to a file")
    wanted = parser.parse_args()
    rows = BENCHMARKS[wanted.name](quick=wanted.quick)
    show(rows)
    if wanted.json:
        write(rows, wanted.json)


if __name__ == "__main__":
    main()
