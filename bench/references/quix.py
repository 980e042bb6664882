"""Quix Streams with exactly-once: the conversation in its state store with a changelog, committed with the output."""

from typing import Any

from quixstreams import Application, State

from bench.references.deciding import decide
from bench.references.errand import Errand

errand = Errand.of_arguments()
app = Application(
    broker_address=errand.servers,
    consumer_group=f"bench-quix-{errand.directory.replace('/', '-')}",
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once",
    commit_interval=0.5,
    state_dir=errand.directory,
    loglevel="ERROR",
)
source = app.topic(errand.source, value_deserializer="json")
target = app.topic(errand.target, value_serializer="json")


def on_message(message: dict[str, Any], state: State) -> dict[str, Any]:
    """Decide one message with the state of its key."""
    routed, carried = decide(message, state.get("carried", {}))
    state.set("carried", carried)
    if errand.seen < errand.warm_up + errand.messages - 1:
        errand.did(1)
    return routed


routed = app.dataframe(source).apply(on_message, stateful=True)
routed.to_topic(target, key=lambda one: one["practice_id"])
app.run(count=errand.warm_up + errand.messages)  # returns once all of it is committed
errand.did(1)
