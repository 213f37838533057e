package admin

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/orch-host/orch/config"
)

// TLS makes the server's side of TLS; nil when none is configured. The
// certificate is read again when its file has changed, and one that cannot be
// read leaves the one before in use.
func TLS(c config.ServerTLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	k := &keyPair{c: c}
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("host.tls: load the certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current(), nil }}
	if c.ClientCAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("host.tls.client_ca_file: %w", err)
	}
	t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("host.tls.client_ca_file: %s holds no PEM certificate", c.ClientCAFile)
	}
	return t, nil
}

// lookEvery is how often a handshake looks whether the certificate has changed.
const lookEvery = time.Second

type keyPair struct {
	c config.ServerTLS

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  time.Time // the certificate's modification time when it was read
	looked time.Time
}

func (k *keyPair) load() error {
	st, err := os.Stat(k.c.CertFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(k.c.CertFile, k.c.KeyFile)
	if err != nil {
		return err
	}
	k.pair, k.stamp = &pair, st.ModTime()
	return nil
}

func (k *keyPair) current() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.looked) < lookEvery {
		return k.pair
	}
	k.looked = time.Now()
	if st, err := os.Stat(k.c.CertFile); err == nil && !st.ModTime().Equal(k.stamp) {
		_ = k.load() // half a renewal, such as a key that has yet to come: the next look sees the rest
	}
	return k.pair
}
