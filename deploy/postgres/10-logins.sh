#!/bin/sh
# Runs once, on an empty volume: a login for each service, so that none of them holds the owner's password.
# Each is the role of its own schema (docs/decisions/0005): no superuser, no DDL, nobody else's tables.
set -eu

for service in ingest router notifier pm_sync; do
    password=$(sed -n 's|^postgresql://[^:]*:\([^@]*\)@.*|\1|p' "/run/secrets/${service}_dsn")
    [ -n "$password" ] || { echo "secrets/${service}_dsn is no postgresql://user:password@host/database" >&2; exit 1; }
    # A password travels on standard input: arguments can be read in the process list.
    printf "CREATE ROLE switchboard_%s LOGIN PASSWORD '%s';\n" "$service" "$password" |
        psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"
done
