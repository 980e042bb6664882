"""The wire contract of Switchboard: events, topics and ids. Depends on pydantic alone.

One module per topic or source of topics; `topics.CATALOGUE` is the list of them all; `cloudevents` turns events into
Kafka records and back; `ids` makes the deterministic ids.
"""
