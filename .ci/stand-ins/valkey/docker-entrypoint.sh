#!/bin/sh
# As in the official image: options alone mean the server, and the server does not run as root.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- valkey-server "$@"; fi
if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
    # The official build turns protected mode off: nothing outside a container reaches it unless it is published.
    set -- "$@" --protected-mode no
    exec setpriv --reuid=valkey --regid=valkey --init-groups "$@"
fi
exec "$@"
