#!/bin/sh
# Takes POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB like the official image:
# they count when the data folder is new.
set -eu
bin=/usr/lib/postgresql/15/bin
data=${PGDATA:-/var/lib/postgresql/data}
user=${POSTGRES_USER:-postgres}
if [ ! -s "$data/PG_VERSION" ]; then
	: "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD: the database takes connections over the network}"
	secret=/tmp/password
	(umask 077; printf '%s\n' "$POSTGRES_PASSWORD" >"$secret")
	rm -rf "$data.new" # of an initialisation that was cut short
	mkdir -p "$data.new"
	"$bin/initdb" -D "$data.new" -U "$user" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
	rm "$secret"
	echo "host all all all scram-sha-256" >>"$data.new/pg_hba.conf"
	if [ "${POSTGRES_DB:-$user}" != postgres ]; then
		echo "CREATE DATABASE \"${POSTGRES_DB:-$user}\";" |
			"$bin/postgres" --single -D "$data.new" postgres >/dev/null
	fi
	rm -rf "$data"
	mv "$data.new" "$data" # in one step: a folder that is there is whole
fi
exec "$bin/postgres" -D "$data" -c "listen_addresses=*" -c jit=off -c unix_socket_directories=/run/postgresql "$@"
