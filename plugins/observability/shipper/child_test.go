package shipper

import (
	"encoding/json"
	"fmt"
	"os"
)

// childEnv makes the test binary run a shipper instead of tests, so that it can be killed.
const childEnv = "SHIPPER_TEST_CHILD"

type childConfig struct {
	Options Options
	Files   []File
}

func runChild() {
	var c childConfig
	err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c)
	var s *Shipper
	if err == nil {
		s, err = New(c.Options)
	}
	if err == nil {
		err = s.AddFiles(c.Files...)
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}
