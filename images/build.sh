#!/bin/sh
# build.sh NAME TAG: builds the static Go program in ./NAME and puts it into the
# image TAG by ./NAME/Dockerfile, unless TAG is that already.
set -eu
name=$1 tag=$2
context=${OUT:-../bin/images}/$name
docker=${DOCKER:-docker}

mkdir -p "$context"
CGO_ENABLED=0 GOOS=linux ${GO:-go} build -trimpath -buildvcs=false -ldflags='-s -w' -o "$context/server" "./$name"
cp "$name/Dockerfile" "$context/Dockerfile"
sum=$(cat "$context/server" "$context/Dockerfile" | sha256sum | cut -c1-40)

if [ "$($docker image inspect --format '{{index .Config.Labels "orch.source"}}' "$tag" 2>/dev/null)" = "$sum" ]; then
	echo "$tag is up to date"
	exit 0
fi
old=$($docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
if ! out=$($docker build --quiet --label "orch.source=$sum" --tag "$tag" "$context" 2>&1); then
	echo "$out" >&2
	exit 1
fi
if [ -n "$old" ]; then
	$docker image rm "$old" >/dev/null 2>&1 || true # a container may still use it
fi
echo "$tag built"
