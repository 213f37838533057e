package pipeline

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schemaJSON []byte

// Schema is the JSON Schema (2020-12) of the file format, for editors:
//
//	# yaml-language-server: $schema=./pipeline.schema.json
func Schema() []byte { return slices.Clone(schemaJSON) }
