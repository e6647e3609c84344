#!/bin/sh
# As the official images of Redis and Valkey do it: what is theirs runs as their user, in /data.
set -e
case $1 in -* | *.conf) set -- "$LT_SERVER" "$@" ;; esac
if [ "$1" = "$LT_SERVER" ] && [ "$(id -u)" = 0 ]; then
    chown -R server:server .
    exec /usr/bin/setpriv --reuid 999 --regid 999 --clear-groups "$0" "$@"
fi
exec "$@"
