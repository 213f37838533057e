#!/bin/sh
# gofmt, vet, staticcheck and the import rules of .golangci.yml, and go.mod
# files that are tidy.
set -eu
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l $(git ls-files '*.go' | grep -v '\.pb\.go$'))
if [ -n "$unformatted" ]; then
	echo "not gofmt-ed:" >&2
	echo "$unformatted" >&2
	exit 1
fi
for module in . devserver examples/greeter-go sdk/pluginv1/testdata/frozen-v1; do
	(cd "$module" && go vet ./... && go mod tidy -diff)
done
go tool -modfile=tools/go.mod golangci-lint run ./...
