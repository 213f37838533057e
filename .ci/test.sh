#!/bin/sh
# Runs every test of every module. Tests that need Docker or the API
# descriptions skip themselves where those are missing; this says which were
# skipped, and fails when Docker answers and a Docker test was skipped anyway.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
docker=no
if docker info >/dev/null 2>&1; then
	docker=yes
	make -s images
else
	echo "Docker does not answer: tests that need containers are skipped"
fi
status=0
for module in . devserver examples/greeter-go; do
	echo "-- module $module"
	(cd "$module" && go test -count=1 -timeout 20m -v ./... 2>&1) >"$out.part" || status=1
	grep -E '^(--- FAIL|FAIL|panic:)|^ok ' "$out.part" || true
	if [ "$status" -ne 0 ]; then
		grep -B 40 -E '^ *--- FAIL|^panic:|^FAIL' "$out.part" | grep -vE '^=== (RUN|PAUSE|CONT)' | tail -150
	fi
	cat "$out.part" >>"$out"
	rm -f "$out.part"
done
skips=$(grep -A 3 -E '^ *--- SKIP' "$out" || true)
if [ -n "$skips" ]; then
	echo "-- skipped"
	echo "$skips"
fi
if [ "$docker" = yes ] && grep -qi 'docker not available' "$out"; then
	echo "Docker answers, but a test that needs it was skipped" >&2
	status=1
fi
passed=$(grep -cE '^ *--- PASS' "$out" || true)
failed=$(grep -cE '^ *--- FAIL' "$out" || true)
skipped=$(grep -cE '^ *--- SKIP' "$out" || true)
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
