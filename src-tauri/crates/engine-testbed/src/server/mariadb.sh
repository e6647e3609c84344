#!/bin/sh
# What the official image does as far as locald's catalog counts on it, the server of the first start included, which
# listens on a socket alone.
set -e
data=/var/lib/mysql
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data" /run/mysqld
    chown -R server:server "$data" /run/mysqld
    exec /usr/bin/setpriv --reuid 999 --regid 999 --clear-groups "$0" "$@"
fi
quoted() { printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g"; }
if [ "$1" = mariadbd ] && [ ! -d "$data/mysql" ]; then
    if [ -z "$MARIADB_ROOT_PASSWORD" ]; then
        echo 'Database is uninitialized and password option is not specified' >&2
        exit 1
    fi
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db \
        --skip-name-resolve
    umask 077
    {
        password=$(quoted "$MARIADB_ROOT_PASSWORD")
        echo "CREATE USER 'root'@'%' IDENTIFIED BY '$password';"
        echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
        [ -z "$MARIADB_DATABASE" ] || echo "CREATE DATABASE \`$MARIADB_DATABASE\`;"
        if [ -n "$MARIADB_USER" ]; then
            echo "CREATE USER '$(quoted "$MARIADB_USER")'@'%' IDENTIFIED BY '$(quoted "$MARIADB_PASSWORD")';"
            [ -z "$MARIADB_DATABASE" ] || echo "GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$(quoted "$MARIADB_USER")'@'%';"
        fi
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY '$password';"
        echo SHUTDOWN\;
    } >/tmp/init.sql
    mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --skip-networking --init-file=/tmp/init.sql
    rm /tmp/init.sql
    echo 'MariaDB init process done. Ready for start up.'
fi
exec "$@"
