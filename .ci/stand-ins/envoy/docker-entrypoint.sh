#!/bin/sh
# As in the official image: options alone mean envoy, and it does not run as root.
set -e
if [ "${1#-}" != "$1" ]; then set -- envoy "$@"; fi
if [ "$1" = envoy ] && [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=envoy --regid=envoy --init-groups "$@"
fi
exec "$@"
