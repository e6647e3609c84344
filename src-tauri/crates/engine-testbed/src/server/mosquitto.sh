#!/bin/sh
# As the official image does it: the broker gives up root by itself, and its data is its user's.
set -e
[ "$(id -u)" != 0 ] || { mkdir -p /mosquitto/data /mosquitto/log && chown -R server:server /mosquitto; }
exec "$@"
