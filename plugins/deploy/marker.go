package deploy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// markerVariable is a variable of the deployed service in which a deployment is announced before it is started. It is
// what tells a later attempt, or another host, whether the start was carried out, when nobody heard the answer.
const markerVariable = "ORCH_DEPLOY"

// marker is the content of the variable.
type marker struct {
	Want string // fingerprint of everything that is deployed
	Prev string // the newest deployment before this one was started
	Run  string // the activity execution that announced it
	ID   string // the deployment that went live; empty until it has
}

func parseMarker(s string) marker {
	var m marker
	for _, field := range strings.Fields(s) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "want":
			m.Want = value
		case "prev":
			m.Prev = value
		case "run":
			m.Run = value
		case "id":
			m.ID = value
		}
	}
	return m
}

func (m marker) String() string {
	return "v1 want=" + m.Want + " prev=" + m.Prev + " run=" + m.Run + " id=" + m.ID
}

// verdict is what a provider says about a deployment, in the words that all of them share.
type verdict int

const (
	waiting verdict = iota
	live
	failed
	superseded
)

// step is what to do next.
type step int

const (
	start step = iota // announce and start a deployment
	adopt             // the newest deployment is the one: wait for its verdict
)

// decide compares the announcement with what is there. run is this execution; latest is the newest deployment.
func (m marker) decide(want, run, latest string, v verdict) step {
	switch {
	case m.Want != want, latest == "", latest == m.Prev:
		return start // other content, or announced and never started
	case m.ID != "" && m.ID != latest:
		return start // ours went live, and somebody has deployed something else since
	case v == waiting, v == live:
		return adopt
	}
	// It failed. For the run that started it this is the verdict; a later run asks for another try.
	if run != "" && m.Run == run {
		return adopt
	}
	return start
}

// fingerprint identifies content without revealing it: the salt is the id of the object that holds it.
func fingerprint(salt string, content any) string {
	data, err := json.Marshal(content)
	if err != nil {
		panic("deploy: fingerprint of a value that has no JSON form: " + err.Error()) // maps, strings and numbers only
	}
	h := hmac.New(sha256.New, []byte(salt))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// runKey is a short name for one activity execution, equal on all of its attempts.
func runKey(idempotencyKey string) string {
	if idempotencyKey == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(idempotencyKey))
	return hex.EncodeToString(sum[:])[:12]
}
