package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, KeyBytes)) }

func codec(t *testing.T, current string, keys map[string]string) *Codec {
	t.Helper()
	c, err := New(current, keys)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func payload(data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(data)}
}

func TestWhatWasEncryptedComesBackAndCannotBeRead(t *testing.T) {
	c := codec(t, "a", map[string]string{"a": key(1)})
	for _, data := range []string{"", `"canary"`, strings.Repeat("x", 1<<20)} {
		in := []*commonpb.Payload{payload(data), {}}
		sealed, err := c.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(sealed[0].GetData(), again[0].GetData()) {
			t.Error("the same payload is encrypted the same way twice")
		}
		for _, p := range sealed {
			if data != "" && bytes.Contains(p.GetData(), []byte("canary")) || string(p.GetMetadata()["encoding"]) != "binary/encrypted" || string(p.GetMetadata()["encryption-key-id"]) != "a" {
				t.Errorf("sealed as %v", p)
			}
		}
		out, err := c.Decode(sealed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in {
			if !proto.Equal(in[i], out[i]) {
				t.Errorf("payload %d came back as %v", i, out[i])
			}
		}
	}
}

func TestKeysRotate(t *testing.T) {
	before := codec(t, "old", map[string]string{"old": key(1)})
	after := codec(t, "new", map[string]string{"old": key(1), "new": key(2)})
	off := codec(t, "", map[string]string{"old": key(1)})
	done := codec(t, "new", map[string]string{"new": key(2)})
	sealed, err := before.Encode([]*commonpb.Payload{payload("1")})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := after.Decode(sealed); err != nil || string(out[0].GetData()) != "1" {
		t.Errorf("an old payload is read as %v, %v", out, err)
	}
	if out, err := off.Decode(sealed); err != nil || string(out[0].GetData()) != "1" {
		t.Errorf("with encryption turned off an old payload is read as %v, %v", out, err)
	}
	if out, err := off.Encode([]*commonpb.Payload{payload("2")}); err != nil || string(out[0].GetData()) != "2" {
		t.Errorf("with encryption turned off a payload is written as %v, %v", out, err)
	}
	var unknown *UnknownKeyError
	if _, err := done.Decode(sealed); !errors.As(err, &unknown) || unknown.ID != "old" || !strings.Contains(err.Error(), "temporal.encryption.keys") {
		t.Errorf("a payload of a removed key gives %v", err)
	}
}

func TestAPayloadThatIsNotEncryptedPasses(t *testing.T) {
	c := codec(t, "a", map[string]string{"a": key(1)})
	in := payload("1")
	if out, err := c.Decode([]*commonpb.Payload{in}); err != nil || out[0] != in {
		t.Errorf("%v, %v", out, err)
	}
}

func TestAChangedPayloadIsRefused(t *testing.T) {
	c := codec(t, "a", map[string]string{"a": key(1), "b": key(1)})
	tests := map[string]func(p *commonpb.Payload){
		"a flipped bit":               func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 },
		"a cut":                       func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"almost nothing left":         func(p *commonpb.Payload) { p.Data = p.Data[:3] },
		"nothing left":                func(p *commonpb.Payload) { p.Data = nil },
		"another key id, same secret": func(p *commonpb.Payload) { p.Metadata["encryption-key-id"] = []byte("b") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			sealed, err := c.Encode([]*commonpb.Payload{payload("1")})
			if err != nil {
				t.Fatal(err)
			}
			change(sealed[0])
			if out, err := c.Decode(sealed); err == nil {
				t.Errorf("read as %v", out)
			}
		})
	}
}

func TestAKeyThatCannotWorkIsRefusedWithoutBeingShown(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("canary"))
	for name, keys := range map[string]map[string]string{
		"no base64": {"a": "canary!"}, "too short": {"a": short}, "empty": {"a": ""}, "not the current one": {"b": key(1)},
	} {
		_, err := New("a", keys)
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), short) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheEndpointDecodesForWhoHasTheToken(t *testing.T) {
	c := codec(t, "a", map[string]string{"a": key(1)})
	srv := httptest.NewServer(Handler(c, "token", "http://ui"))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	sealed, err := c.Encode([]*commonpb.Payload{payload(`"hello"`)})
	if err != nil {
		t.Fatal(err)
	}
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: sealed})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, method, path, auth string
		code                     int
	}{
		{"with the token", "POST", "/codec/decode", "Bearer token", 200},
		{"without", "POST", "/codec/decode", "", 401},
		{"with another", "POST", "/codec/decode", "Bearer other", 401},
		{"encoding", "POST", "/codec/encode", "Bearer token", 404},
		{"the browser's question", "OPTIONS", "/codec/decode", "", 204},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", tt.auth)
			req.Header.Set("Origin", "http://ui")
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.code || resp.Header.Get("Access-Control-Allow-Origin") != "http://ui" {
				t.Fatalf("%s %v: %s", resp.Status, resp.Header, text)
			}
			if tt.code != 200 {
				return
			}
			var out commonpb.Payloads
			if err := protojson.Unmarshal(text, &out); err != nil || !proto.Equal(out.GetPayloads()[0], payload(`"hello"`)) {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
	var unset = httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/decode", nil)
	r.Header.Set("Authorization", "Bearer ")
	Handler(c, "", "").ServeHTTP(unset, r)
	if unset.Code != http.StatusUnauthorized {
		t.Errorf("an empty token opens the endpoint: %d", unset.Code)
	}
}
