#!/bin/sh
# govulncheck, where its database can be reached.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
if go tool -modfile=tools/go.mod govulncheck ./... >"$out" 2>&1; then
	echo "no known vulnerability is called"
	exit 0
fi
if grep -qiE 'fetching vulnerabilities|no such host|connection refused|dial tcp|status code|forbidden' "$out"; then
	echo "the vulnerability database cannot be reached from here: not checked"
	exit 0
fi
cat "$out"
exit 1
