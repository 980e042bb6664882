"""Makes and compares the topics of the catalogue on a Kafka cluster."""

from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared_schemas.topics import CATALOGUE, DEAD_LETTER_RETENTION, milliseconds
from switchboard_cli.connecting import kafka_at

DEFAULT_PARTITIONS = 8
DEAD_LETTER_PARTITIONS = 1


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic as the catalogue wants it."""

    name: str
    partitions: int
    configuration: dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the cluster does not match the catalogue."""

    topic: str
    problem: str


def wanted_topics(partitions: int) -> list[WantedTopic]:
    """Every topic of the catalogue, and the dead-letter topic of each."""
    wanted: list[WantedTopic] = []
    for topic in CATALOGUE:
        dead_letters = {"cleanup.policy": "delete", "retention.ms": milliseconds(DEAD_LETTER_RETENTION)}
        wanted.append(WantedTopic(topic.name, partitions, topic.configuration))
        wanted.append(WantedTopic(topic.dead_letters, DEAD_LETTER_PARTITIONS, dead_letters))
    return wanted


async def apply_topics(bootstrap_servers: str, *, partitions: int, replication: int) -> list[str]:
    """Create the topics that are missing and return their names. Changes nothing that exists; safe to run at once."""
    admin = AIOKafkaAdminClient(**kafka_at(bootstrap_servers).options)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted_topics(partitions) if topic.name not in existing]
        if not missing:
            return []
        answer: Any = await admin.create_topics(
            [
                NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.configuration)
                for topic in missing
            ]
        )
        for name, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                message = f"topic {name} could not be created"
                raise KafkaError(message) from error()
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def check_topics(bootstrap_servers: str, *, partitions: int) -> list[Difference]:
    """Compare the cluster with the catalogue: missing topics, fewer partitions than wanted, other configuration."""
    admin = AIOKafkaAdminClient(**kafka_at(bootstrap_servers).options)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = wanted_topics(partitions)
        differences = [Difference(topic.name, "is missing") for topic in wanted if topic.name not in existing]
        present = [topic for topic in wanted if topic.name in existing]
        described = {
            entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics([t.name for t in present])
        }
        configured = await _configurations(admin, [topic.name for topic in present])
        for topic in present:
            if described[topic.name] < topic.partitions:
                problem = f"has {described[topic.name]} partitions, the catalogue wants {topic.partitions}"
                differences.append(Difference(topic.name, problem))
            differences += [
                Difference(topic.name, f"{key} is {configured[topic.name].get(key)}, the catalogue wants {value}")
                for key, value in topic.configuration.items()
                if configured[topic.name].get(key) != value
            ]
        return differences
    finally:
        await admin.close()


async def _configurations(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    answers: Any = await admin.describe_configs(resources)
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
