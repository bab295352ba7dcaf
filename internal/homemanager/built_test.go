package homemanager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuilt(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files, generation := filepath.Join(dir, "1-home-manager-files"), filepath.Join(dir, "2-home-manager-generation")
	put("1-home-manager-files/.config/stackpolicy/config.yaml", "")
	put("2-home-manager-generation/activate", "")
	if err := os.Symlink(files, filepath.Join(generation, "home-files")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(generation, filepath.Join(dir, "result")); err != nil {
		t.Fatal(err)
	}
	const unit = "etc/systemd/system/home-manager-ada.service"
	put("system/"+unit, "[Service]\nEnvironment=A=b\nExecStart=/nix/store/3-hm-setup-env "+generation+"\n")
	put("without/"+unit, "[Service]\nExecStart=/bin/true\n")
	put("long/"+unit, strings.Repeat("x", maxUnit)+"\nExecStart=a "+generation+"\n")
	put("gone/"+unit, "[Service]\nExecStart=a "+filepath.Join(dir, "4-home-manager-generation")+"\n")
	put("other/etc/os-release", "")
	for name, c := range map[string]struct{ path, want, err string }{
		"a generation":               {generation, files, ""},
		"a link to one":              {filepath.Join(dir, "result"), files, ""},
		"a system":                   {filepath.Join(dir, "system"), files, ""},
		"a unit of another kind":     {filepath.Join(dir, "without"), "", "its ExecStart= names no Home Manager generation"},
		"a unit without an end":      {filepath.Join(dir, "long"), "", "long/etc/systemd/system/home-manager-ada.service"},
		"a generation that is gone":  {filepath.Join(dir, "gone"), "", "is no Home Manager generation"},
		"a system without this home": {filepath.Join(dir, "other"), "", "no etc/systemd/system/home-manager-ada.service"},
		"nothing":                    {filepath.Join(dir, "nothing"), "", "is no Home Manager generation"},
	} {
		got, err := Built(c.path, "home-manager-ada.service")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v; want %q, %q", name, got, err, c.want, c.err)
		}
	}
}
