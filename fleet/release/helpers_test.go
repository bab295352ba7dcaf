package release

import (
	"errors"
	"testing"
	"time"

	"stackpolicy/decide/policy"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func rules(text string) []policy.File {
	return []policy.File{{Name: "main.rego", Text: []byte("package stackpolicy\n")}, {Name: "lib/lib.rego", Text: []byte(text)}}
}

func pack(t testing.TB, files []policy.File) []byte {
	t.Helper()
	bundle, err := Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
