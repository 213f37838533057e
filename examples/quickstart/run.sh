#!/bin/sh
# Runs the first service: the database pipeline where Docker is, with the
# official images if they are here or can be pulled, else with stand-ins; where
# Docker is not, a pipeline over the example plugin.
set -eu
cd "$(dirname "$0")/../.."
config=examples/quickstart/orch.toml
runtime=${ORCH_HOST__RUNTIME_DIR:-/tmp/orch-quickstart-$(id -u)}

host() { bin/host --config "$config" --runtime-dir "$runtime" "$@"; }

if ! docker info >/dev/null 2>&1; then
	echo "Docker does not answer (docker info says why), so no container can be started."
	echo "Running the service \"hello\" over the example plugin instead; start Docker and run this again for the databases."
	host run hello
	exit
fi

# image SETTING OFFICIAL STANDIN: prints the flags that choose the image
standins=""
choose() {
	if docker image inspect "$2" >/dev/null 2>&1 || docker pull -q "$2" >/dev/null 2>&1; then
		return
	fi
	standins="$standins $2"
	set_flags="$set_flags --set $1=$3"
}
set_flags=""
if docker image inspect orch/standin-neo4j:5 orch/standin-qdrant:1 >/dev/null 2>&1 &&
	! docker image inspect neo4j:5.26 >/dev/null 2>&1; then
	# chosen by an earlier run: no need to try to pull again
	set_flags="--set plugins.databases.config.neo4j.image=orch/standin-neo4j:5 --set plugins.databases.config.qdrant.image=orch/standin-qdrant:1"
	echo "Using the stand-ins for Neo4j and Qdrant that were built here (docker pull neo4j:5.26 brings the real one)."
else
	choose plugins.databases.config.neo4j.image neo4j:5.26 orch/standin-neo4j:5
	choose plugins.databases.config.qdrant.image qdrant/qdrant:v1.13.4 orch/standin-qdrant:1
	if [ -n "$standins" ]; then
		echo "These images are not here and cannot be pulled:$standins"
		echo "Building small stand-ins that speak the same readiness protocols but store nothing."
		make -s -C images standins
	fi
fi
# shellcheck disable=SC2086 # the flags are words
host $set_flags run knowledge_graph
echo "The containers stay. host stop and host status need a running host: bin/host --config $config --runtime-dir $runtime"
