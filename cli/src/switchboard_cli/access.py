"""Who may do what in Kafka: each service reads and writes what the catalogue of topics says, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, get_args

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from shared_schemas.topics import CATALOGUE, ServiceName
from switchboard_cli.connecting import kafka_at

SERVICES: tuple[ServiceName, ...] = tuple(name for name in get_args(ServiceName) if name != "adapters")
"""An adapter of somebody else's comes in by HTTP; one that writes to Kafka itself is given its access by hand."""


OVERSEER: ServiceName = "notifier"
"""Shows how far everybody is, and the dead letters (`/operations`): it sees all topics and groups, and writes no more of
them than others of its kind."""


class Kind(IntEnum):
    """Kafka's numbers: `org.apache.kafka.common.resource.ResourceType`."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Kafka's numbers: `org.apache.kafka.common.acl.AclOperation`. The first two bring the right to describe."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """One thing that a user may do, from anywhere. A group's name is a prefix."""

    user: str
    kind: Kind
    name: str
    operation: Operation


def user_of(service: ServiceName) -> str:
    """A service's user in Kafka."""
    return f"switchboard-{service}"


def wanted_access() -> list[Access]:
    """All of it, sorted."""
    return sorted(set(_wanted()))


def _wanted() -> Iterator[Access]:
    for service in SERVICES:
        user = user_of(service)
        for topic in CATALOGUE:
            if service in topic.producers:
                yield Access(user, Kind.TOPIC, topic.name, Operation.WRITE)
            if service in topic.consumers:
                yield Access(user, Kind.TOPIC, topic.name, Operation.READ)
                yield Access(user, Kind.TOPIC, topic.dead_letters, Operation.WRITE)
                yield Access(user, Kind.GROUP, f"{user}-", Operation.READ)
    overseer = user_of(OVERSEER)
    yield Access(overseer, Kind.GROUP, "switchboard-", Operation.DESCRIBE)
    for topic in CATALOGUE:
        yield Access(overseer, Kind.TOPIC, topic.name, Operation.DESCRIBE)
        yield Access(overseer, Kind.TOPIC, topic.dead_letters, Operation.READ)


async def apply_access(bootstrap_servers: str) -> int:
    """Give the users of the services what they may do, and return how many rules that are. Takes nothing away.

    Safe to repeat. The users themselves are made where their passwords are: docs/guides/deploy.md.
    """
    admin = AIOKafkaAdminClient(**kafka_at(bootstrap_servers).options)
    await admin.start()
    try:
        rules = wanted_access()
        for rule in rules:
            # aiokafka speaks the request and has no public method for it yet.
            answer: Any = await admin._send_to_controller(_request(rule))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for code, *_ in answer.creation_responses:
                if code:
                    raise for_code(code)
        return len(rules)
    finally:
        await admin.close()


def _request(rule: Access) -> CreateAclsRequest:
    pattern = _PREFIXED if rule.kind is Kind.GROUP else _LITERAL
    return CreateAclsRequest(
        rule.kind.value, rule.name, pattern, f"User:{rule.user}", "*", rule.operation.value, _ALLOW
    )
