package admin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/webtoken"
)

// certificate writes a self-signed one for 127.0.0.1 and its key.
func certificate(t *testing.T, dir string, serial int64) (c config.ServerTLS, cert []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "orch"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c = config.ServerTLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, data := range map[string][]byte{c.CertFile: cert, c.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c, cert
}

func TestAPublicAddressTellsNothingWithoutItsToken(t *testing.T) {
	dir := t.TempDir()
	c, cert := certificate(t, dir, 1)
	tlsConfig, err := TLS(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(dir, Web{Listen: "127.0.0.1:0", TLS: tlsConfig, Token: webtoken.New("canary")}, &backend{ready: Ready{Problems: []string{"plugin a is failed"}}}, Pages{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for _, c := range []struct {
		path, bearer string
		code         int
		problems     bool
	}{
		{"/healthz", "", 200, false}, {"/readyz", "", 503, false}, {"/readyz", "canary", 503, true}, {"/readyz", "canarx", 503, false},
		{"/metrics", "", 401, false}, {"/metrics", "wrong", 401, false}, {"/metrics", "canary", 200, false},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Listen()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.bearer != "" {
			req.Header.Set("Authorization", "Bearer "+c.bearer)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.code || strings.Contains(string(text), "plugin a is failed") != c.problems {
			t.Errorf("%s with %q: %d %s", c.path, c.bearer, resp.StatusCode, text)
		}
	}
	resp, err := client.Get("http://" + s.Listen() + "/healthz")
	if err == nil && resp.StatusCode == http.StatusOK {
		t.Error("it answers plain HTTP")
	}
	if err == nil {
		resp.Body.Close()
	}
}

func TestARenewedCertificateIsTakenUpAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	c, _ := certificate(t, dir, 1)
	k := &keyPair{c: c}
	if err := k.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		k.looked = time.Time{}
		leaf, err := x509.ParseCertificate(k.current().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	renew := func(after time.Duration) {
		if err := os.Chtimes(c.CertFile, time.Now().Add(after), time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	certificate(t, dir, 2)
	renew(time.Minute)
	if got := serial(); got != 2 {
		t.Errorf("after a renewal: %d", got)
	}
	if err := os.WriteFile(c.CertFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	renew(2 * time.Minute)
	if got := serial(); got != 2 {
		t.Errorf("with a broken file: %d", got)
	}
	certificate(t, dir, 3)
	renew(3 * time.Minute)
	if got := serial(); got != 3 {
		t.Errorf("after it is mended: %d", got)
	}
}

func TestClientsNeedACertificateWhereTheirAuthorityIsNamed(t *testing.T) {
	dir := t.TempDir()
	c, cert := certificate(t, dir, 1)
	c.ClientCAFile = c.CertFile
	tlsConfig, err := TLS(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(dir, Web{Listen: "127.0.0.1:0", TLS: tlsConfig}, &backend{}, Pages{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, certificates := range [][]tls.Certificate{nil, {own}} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + s.Listen() + "/healthz")
		if (err == nil) != (certificates != nil) {
			t.Errorf("with %d certificates: %v", len(certificates), err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
	if _, err := TLS(config.ServerTLS{CertFile: filepath.Join(dir, "none"), KeyFile: c.KeyFile}); err == nil || !strings.Contains(err.Error(), "host.tls: load the certificate") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestGuessesOfTheBearerTokenCountTogetherAndHealthGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := pages(&backend{ready: Ready{Ready: true}}, Pages{Metrics: prometheus.NewRegistry()}, webtoken.New("canary"))
		get := func(path, bearer string) int {
			r := httptest.NewRequest("GET", path, nil)
			if bearer != "" {
				r.Header.Set("Authorization", "Bearer "+bearer)
			}
			w := httptest.NewRecorder()
			shown.ServeHTTP(w, r)
			return w.Code
		}
		began := time.Now()
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() { get([]string{"/metrics", "/readyz"}[i%2], "wrong") })
		}
		synctest.Wait()
		got := []int{get("/metrics", "canary"), get("/metrics", ""), get("/readyz", ""), get("/healthz", "")}
		if want := []int{429, 401, 200, 200}; !slices.Equal(got, want) || !time.Now().Equal(began) {
			t.Errorf("while many guess: %v after %s, want %v at once", got, time.Since(began), want)
		}
		all.Wait()
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("16 guesses side by side took %s", took)
		}
	})
}
