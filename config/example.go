package config

import (
	_ "embed"
	"fmt"
)

//go:embed example.toml
var example []byte

// Example is the orch.toml that 'host config init' writes: the shipped services, and every setting with its default in a
// comment. It applies as it is when there is no file.
func Example() []byte { return append([]byte(nil), example...) }

// ShippedServices are the services of [Example], with their defaults filled in.
func ShippedServices() map[string]Service {
	l := loader{Options: Options{Environ: []string{}}, report: &report{}, root: shape()}
	c := l.build(builtin, Example(), "/")
	if c == nil || len(l.report.problems) > 0 {
		panic(fmt.Sprintf("config: the built-in example does not load: %v", l.report.problems)) // a test loads it
	}
	return c.Services
}
