// Package compose holds the files of the compose stack for the program that
// brings it up on a machine without this repository.
package compose

import "embed"

// File is the name of the compose file in Files.
const File = "temporal-orchestrator-compose.yaml"

// Files are the compose file and what it mounts.
//
//go:embed temporal-orchestrator-compose.yaml dynamicconfig
var Files embed.FS
