package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestWithAKeyNothingReadableIsStoredInTemporal(t *testing.T) {
	const canary = "canary-7f3a91"
	r := newRig(t, []string{bin("plugins", "greeter")}, "")
	pipelines, err := filepath.Abs("../examples/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	base := read(t, r.config)
	for _, id := range []string{"a", "b"} {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		write(t, filepath.Join(r.dir, id+".key"), 0o600, base64.StdEncoding.EncodeToString(key)+"\n")
	}
	configure := func(current string, known ...string) {
		text := strings.Replace(base, "[host]", fmt.Sprintf("[host]\npipelines_dir = %q", pipelines), 1) +
			fmt.Sprintf("[services.%s]\npipeline = \"hello\"\n[temporal.encryption]\nkey_id = %q\nendpoint_token = \"let-me-in\"\n", r.service, current)
		for _, id := range known {
			text += fmt.Sprintf("[temporal.encryption.keys.%s]\nkey = \"file:%s\"\n", id, filepath.Join(r.dir, id+".key"))
		}
		write(t, r.config, 0o600, text)
	}
	stop := func(h *running) {
		_ = h.Process.Signal(syscall.SIGTERM)
		<-h.done
	}

	configure("a", "a")
	h := r.start()
	if o := r.expect(0, "start", r.service, "--wait", "--param", "name="+canary); !strings.Contains(o.stdout, "Hello, "+canary) {
		t.Errorf("the result is not shown: %v", o)
	}
	sealed := encryptedPayload(t, r, canary)
	decode(t, "http://"+r.info().Listen+"/codec/decode", "let-me-in", sealed, http.StatusOK, "")
	decode(t, "http://"+r.info().Listen+"/codec/decode", "guess", sealed, http.StatusUnauthorized, "temporal.encryption.endpoint_token")
	stop(h)
	found := 0
	err = filepath.WalkDir(filepath.Join(r.dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		found++
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("%s holds the parameter in clear", path)
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d files looked at, %v", found, err)
	}

	configure("b", "a", "b")
	h = r.start()
	if o := r.expect(0, "status", r.service); !strings.Contains(o.stdout, canary) {
		t.Errorf("after the rotation the old result cannot be read: %v", o)
	}
	r.expect(0, "start", r.service, "--wait")
	stop(h)

	configure("a", "a")
	r.start()
	if o := r.host("status", r.service); !strings.Contains(o.stdout+o.stderr, `"b" is not known here`) {
		t.Errorf("a result of an unknown key: %v", o)
	}
	configure("c", "a")
	if o := r.expect(2, "config", "check"); !strings.Contains(o.stderr+o.stdout, `there is no key "c"`) {
		t.Errorf("a key that is not there: %v", o)
	}
}

// encryptedPayload checks that a history holds canary nowhere, and returns a payload of it.
func encryptedPayload(t *testing.T, r *rig, canary string) *commonpb.Payload {
	t.Helper()
	c := r.client(client.Options{})
	var sealed *commonpb.Payload
	for it := c.GetWorkflowHistory(t.Context(), r.service+"_1", "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := proto.Marshal(e)
		if err != nil || bytes.Contains(raw, []byte(canary)) {
			t.Errorf("event %d holds the parameter in clear (%v)", e.GetEventId(), err)
		}
		if p := e.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(); len(p) > 0 {
			sealed = p[0]
		}
	}
	if string(sealed.GetMetadata()["encoding"]) != "binary/encrypted" {
		t.Fatalf("the argument is stored as %v", sealed)
	}
	return sealed
}

// decode asks the codec endpoint.
func decode(t *testing.T, url, token string, p *commonpb.Payload, code int, want string) {
	t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != code || !strings.Contains(string(text), want) {
		t.Errorf("%s with token %q: %s %s", url, token, resp.Status, text)
	}
}
