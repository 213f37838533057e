#!/bin/sh
# build.sh TAG: makes the image from Debian's packages, unless TAG was made from
# the same packages and files. It needs apt-get, dpkg and Docker, and no root.
set -eu
tag=$1
here=$(cd "$(dirname "$0")" && pwd)
docker=${DOCKER:-docker}
out=$(mkdir -p "${OUT:-../bin/images}" && cd "${OUT:-../bin/images}" && pwd)/postgres
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
	echo "the PostgreSQL image is made from Debian's packages: apt-get and dpkg are missing; use an official image of PostgreSQL 15" >&2
	exit 1
fi
packages=$(grep -v '^#' "$here/packages")
# shellcheck disable=SC2086 # the packages are words
versions=$(apt-cache policy $packages | grep -E '^[a-z]|Candidate:')
sum=$({ cd "$here" && cat Dockerfile entry.sh build.sh packages; echo "$versions"; } | sha256sum | cut -c1-40)
if [ "$($docker image inspect --format '{{index .Config.Labels "orch.source"}}' "$tag" 2>/dev/null)" = "$sum" ]; then
	echo "$tag is up to date"
	exit 0
fi
rm -rf "$out"
mkdir -p "$out/debs" "$out/rootfs"
(cd "$out/debs" && apt-get download $packages >/dev/null)
root=$out/rootfs
for deb in "$out"/debs/*.deb; do
	dpkg -x "$deb" "$root"
done
# What a database server needs, and nothing else.
rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/lintian "$root"/etc "$root"/var "$root"/usr/lib/systemd \
	"$root"/lib/systemd "$root"/usr/lib/postgresql/15/lib/bitcode "$root"/usr/lib/postgresql/15/lib/llvmjit*.so "$root"/usr/sbin
mkdir -p "$root/bin" "$root/etc" "$root/run/postgresql" "$root/var/lib/postgresql/data" "$root/tmp"
for command in sh cat mkdir mv rm ls printf grep; do
	ln -sf busybox "$root/bin/$command"
done
echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >"$root/etc/passwd"
echo 'postgres:x:999:' >"$root/etc/group"
cp "$here/entry.sh" "$root/entry.sh"
chmod 1777 "$root/tmp"
tar -C "$root" --numeric-owner --owner=0 --group=0 --exclude=./run/postgresql --exclude=./var/lib/postgresql -cf "$out/rootfs.tar" .
tar -C "$root" --numeric-owner --owner=999 --group=999 -rf "$out/rootfs.tar" ./run/postgresql ./var/lib/postgresql
rm -rf "$root" "$out/debs"
cp "$here/Dockerfile" "$out/Dockerfile"
if ! log=$($docker build --quiet --label "orch.source=$sum" --tag "$tag" "$out" 2>&1); then
	echo "$log" >&2
	exit 1
fi
rm -f "$out/rootfs.tar"
echo "$tag built"
