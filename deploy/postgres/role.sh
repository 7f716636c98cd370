#!/bin/bash
# Runs once, when the volume is empty: `samfleet` owns its database and is not a superuser. The superuser `postgres` has no
# password afterwards, so it can log in only inside the container: docker compose exec --user postgres postgres psql samfleet
set -euo pipefail
psql --username postgres --dbname postgres --set ON_ERROR_STOP=1 --set password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE samfleet LOGIN PASSWORD :'password';
CREATE DATABASE samfleet OWNER samfleet;
ALTER ROLE postgres PASSWORD NULL;
SQL
