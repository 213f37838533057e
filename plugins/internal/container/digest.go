package container

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// secretRounds makes guessing a secret from a digest, which is in a label,
// expensive; a digest of a handful of secrets still takes a few milliseconds.
const secretRounds = 10_000

// digest identifies what the spec says. Secrets go into it as PBKDF2 values
// salted with the container's name and their place.
func (s Spec) digest() (string, error) {
	type file struct {
		File
		Sum string `json:"sum"`
	}
	view := struct {
		Spec
		Secrets map[string]string `json:"secrets,omitempty"`
		Files   []file            `json:"files,omitempty"`
	}{Spec: s, Secrets: map[string]string{}}
	for name, value := range s.SecretEnv {
		sum, err := s.secretSum("env "+name, value.Reveal())
		if err != nil {
			return "", err
		}
		view.Secrets[name] = sum
	}
	for _, f := range s.Files {
		sum := hexSum(f.Content)
		if f.Live {
			sum = ""
		}
		if f.Secret && !f.Live {
			var err error
			if sum, err = s.secretSum("file "+f.Path, string(f.Content)); err != nil {
				return "", err
			}
		}
		view.Files = append(view.Files, file{f, sum})
	}
	text, err := json.Marshal(view)
	if err != nil {
		return "", fmt.Errorf("digest of container %s: %w", s.Name, err)
	}
	return "v1-" + hexSum(text)[:40], nil
}

// Digest identifies what the spec describes: equal for specs that make the
// same container.
func (s Spec) Digest() (string, error) {
	n, err := s.normalized()
	if err != nil {
		return "", err
	}
	return n.digest()
}

func (s Spec) secretSum(place, value string) (string, error) {
	key, err := pbkdf2.Key(sha256.New, value, []byte("orch.spec v1 "+s.Name+" "+place), secretRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("digest of container %s, %s: %w", s.Name, place, err)
	}
	return hex.EncodeToString(key), nil
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// redact takes the secrets of the spec out of a text, such as a log tail.
func (s Spec) redact(text string) string {
	var secrets []string
	for _, v := range s.SecretEnv {
		secrets = append(secrets, v.Reveal())
	}
	for _, f := range s.Files {
		if !f.Secret {
			continue
		}
		for line := range strings.Lines(string(f.Content)) {
			line = strings.TrimSpace(line)
			secrets = append(secrets, line)
			if _, value, ok := strings.Cut(line, ": "); ok { // key: value
				secrets = append(secrets, strings.Trim(value, `"' `))
			}
			if _, value, ok := strings.Cut(line, "/"); ok { // user/password
				secrets = append(secrets, value)
			}
		}
	}
	sort.Slice(secrets, func(i, j int) bool { return len(secrets[i]) > len(secrets[j]) })
	for _, v := range secrets {
		if len(v) >= 4 {
			text = strings.ReplaceAll(text, v, "***")
		}
	}
	return text
}
