package main

import (
	"strings"
	"testing"
)

func TestACommandThatDoesNotExistIsAWrongCommandLine(t *testing.T) {
	for _, line := range []string{"bogus", "plugin bogus", "start", "--bogus", "plugin test /bin/true --only bogus"} {
		root := newRoot()
		root.SetArgs(strings.Fields(line))
		if err := root.Execute(); exitCode(err) != exitUsage {
			t.Errorf("host %s: exit code %d, want %d: %v", line, exitCode(err), exitUsage, err)
		}
	}
}
