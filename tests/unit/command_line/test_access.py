"""What each service's user may do in Kafka, against what the services say they do."""

from datetime import UTC, datetime

import ingest.app
import notifier.app
import router.app
from notifier.handlers import Handlers as NotifierHandlers
from router.handlers import Handlers as RouterHandlers
from shared_messaging import Subscription
from switchboard_cli.access import Access, Kind, Operation, wanted_access


def consumed() -> dict[str, list[Subscription]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    return {
        "ingest": ingest.app.subscriptions(),
        "router": router.app.subscriptions(RouterHandlers(clock)),
        "notifier": notifier.app.subscriptions(NotifierHandlers(clock)),
    }


def test_a_service_may_read_what_it_consumes_and_write_its_dead_letters() -> None:
    allowed = set(wanted_access())

    for service, subscriptions in consumed().items():
        user = f"switchboard-{service}"
        for topic in (topic for subscription in subscriptions for topic in subscription.topics):
            assert Access(user, Kind.TOPIC, topic.name, Operation.READ) in allowed
            assert Access(user, Kind.TOPIC, topic.dead_letters, Operation.WRITE) in allowed


def test_nobody_but_router_writes_the_history() -> None:
    writers = {
        rule.user for rule in wanted_access() if rule.name == "routed-messages" and rule.operation is Operation.WRITE
    }

    assert writers == {"switchboard-router"}


def test_a_service_joins_its_own_groups_only() -> None:
    joined = {
        (rule.user, rule.name)
        for rule in wanted_access()
        if rule.kind is Kind.GROUP and rule.operation is Operation.READ
    }

    assert joined == {(f"switchboard-{service}", f"switchboard-{service}-") for service in consumed()}


def test_nobody_but_the_overseer_reads_dead_letters() -> None:
    readers = {rule.user for rule in wanted_access() if rule.name.endswith("-dlq") and rule.operation is Operation.READ}

    assert readers == {"switchboard-notifier"}
