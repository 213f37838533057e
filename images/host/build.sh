#!/bin/sh
# build.sh TAG: puts bin/host and the plugins of bin/plugins, with a lock file of
# theirs, into the image TAG. "make build" comes first.
set -eu
tag=$1
cd "$(dirname "$0")"
out=$(mkdir -p "${OUT:-../../bin/images}" && cd "${OUT:-../../bin/images}" && pwd)/host
docker=${DOCKER:-docker}
bin=$(cd ../../bin && pwd)
rm -rf "$out"
mkdir -p "$out/root/usr/bin" "$out/root/usr/lib/orch/plugins" "$out/root/etc/orch" "$out/root/etc/ssl/certs" "$out/root/tmp" "$out/root/run/orch" "$out/state"
cp Dockerfile "$out/"
cp "$bin/host" "$out/root/usr/bin/"
for plugin in chat databases deploy observability; do
	cp "$bin/plugins/$plugin" "$out/root/usr/lib/orch/plugins/"
done
chmod 1777 "$out/root/tmp"
touch "$out/state/.keep"
printf 'root:x:0:0::/:/bin/false\norch:x:10001:10001::/var/lib/orch:/bin/false\n' > "$out/root/etc/passwd"
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
	cp /etc/ssl/certs/ca-certificates.crt "$out/root/etc/ssl/certs/"
else
	echo "this machine has no /etc/ssl/certs/ca-certificates.crt: deployments from the image need one mounted there" >&2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ORCH_HOST__STATE_DIR=$scratch/state ORCH_HOST__RUNTIME_DIR=$scratch/run ORCH_PLUGINS__DIR=$out/root/usr/lib/orch/plugins \
	ORCH_PLUGINS__LOCK=$out/root/usr/lib/orch/plugins.lock "$bin/host" plugin lock >/dev/null
$docker build --quiet --tag "$tag" "$out" >/dev/null
echo "$tag built"
