"""The gateway's configuration against what the services say they answer."""

import re
from pathlib import Path

import ingest.app
import notifier.app
import pm_sync.app
import router.app

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "gateway" / "nginx.conf"


def test_the_gateway_passes_on_exactly_the_paths_that_the_services_answer() -> None:
    (lines,) = re.findall(r"map \$uri \$service \{(.*?)\n    \}", CONFIGURATION.read_text("utf-8"), re.DOTALL)
    passed_on = {(pattern, service) for pattern, service in re.findall(r"~\^(\S+) (\S+);", lines)}

    assert passed_on == {
        (path, service)
        for service, module in (("ingest", ingest), ("notifier", notifier), ("pm-sync", pm_sync), ("router", router))
        for path in module.app.PATHS
    }
