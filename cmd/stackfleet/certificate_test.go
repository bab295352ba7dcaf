package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a certificate for localhost, which is its own authority, and its key.
func writeCertificate(t *testing.T, certificate, key string, serial int64) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "hub"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// TestOwnCertificate: with a certificate of the operator's own, hosts check it by the authorities
// that their system trusts, and it may be renewed while the hub runs.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(hub.home, "hub.pem"), filepath.Join(hub.home, "hub.key")
	writeCertificate(t, certificate, key, 1)
	serveHub(t, hub, "--listen", address, "--public", "localhost:"+port, "--certificate", certificate, "--key", key)
	join := func(host terminal, trusted string) (string, error) {
		asks := hub.start("stackfleet", "enroll", "web", "--yes")
		cmd := host.command(strings.Fields(asks.until("stackpolicy enroll "))...)
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+trusted)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := join(host, filepath.Join(host.home, "nothing")); err == nil || !strings.Contains(out, "certificate signed by unknown authority") {
		t.Errorf("an authority that the host does not trust: %v\n%s", err, out)
	}
	if out, err := join(host, certificate); err != nil {
		t.Errorf("an authority that the host trusts: %v\n%s", err, out)
	}
	writeCertificate(t, certificate, key, 2)
	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, "web") {
		t.Errorf("the hub with a new certificate: %v\n%s", err, out)
	}
	other := newTerminal(t)
	cmd := other.command("stackpolicy", "enroll", "--fingerprint")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := join(other, certificate); err == nil || !strings.Contains(out, "with another key") {
		t.Errorf("another host reaches the hub with the new certificate: %v\n%s", err, out)
	}
}
