package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/openleash/openleash-go/server"
)

// writeCertificate writes a self-signed certificate for localhost that names its serial number.
func writeCertificate(t *testing.T, files server.TLS, serial int64, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: cert}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificateIsReloadedAndABadOneIsNot(t *testing.T) {
	dir := t.TempDir()
	files := server.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	written := time.Now().Add(-time.Hour)
	writeCertificate(t, files, 1, written)
	w := newWorld(t, func(w *world) { w.web.TLS = files })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = w.srv.Serve(ctx, l) })
	defer done.Wait()
	defer cancel()
	serial := func() int64 {
		w.clock.Step(2 * time.Second)
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		w.must(err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("got certificate %d", got)
	}
	writeCertificate(t, files, 2, written.Add(time.Minute))
	if got := serial(); got != 2 {
		t.Errorf("after a change, got certificate %d", got)
	}
	w.must(os.WriteFile(files.CertFile, []byte("rubbish"), 0o600))
	if got := serial(); got != 2 {
		t.Errorf("after a bad change, got certificate %d", got)
	}
	if _, err := server.New(w.web); err == nil {
		t.Error("a server starts with a bad certificate")
	}
}
