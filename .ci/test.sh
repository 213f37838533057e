#!/bin/sh
# Runs every test of every module. Tests that need Docker or the API
# descriptions skip themselves where those are missing; this says which were
# skipped, and fails when Docker answers and a Docker test was skipped anyway.
# A test that fails is run once more, and named as flaky when it passes then.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
docker=no
if docker info >/dev/null 2>&1; then
	docker=yes
	make -s -C images standins
	if [ -n "${CI:-}" ]; then # elsewhere the tests that need them say so
		make -s -C images components
	fi
else
	echo "Docker does not answer: tests that need containers are skipped"
fi
GOBIN="$root/bin/tools" go install -modfile=tools/go.mod gotest.tools/gotestsum
# The Python example is tried where grpcio is, and CI puts it there if it can.
python=no
has_grpc() {
	for p in /usr/bin/python3 python3; do
		"$p" -c 'import grpc, google.protobuf' >/dev/null 2>&1 && return 0
	done
	return 1
}
if ! has_grpc && [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	{ apt-get update && apt-get install -y --no-install-recommends python3-grpcio python3-protobuf; } >/dev/null 2>&1 ||
		echo "python3-grpcio could not be installed"
fi
if has_grpc; then
	python=yes
fi
# So is the status page in a browser.
browser=no
has_browser() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }
if ! has_browser && [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	{ apt-get update && timeout 300 apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 ||
		echo "chromium could not be installed"
fi
if has_browser; then
	browser=yes
fi
status=0
for module in . devserver examples/greeter-go sdk/pluginv1/testdata/frozen-v1; do
	echo "-- module $module"
	name=$(echo "$module" | tr / -)
	(cd "$module" && "$root/bin/tools/gotestsum" --format pkgname --format-hide-empty-pkg \
		--jsonfile "$out/$name.json" --rerun-fails=1 --rerun-fails-max-failures=4 --rerun-fails-report "$out/$name.flaky" \
		--packages ./... -- -count=1 -timeout 20m) || status=1
	if [ -s "$out/$name.flaky" ]; then
		echo "-- failed at first:"
		cat "$out/$name.flaky"
	fi
done
if [ "$docker" = yes ] && grep -qi 'docker not available' "$out"/*.json; then
	echo "Docker answers, but a test that needs it was skipped" >&2
	status=1
fi
if [ -n "${CI:-}" ] && [ ! -d "${ORCH_SPECS:-../shared/specs}" ]; then
	echo "the API descriptions (ORCH_SPECS) are missing: the clients' tests were skipped" >&2
	status=1
fi
if [ "$python" = yes ] && grep -q 'python3-grpcio not available' "$out"/*.json; then
	echo "python3-grpcio is there, but a test that needs it was skipped" >&2
	status=1
fi
if [ "$browser" = yes ] && grep -q 'chromium not available' "$out"/*.json; then
	echo "chromium is there, but a test that needs it was skipped" >&2
	status=1
fi
exit $status
