package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// freshUnits are settings for which a comparison of file and loaded unit could be wrong.
// Each is appended to a fragment that can be started.
var freshUnits = map[string]string{
	"plain":         "[Service]\nExecStartPost=/bin/true",
	"specifiers":    "[Unit]\nDescription=h %h t %t n %n N %N p %p i %i u %u U %U E %E S %S C %C percent %%",
	"specs-exec":    "[Service]\nExecStart=\nExecStart=/bin/true %h %t %n %N %p %i %u %U %E %S %% %H %z",
	"specs-env":     "[Service]\nEnvironment=H=%h S=%S E=%E \"Q=%n %%\"",
	"quotes":        "[Service]\nExecStart=\nExecStart=/bin/true 'a b' \"c d\" e\"f g\"h '' \"\" 'it is \"so\"'",
	"variables":     "[Service]\nExecStart=\nExecStart=/bin/true $VAR ${VAR} $$ $${X} \"$VAR\"",
	"ignore":        "[Service]\nExecStart=\nExecStart=-/bin/true a",
	"quoted-prefix": "[Service]\nExecStart=\nExecStart=\"-/bin/true\" a",
	"colon":         "[Service]\nExecStart=\nExecStart=:-/bin/true $A",
	"plus":          "[Service]\nExecStart=\nExecStart=+/bin/true",
	"bang":          "[Service]\nExecStart=\nExecStart=!/bin/true\nExecStartPost=!!/bin/true",
	"argv0":         "[Service]\nExecStart=\nExecStart=@/bin/true other a",
	"bare-name":     "[Service]\nExecStart=\nExecStart=true a",
	"slashes":       "[Service]\nExecStart=\nExecStart=/bin//true a",
	"several":       "[Service]\nExecStart=/bin/true 2\nExecStart=/bin/true 3\nExecStartPre=/bin/true a\nExecStartPre=-/bin/true b",
	"semicolon":     "[Service]\nExecStart=\nExecStart=/bin/true a ; /bin/true b\nExecStartPost=/bin/true a \\; b",
	"reset-pre":     "[Service]\nExecStartPre=/bin/false\nExecStartPre=\nExecStartPre=/bin/true",
	"escapes":       "[Service]\nExecStart=\nExecStart=/bin/true \"a\\tb\" c\\x20d \\\\ 'e\\'f'",
	"dash-alone":    "[Service]\nExecStartPost=- /bin/true",
	"bad-post":      "[Service]\nExecStartPost=-/bin/",
	"continued":     "[Unit]\nDescription=one \\\n   two\\\n# comment\n; comment\n\tthree\n[Service]\nExecStart=\nExecStart=/bin/true a \\\n  b \\\n\n",
	"not-continued": "[Unit]\nDescription=ends in two \\\\\nDocumentation=man:a(1)",
	"blank-after":   "[Unit]\nDescription=backslash and blank \\ \nDocumentation=man:a(1)",
	"crlf":          "[Unit]\r\nDescription=dos \\\r\nlines\r\nDocumentation=man:a(1)\r\n",
	"cr-only":       "[Unit]\rDescription=mac\rDocumentation=man:a(1)\r",
	"no-newline":    "[Unit]\nDescription=no newline at the end",
	"blanks":        "[Unit]\n  Description \t =\t around  it \t\n[Service]\n Environment  =  A=1   B=2  ",
	"no-break":      "[Unit]\nDescription=\u00a0no-break spaces\u00a0",
	"repeated":      "[Unit]\nDescription=first\n[Service]\nEnvironment=A=1\n[Unit]\nDescription=second\n[Service]\nEnvironment=A=2",
	"other-section": "[X-Own]\nDescription=x\nExecStart=/bin/false\n[Unknown]\nEnvironment=A=1",
	"half-section":  "[Unit]\nDescription=before\n[Service\nEnvironment=A=1",
	"not-utf8":      "[Unit]\nDescription=before\nDocumentation=man:a(1) \xff\n[Service]\nEnvironment=A=1",
	"nul":           "[Unit]\nDescription=be\x00fore\n[Service]\nEnvironment=A=1",
	"long-line":     "[Unit]\nDescription=before\nDocumentation=man:" + strings.Repeat("a", 1<<20) + "\n[Service]\nEnvironment=A=1",
	"no-key":        "[Unit]\n=x\nno equals sign\nDescription=after",
	"docs":          "[Unit]\nDocumentation=https://example.org/ man:a(1) \"info:b c\"\nDocumentation=info:stackpolicy-rev-1",
	"docs-bad":      "[Unit]\nDocumentation=nonsense http:// man: file:/ /etc/x info:ok https://exämple.org man:ok",
	"docs-reset":    "[Unit]\nDocumentation=man:a(1)\nDocumentation=\nDocumentation=man:b(1)",
	"docs-double":   "[Unit]\nDocumentation=man:a(1) man:a(1)\nDocumentation=man:a(1)",
	"docs-open":     "[Unit]\nDocumentation=man:a(1) \"man:b",
	"env":           "[Service]\nEnvironment=A=1 B='2 3' \"C=4 5\" D= E=\"\" F=a=b\nEnvironment=A=9",
	"env-bad":       "[Service]\nEnvironment=NOVALUE 1X=1 A-B=1 OK=1 =x",
	"env-reset":     "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=1",
	"env-open":      "[Service]\nEnvironment=A=1 \"B=2",
	"env-escape":    "[Service]\nEnvironment=A=a\\tb \"B=\\\"q\\\"\"",
	"env-dollar":    "[Service]\nEnvironment=A=$HOME B=${A}",
	"zero":          "[Service]\nTimeoutStartSec=0",
	"infinity":      "[Service]\nTimeoutStartSec=infinity",
	"span":          "[Service]\nTimeoutStartSec=1min 30s",
	"span-joined":   "[Service]\nTimeoutStartSec=1min30s 5",
	"fraction":      "[Service]\nTimeoutStartSec=2.5s",
	"fine":          "[Service]\nTimeoutStartSec=1.001001s",
	"finer":         "[Service]\nTimeoutStartSec=8.0000009s",
	"month":         "[Service]\nTimeoutStartSec=1month",
	"span-bad":      "[Service]\nTimeoutStartSec=5parsec",
	"span-dot":      "[Service]\nTimeoutStartSec=5.",
	"span-huge":     "[Service]\nTimeoutStartSec=99999999999999999s",
	"span-empty":    "[Service]\nTimeoutStartSec=7\nTimeoutStartSec=",
	"span-both":     "[Service]\nTimeoutStartSec=7\nTimeoutSec=8",
	"exec":          "[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 600",
	"simple":        "[Service]\nType=simple\nExecStart=\nExecStart=/bin/sleep 600",
	"idle":          "[Service]\nType=idle\nExecStart=\nExecStart=/bin/sleep 600",
	"type-bad":      "[Service]\nType=onshot",
	"type-empty":    "[Service]\nType=",
	"notify":        "[Service]\nType=notify-reload\nNotifyAccess=all\nExecStart=\nExecStart=/bin/sh -c 'systemd-notify --ready'",
	"remain":        "[Service]\nRemainAfterExit=1",
	"remain-empty":  "[Service]\nRemainAfterExit=",
	"remain-bad":    "[Service]\nRemainAfterExit=maybe",
	"description-0": "[Unit]\nDescription=",
}

