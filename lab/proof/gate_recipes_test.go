package proof

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stackpolicy/lab/usermanager"
)

// recipes returns the first block of code of each recipe in docs/gate.md.
func recipes(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/gate.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for part := range strings.SplitSeq(string(page), "\n### ") {
		name, rest, _ := strings.Cut(part, "\n")
		fenced := regexp.MustCompile("(?s)\n```[a-z]+\n(.*?)\n```\n").FindStringSubmatch(rest)
		indented := regexp.MustCompile(`(?m)^    .*$`).FindAllString(rest, -1)
		if fenced != nil {
			found[name] = fenced[1]
		} else {
			found[name] = strings.Join(indented, "\n")
		}
	}
	return found
}

// part returns what the first group of a pattern finds in a recipe.
func part(t *testing.T, recipe, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(recipe)
	if m == nil {
		t.Fatalf("the recipe has nothing like %s:\n%s", pattern, recipe)
	}
	return m[1]
}

// TestGateRecipes runs the recipes of docs/gate.md with stand-ins for the tools' own
// commands. Each switches once well and once so that needs.service stays stopped.
func TestGateRecipes(t *testing.T) {
	t.Parallel()
	s := open(t, usermanager.Options{}, dependent)
	s.systemctl("start", "db.service", "needs.service")
	found := recipes(t)
	tool := func(name, script string) {
		t.Helper()
		s.do(os.WriteFile(filepath.Join(s.BinDir, name), []byte("#!/bin/sh\nset -eu\n"+script), 0o755))
	}
	s.do(os.Rename(filepath.Join(s.BinDir, "stackpolicy"), filepath.Join(s.BinDir, "gated")))
	tool("stackpolicy", `case "$2" in
end) exec gated "$@" --settle 200ms ;;
run) shift 2; exec gated gate run --settle 200ms "$@" ;;
esac
exec gated "$@"
`) // the test need not wait as long as the page says

	// What a tool's activation does: as the file ~/how says, well or badly.
	tool("change", "[ ! -e ~/fails ] || exit 9\nsystemctl --user restart db.service\n[ -e ~/bad ] || exit 0\nsystemctl --user stop db.service; systemctl --user start db.service\n")
	tool("home-manager", `[ "$1" = switch ]; change`+"\n")
	tool("nixos-rebuild", `[ "$1" = switch ]; change`+"\n")
	tool("sudo", `exec "$@"`+"\n")
	tool("runuser", `[ "$1 $2 $3" = "-l alice -c" ]; exec sh -c "$4"`+"\n")
	tool("ssh", `[ "$1" = alice@web ]; shift; exec "$@"`+"\n")
	tool("colmena", `[ "$*" = "apply --on web" ]; change`+"\n")

	// deploy-rs runs the activation with PROFILE, and if that fails that of the profile before.
	activate := "set -euo pipefail\n" + part(t, found["deploy-rs"], `"(stackpolicy gate [^"]+)"`) + "\n"
	for _, profile := range []string{"old", "new"} {
		s.do(errors.Join(s.Write(s.Home+"/"+profile+"/activate", "#!/bin/sh\necho "+profile+" >>~/activated\nsystemctl --user start needs.service\n[ "+profile+" = old ] || exec change\n"),
			os.Chmod(s.Home+"/"+profile+"/activate", 0o755), s.Write(s.Home+"/"+profile+"/deploy-rs-activate", activate)))
	}
	deploy := `PROFILE=~/new bash ~/new/deploy-rs-activate && exit; status=$?
PROFILE=~/old bash ~/old/deploy-rs-activate || exit 99; exit $status`

	// chezmoi runs hooks before and after its command; the one after it if that succeeded.
	hook := func(when string) string {
		h := part(t, found["chezmoi"], `(?s)\[hooks\.apply\.`+when+`\]\n(command = .*?\n.*?\])`)
		return part(t, h, `command = "(.*?)"`) + " " + strings.NewReplacer(`"`, "", ",", "").Replace(part(t, h, `args = \[(.*?)\]`))
	}
	chezmoi := hook("pre") + "; change; " + hook("post")
	comin := part(t, found["comin"], `(?s)''\n(.*?)\n *''`)
	comin = strings.ReplaceAll(comin, "/run/current-system/sw/bin/", "")

	// comin's gate is not begun: an audit was before, of another generation.
	rounds := 600
	generation := func() {
		t.Helper()
		rounds++
		changed := map[string]string{}
		for path, text := range dependent {
			changed[path] = text
		}
		changed[unit("idle.service")] = daemon + strings.Repeat("#", rounds) + "\n"
		s.do(s.Activate(changed))
		s.reload()
	}

	transcript, err := os.ReadFile("../matrix/testdata/gate.txtar") // which runs podman's
	if s.do(err); !strings.Contains(string(transcript), "\n-- gate.conf --\n"+found["podman auto-update"]+"\n") {
		t.Errorf("lab/matrix runs another drop-in than that of the page:\n%s", found["podman auto-update"])
	}

	for name, script := range map[string]string{
		"home-manager": found["home-manager"], "nixos-rebuild": found["nixos-rebuild"], "colmena": found["colmena"],
		"deploy-rs": deploy, "chezmoi": chezmoi, "comin": "change\n" + comin,
	} {
		for _, c := range []struct {
			how    string
			status int
		}{{"good", 0}, {"bad", 2}, {"fails", 9}} {
			if c.how == "fails" && name != "deploy-rs" && name != "home-manager" {
				continue
			}
			s.systemctl("start", "needs.service")
			_ = os.Remove(s.Home + "/activated")
			if c.how != "good" {
				s.do(s.Write(s.Home+"/"+c.how, ""))
			}
			if name == "comin" {
				s.want("the audit before", s.eval(), 0)
				generation()
			}
			r := s.Do(s.Command(t.Context(), "/bin/bash", "-ec", strings.TrimSpace(script)))
			if r.Code != c.status || c.how == "bad" && !strings.Contains(r.Out, "`stackpolicy explain needs.service wanted_is_running`") {
				t.Errorf("%s, %s: status %d, want %d\n%s\n%s%s", name, c.how, r.Code, c.status, script, r.Out, r.Err)
			}
			if name == "deploy-rs" {
				log, _ := os.ReadFile(s.Home + "/activated")
				if want := map[string]string{"good": "new\n", "bad": "new\nold\n", "fails": "new\nold\n"}[c.how]; string(log) != want {
					t.Errorf("deploy-rs, %s: activated %q, want %q", c.how, log, want)
				}
			}
			_ = os.Remove(s.Home + "/" + c.how)
		}
	}
}
