package shipper

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestALetterThatWasTornByAFullDiskOrACrashSpoilsNoOther(t *testing.T) {
	d := deadLetters{path: filepath.Join(t.TempDir(), DeadLetterFile), max: 1 << 20}
	if err := os.WriteFile(d.path, []byte(`{"reason":"http_400","body":"whole"}`+"\n"+`{"reason":"http_4`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"one", "two"} {
		if err := d.write([]DeadLetter{{Reason: "http_400", Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range bytes.Lines(b) {
		var l DeadLetter
		if json.Unmarshal(line, &l) == nil {
			got = append(got, l.Body)
		}
	}
	if len(got) != 3 || got[1] != "one" || got[2] != "two" {
		t.Errorf("%q can be read of\n%s", got, b)
	}
}