const freshBase = "[Unit]\nDescription=base\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"

// TestFreshlyLoadedIsTheSame: a unit that was just loaded has no differences to its files,
// however its settings are written. Each is tested as a fragment, as a drop-in, and as an
// instance.
func TestFreshlyLoadedIsTheSame(t *testing.T) {
	program := buildProgram(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) { fresh(t, program, options) })
}

func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stackpolicy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "stackpolicy/cmd/stackpolicy")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stackpolicy: %v\n%s", err, out)
	}
	return program
}

func fresh(t *testing.T, program string, options usermanager.Options) {
	declared, names := map[string]string{}, []string{}
	put := func(unit, path, text string) {
		declared[filepath.Join(scene.UnitDir, path)] = text
		names = append(names, unit)
	}
	for name, body := range freshUnits {
		put("frag-"+name+".service", "frag-"+name+".service", freshBase+body)
		put("drop-"+name+".service", "drop-"+name+".service", freshBase)
		declared[filepath.Join(scene.UnitDir, "drop-"+name+".service.d/a.conf")] = body
		put("inst-"+name+"@one.service", "inst-"+name+"@.service", freshBase+body)
	}
	declared[filepath.Join(scene.UnitDir, "frag-bom.service")] = "\ufeff" + freshBase
	names = append(names, "frag-bom.service")
	s, err := scene.Open(t.Context(), program, options, declared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _ = s.Systemctl(ctx, append([]string{"start"}, names...)...) // broken ones fail
	checkFresh(t, s, names)
}

func checkFresh(t *testing.T, s *scene.Scene, names []string) {
	t.Helper()
	r := s.Stackpolicy(t.Context(), "facts")
	var doc facts.Document
	if err := json.Unmarshal([]byte(r.Out), &doc); err != nil {
		t.Fatalf("status %d: %v\n%s", r.Code, err, r.Err)
	}
	for name, c := range doc.Collectors {
		if !c.OK && name != "podman" && name != "images" {
			t.Errorf("collector %s: %s", name, c.Error)
		}
	}
	compared := 0
	for _, u := range doc.Units {
		if !slices.Contains(names, u.Name) || u.Loaded == nil {
			continue
		}
		if u.Loaded.LoadState == "loaded" && u.Loaded.ActiveState == "active" {
			compared++
		}
		for _, d := range u.Loaded.Differs {
			t.Errorf("%s: %s", u.Name, fmt.Sprintf("%s is loaded as %.80q, on disk %.80q", d.Key, d.Loaded, d.OnDisk))
		}
	}
	if compared < len(names)*3/4 {
		t.Errorf("only %d of %d units were up and so compared", compared, len(names))
	}
}
