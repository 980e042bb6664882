"""A real Kafka and a real PostgreSQL on this machine, from package registries alone: no Docker, no Java to install."""
