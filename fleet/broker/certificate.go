package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/internal/atomicfile"
)

// validity is that of the certificate that a hub makes. Hosts know it by its pin and do not
// look at its dates; other programs do.
const validity = 10 * 365 * 24 * time.Hour

// CertificatePath returns the certificate that the hub made for itself.
func CertificatePath(data string) string { return filepath.Join(data, "tls", "hub.pem") }

// OwnCertificate returns the hub's certificate and its private key, which are in one file. If
// there is none yet it makes one. It never replaces one: hosts know its pin.
func OwnCertificate(data string, now time.Time) (tls.Certificate, error) {
	path := CertificatePath(data)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = makeCertificate(path, now)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the hub's certificate: %w", err)
	}
	return ReadCertificate(path, path)
}

// ReadCertificate reads a certificate and its private key, in PEM.
func ReadCertificate(certificate, key string) (tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return c, fmt.Errorf("read the certificate %s: %w", certificate, err)
	}
	return c, nil
}

func makeCertificate(path string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "stackfleet"}, DNSNames: []string{"stackfleet"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		return errors.Join(
			pem.Encode(w, &pem.Block{Type: "PRIVATE KEY", Bytes: private}),
			pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	})
}
