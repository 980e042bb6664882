"""The engine's metrics. Labels are names of topics, partitions and error classes: never a practice, never a person."""

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

RECORDS_HANDLED = Counter("switchboard_records_handled", "Records whose batch is written.", ["topic"])
BATCHES = Counter("switchboard_batches", "Batches written.", ["consumer"])
BATCH_SECONDS = Histogram(
    "switchboard_batch_seconds",
    "From taking a batch's records to Kafka's acknowledgement of its events.",
    ["consumer"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
STAGE_SECONDS = Histogram(
    "switchboard_stage_seconds",
    "From a record's being in Kafka to its results' being there; of each batch and partition the oldest record.",
    ["topic"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
BATCH_RETRIES = Counter(
    "switchboard_batch_retries", "Batches to be handled again, by what went wrong.", ["consumer", "error"]
)
DEAD_LETTERS = Counter("switchboard_dead_letters", "Records sent to the dead letters.", ["topic", "error"])
FENCED = Counter("switchboard_fenced_partitions", "Partitions found to be somebody else's at a write.", ["topic"])
RESENT = Counter("switchboard_outputs_resent", "Batches of events sent again on taking over a partition.", ["consumer"])
OLDEST_WAITING = Gauge(
    "switchboard_oldest_waiting_record_seconds",
    "Age of the oldest record that was read and not handled; 0 when none waits.",
    ["topic", "partition"],
)
UNHANDLED = Gauge(
    "switchboard_unhandled_records",
    "Records of the log that are not handled yet, as far as we know its end.",
    ["topic", "partition"],
)
TIME_TO_RETENTION = Gauge(
    "switchboard_time_to_retention_seconds",
    "Until Kafka removes the oldest record that is not handled; of compacted topics until it may be compacted.",
    ["topic", "partition"],
)
PARTITION_TROUBLED = Gauge(
    "switchboard_partition_troubled",
    "1 while the partition's batches fail and are tried again.",
    ["topic", "partition"],
)
RECORDS_SENT = Counter("switchboard_records_sent", "Records that Kafka acknowledged.", ["topic"])
SEND_FAILURES = Counter("switchboard_send_failures", "Rounds of sending in which Kafka did not acknowledge everything.")


def forget_partition(topic: str, number: int) -> None:
    """Drop the gauges of a partition that is somebody else's now: a last value that stays would raise alarms."""
    for gauge in (OLDEST_WAITING, UNHANDLED, TIME_TO_RETENTION, PARTITION_TROUBLED):
        with suppress(KeyError):
            gauge.remove(topic, str(number))
