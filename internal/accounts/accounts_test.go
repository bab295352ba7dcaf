package accounts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrivateGroup(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"
	cases := map[string]struct {
		passwd, group string
		want          int
	}{
		"Debian's":                        {passwd, "root:x:0:\nada:x:1000:\n", 1000},
		"its member is the account":       {passwd, "ada:x:1000:ada\n", 1000},
		"not the account's primary group": {strings.Replace(passwd, "1000:1000", "1000:100", 1), "ada:x:1000:\n", 1000},
		"another member":                  {passwd, "ada:x:1000:ada,bob\n", -1},
		"another account's primary group": {passwd + "bob:x:1001:1000::/:/bin/sh\n", "ada:x:1000:\n", -1},
		"a second group of that id":       {passwd, "ada:x:1000:\nstaff:x:1000:bob\n", -1},
		"a group of another name":         {passwd, "users:x:1000:\n", -1},
		"no such group":                   {passwd, "root:x:0:\n", -1},
		"no number":                       {passwd, "ada:x:many:\n", -1},
		"a line cut short":                {passwd, "ada:x:1000\n", -1},
		"empty":                           {"", "", -1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			etc := t.TempDir()
			for file, content := range map[string]string{"passwd": c.passwd, "group": c.group} {
				if err := os.WriteFile(filepath.Join(etc, file), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := PrivateGroup(etc, "ada"); got != c.want || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, c.want)
			}
		})
	}
}

func TestPrivateGroupWithoutFiles(t *testing.T) {
	if got, err := PrivateGroup(t.TempDir(), "ada"); got != -1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}

// What cannot be read is an error, and not a group without members.
func TestPrivateGroupUnreadable(t *testing.T) {
	etc := t.TempDir()
	if err := os.Mkdir(filepath.Join(etc, "group"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := PrivateGroup(etc, "ada"); got != -1 || err == nil {
		t.Errorf("got %d, %v", got, err)
	}
}
