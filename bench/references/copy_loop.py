"""Bare aiokafka: every record is written to the other topic as it is. No state, no decision, at least once."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.references.errand import Errand


async def main(errand: Errand) -> None:
    """Poll, send what was polled in one batch for each partition, commit."""
    producer = AIOKafkaProducer(
        bootstrap_servers=errand.servers, enable_idempotence=True, max_batch_size=512 * 1024, linger_ms=0
    )
    consumer = AIOKafkaConsumer(
        errand.source,
        bootstrap_servers=errand.servers,
        group_id=f"bench-copy-{errand.directory}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    async with producer, consumer:
        while True:
            polled = await consumer.getmany(timeout_ms=200)
            sent = []
            for partition, records in polled.items():
                batch = producer.create_batch()
                for record in records:
                    values = {
                        "key": record.key,
                        "value": record.value,
                        "timestamp": None,
                        "headers": list(record.headers),
                    }
                    if batch.append(**values) is None:
                        sent.append(await producer.send_batch(batch, errand.target, partition=partition.partition))
                        batch = producer.create_batch()
                        batch.append(**values)
                sent.append(await producer.send_batch(batch, errand.target, partition=partition.partition))
            await asyncio.gather(*sent)
            if polled:
                await consumer.commit()
                if errand.did(sum(map(len, polled.values()))):
                    return


asyncio.run(main(Errand.of_arguments()))
