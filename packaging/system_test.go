package main

import (
	"bytes"
	"testing"
	"time"
)

// TestPackIsReproducible: the same files give the same bytes, whatever the
// folder and the time zone.
func TestPackIsReproducible(t *testing.T) {
	files := []file{
		{"bin/stackctl", 0o755, []byte("\x7fELF")},
		{"share/doc/stackpolicy/[odd] name*.md", 0o644, bytes.Repeat([]byte("text\n"), 100_000)},
	}
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			var first []byte
			for _, zone := range []string{"UTC", "Asia/Tokyo"} {
				t.Setenv("TZ", zone)
				b := &built{source: "..", work: t.TempDir(), arch: "amd64", version: "1.2.0-rc.1", date: time.Unix(86400, 0)}
				got, err := b.pack(t.Context(), f, files)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = got
				}
				if len(got) < 500 || !bytes.Equal(got, first) {
					t.Errorf("%d bytes, the first time %d, or others", len(got), len(first))
				}
			}
		})
	}
}

func TestFileNames(t *testing.T) {
	want := map[string]string{
		"deb":       "stackpolicy_1.2.0~rc.1_arm64.deb",
		"rpm":       "stackpolicy-1.2.0~rc.1-1.aarch64.rpm",
		"archlinux": "stackpolicy-1.2.0~rc.1-1-aarch64.pkg.tar.zst",
	}
	for _, f := range formats() {
		b := &built{arch: "arm64", version: "1.2.0-rc.1"}
		if got := f.fileName(b); got != want[f.name] {
			t.Errorf("got %s, want %s", got, want[f.name])
		}
	}
}
