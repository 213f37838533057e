package container

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/registry"
)

// registryAuth finds the credentials that "docker login" stored for the
// image's registry in Docker's config.json. Without any the pull is anonymous.
// Credential helpers are programs of the user and are not run from here.
func registryAuth(ref string) string {
	home, _ := os.UserHomeDir()
	data, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")), "config.json"))
	if err != nil {
		return ""
	}
	var config struct {
		Auths map[string]struct {
			Auth          string `json:"auth"`
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	if json.Unmarshal(data, &config) != nil {
		return ""
	}
	for server, a := range config.Auths {
		if registryHost(server) != registryOf(ref) {
			continue
		}
		plain, err := base64.StdEncoding.DecodeString(a.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || (!ok && a.IdentityToken == "") {
			continue
		}
		auth, err := registry.EncodeAuthConfig(registry.AuthConfig{
			Username: user, Password: strings.TrimRight(password, "\x00"), IdentityToken: a.IdentityToken, ServerAddress: server,
		})
		if err == nil {
			return auth
		}
	}
	return ""
}

// registryOf is the registry's host name in an image reference.
func registryOf(ref string) string {
	first, _, ok := strings.Cut(ref, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return "docker.io"
}

// registryHost is the registry's host name in a key of config.json.
func registryHost(server string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	if host == "index.docker.io" {
		return "docker.io"
	}
	return host
}
