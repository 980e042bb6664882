"""`python -m bench NAME [--quick] [--keep] [--json FILE]`: run one benchmark, or `all` of them into `bench/results`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from bench import audit, channels, growth, kept, pages, pipeline, pm_sync, router, rules, scaling, streams, webhooks
from bench.report import Row, show, write

BENCHMARKS: dict[str, Callable[..., list[Row]]] = {
    "audit": audit.run,
    "rules": rules.run,
    "channels": channels.run,
    "router": router.run,
    "pipeline": pipeline.run,
    "streams": streams.run,
    "pages": pages.run,
    "webhooks": webhooks.run,
    "growth": growth.run,
    "scaling": scaling.run,
    "pm-sync": pm_sync.run,
}
ALL = "all"


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("name", choices=[*sorted(BENCHMARKS), ALL])
    parser.add_argument("--quick", action="store_true", help="fewer runs: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, with the machine, to a file")
    parser.add_argument("--keep", action="store_true", help="also keep the figures in bench/results, as `all` does")
    wanted = parser.parse_args()
    if wanted.name == ALL:
        for name, benchmark in BENCHMARKS.items():
            kept.keep(name, benchmark(quick=wanted.quick))
        return
    rows = BENCHMARKS[wanted.name](quick=wanted.quick)
    if wanted.keep:
        kept.keep(wanted.name, rows)
    else:
        show(rows)
    if wanted.json:
        write(rows, wanted.json)


if __name__ == "__main__":
    main()
