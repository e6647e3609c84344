#!/bin/sh
# As the official image does it: the server runs as its user, and users from elsewhere may log in.
set -e
if [ "$(id -u)" = 0 ]; then
    mkdir -p /var/lib/rabbitmq /var/log/rabbitmq
    chown -R server:server /var/lib/rabbitmq /var/log/rabbitmq
    exec /usr/bin/setpriv --reuid 999 --regid 999 --clear-groups "$0" "$@"
fi
exec "$@"
