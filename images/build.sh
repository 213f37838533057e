#!/bin/sh
# build.sh NAME TAG [PACKAGE...]: puts the static Go programs PACKAGE into the
# image TAG by ./NAME/Dockerfile, unless TAG was made from the same.
#
# Without packages the program is ./NAME of this repository's own module, called
# server; it is compiled each time, which is quick, and compared. With packages
# they come from the module ./NAME/go.mod, each called after the last part of its
# path; compiling takes minutes, so what is compared is the recipe: all files of
# ./NAME, the packages and the Go version.
set -eu
name=$1 tag=$2
shift 2
out=$(mkdir -p "${OUT:-../bin/images}" && cd "${OUT:-../bin/images}" && pwd)/$name
go=${GO:-go} docker=${DOCKER:-docker}
export CGO_ENABLED=0 GOOS=linux

up_to_date() {
	if [ "$($docker image inspect --format '{{index .Config.Labels "orch.source"}}' "$tag" 2>/dev/null)" = "$1" ]; then
		echo "$tag is up to date"
		exit 0
	fi
}
digest() { sha256sum | cut -c1-40; }

rm -rf "$out.new"
if [ $# -eq 0 ]; then
	mkdir -p "$out.new"
	$go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$out.new/server" "./$name"
	cp "$name/Dockerfile" "$out.new/Dockerfile"
	sum=$(cat "$out.new/server" "$out.new/Dockerfile" | digest)
	up_to_date "$sum"
else
	sum=$({ cd "$name" && find . -type f | LC_ALL=C sort | xargs sha256sum; echo "$@"; $go version; } | digest)
	up_to_date "$sum"
	mkdir -p "$out.new"
	echo "building $tag: minutes when nothing of it is cached"
	for file in "$name"/*; do # the Dockerfile and what it copies
		case $file in
		*.go | */go.mod | */go.sum) ;;
		*) [ -d "$file" ] || cp "$file" "$out.new/" ;;
		esac
	done
	for package in "$@"; do
		# -mod=mod: the requirements of these modules are complete in their own
		# go.mod files; go.sum is committed and pins the content of each.
		(cd "$name" && nice $go build -mod=mod -trimpath -buildvcs=false -ldflags='-s -w' -o "$out.new/" "$package")
	done
fi
rm -rf "$out"
mv "$out.new" "$out"
old=$($docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
if ! log=$($docker build --quiet --label "orch.source=$sum" --tag "$tag" "$out" 2>&1); then
	echo "$log" >&2
	exit 1
fi
if [ -n "$old" ]; then
	$docker image rm "$old" >/dev/null 2>&1 || true # a container may still use it
fi
echo "$tag built"
