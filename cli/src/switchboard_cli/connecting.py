"""How the command line reaches Kafka: as the services do, with a user of its own."""

from pydantic import ValidationError

from shared_messaging import KafkaConnection
from shared_web.settings import KafkaLogin
from switchboard_cli.failures import Failed


def kafka_at(bootstrap_servers: str) -> KafkaConnection:
    """These servers, with the login and the encryption that the environment names.

    Raises `Failed` when the environment is not complete.
    """
    try:
        security = KafkaLogin().kafka_security
    except (ValidationError, OSError) as error:
        message = "missing or bad settings: SWITCHBOARD_KAFKA_USER, _PASSWORD, _MECHANISM, _TLS or _CA"
        raise Failed(message) from error
    return KafkaConnection(bootstrap_servers, "switchboard-cli", security)
