package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func words(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

func TestKeyFile(t *testing.T) {
	k := newPerson(t, "ada")
	path := filepath.Join(t.TempDir(), "ada.key")
	must(t, k.Write(path, []byte("correct horse")))
	text, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(text), "private") {
		t.Errorf("the file has the private key: %s", text)
	}
	got, err := ReadKey(path, words("correct horse"))
	if err != nil || !got.private.Equal(k.private) || got.PublicKey != k.PublicKey {
		t.Errorf("got %v, %v", got.PublicKey, err)
	}
	if _, err := ReadKey(path, words("wrong horse")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if public, err := ReadPublicKey(path); err != nil || public != k.PublicKey {
		t.Errorf("got %v, %v", public, err)
	}
	if err := k.Write(path, []byte("correct horse")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a key: %v", err)
	}
	if err := k.Write(path+"2", []byte("short")); err == nil {
		t.Error("a short passphrase")
	}
	must(t, os.Chmod(path, 0o640))
	if _, err := ReadKey(path, words("correct horse")); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("a key that others may read: %v", err)
	}
}

func TestPublicKeyFile(t *testing.T) {
	k := newPerson(t, "ada")
	path := filepath.Join(t.TempDir(), "ada.pub")
	must(t, k.PublicKey.Write(path))
	if public, err := ReadPublicKey(path); err != nil || public != k.PublicKey {
		t.Errorf("got %v, %v", public, err)
	}
	if _, err := ReadKey(path, words("")); err == nil || !strings.Contains(err.Error(), "only the public part") {
		t.Errorf("got %v", err)
	}
	must(t, os.WriteFile(path, []byte(`{"name":"ada","public":"00"}`), 0o600))
	if _, err := ReadPublicKey(path); err == nil {
		t.Error("a key of another kind")
	}
}
