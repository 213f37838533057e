package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// python is an interpreter with grpcio, or the test is skipped.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "-c", "import grpc, google.protobuf").Run() == nil {
			return path
		}
	}
	t.Skip("python3-grpcio not available: apt-get install python3-grpcio python3-protobuf")
	return ""
}

func TestThePythonExamplePasses(t *testing.T) {
	interpreter := python(t)
	binary := filepath.Join(t.TempDir(), "greeter-python")
	example := "../../examples/greeter-python"
	for _, target := range []string{"test", "build"} {
		c := exec.Command("make", "-C", example, target, "PYTHON="+interpreter, "OUT="+binary)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	if info, err := os.Stat(binary); err != nil || info.Mode()&0o100 == 0 {
		t.Fatalf("make build made no executable: %v %v", info, err)
	}
	r := try(t, Options{Binary: binary, Cases: readCases(t, filepath.Join(example, "cases.yaml"))})
	if r.Failed+r.Skipped != 0 {
		t.Errorf("want every case to pass:\n%s", tell(r))
	}
}
