package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := secrets{folder}
	cases := map[string]struct {
		secrets secrets
		from    Secret
		want    string
		err     string
	}{
		"file":            {s, Secret{File: write("a", token+"\n", 0o400)}, token, ""},
		"credential":      {s, Secret{Credential: "a"}, token, ""},
		"of a service":    {s, Secret{Credential: filepath.Base(write("acl", token, 0o440))}, token, ""},
		"no credentials":  {secrets{}, Secret{Credential: "a"}, "", "the credential a is not loaded: write LoadCredential=a:PATH below [Service] of stackpolicy-alerts.service"},
		"not loaded":      {s, Secret{Credential: "none"}, "", "the credential none is not loaded: write LoadCredential=none:PATH"},
		"open to a group": {s, Secret{File: write("g", token, 0o640)}, "", "others may read it (mode 0640); make it 0600"},
		"missing":         {s, Secret{File: folder + "/none"}, "", "no such file or directory"},
		"a folder":        {s, Secret{File: folder}, "", "not a regular file"},
		"empty":           {s, Secret{File: write("e", "\n", 0o600)}, "", "it is empty"},
		"large":           {s, Secret{File: write("l", strings.Repeat("x", maxSecret+1), 0o600)}, "", "larger than 16 KiB"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := c.secrets.read(c.from)
			if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %q, %v; want %q, %q", got, err, c.want, c.err)
			}
		})
	}
}
