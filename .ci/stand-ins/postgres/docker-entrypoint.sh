#!/bin/bash
# What of the official image's entry point is used here: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB,
# POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS and /docker-entrypoint-initdb.d, on an empty data directory.
set -euo pipefail

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo 'Error: set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust' >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # arguments, a word each
    initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-unused}") ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    pg_ctl --options="-c listen_addresses=''" --wait start
    psql=(psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$user")
    [ "$database" = postgres ] || "${psql[@]}" --dbname postgres --command "CREATE DATABASE \"$database\""
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sql) "${psql[@]}" --dbname "$database" --file "$file" ;;
        *.sh) bash "$file" ;;
        esac
    done
    pg_ctl --mode=fast --wait stop
fi
exec "$@"
