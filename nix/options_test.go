package nix

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// optionsPage is written by TestOptionsPage.
const optionsPage = "../docs/nixos-options.md"

type option struct{ Name, Type, Description, Default, Example string }

// TestOptionsPage: each option has a description, and the page has them all.
func TestOptionsPage(t *testing.T) {
	if os.Getenv(nixpkgs) == "" {
		t.Skipf("set %s to evaluate the options by nixpkgs' library", nixpkgs)
	}
	var of map[string][]option
	if complaint := evaluateInto(t, "import ./testdata/options.nix { nixpkgs = "+layOut(t, os.Getenv(nixpkgs))+"; }", &of); complaint != "" {
		t.Fatal(complaint)
	}
	var page strings.Builder
	page.WriteString("# Options of the modules\n\n" +
		"[NixOS and Home Manager](nixos.md) says how to use them. Each one below is an option of\n" +
		"`services.stackpolicy`.\n\n<!-- written by go test ./nix -run TestOptionsPage -update -->\n")
	for _, part := range []struct{ title, of string }{{"Home Manager", "home"}, {"NixOS", "nixos"}} {
		fmt.Fprintf(&page, "\n## %s\n", part.title)
		slices.SortFunc(of[part.of], func(a, b option) int { return cmp.Compare(a.Name, b.Name) })
		for _, o := range of[part.of] {
			if name, isOurs := strings.CutPrefix(o.Name, "services.stackpolicy."); isOurs {
				o.write(t, &page, name)
			}
		}
	}
	if *update {
		write(t, optionsPage, page.String())
	}
	have, err := os.ReadFile(optionsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(have), page.String()); diff != "" {
		t.Errorf("%s (-want +got); if it is meant: go test ./nix -run TestOptionsPage -update\n%s", optionsPage, diff)
	}
}

func (o option) write(t *testing.T, page *strings.Builder, name string) {
	t.Helper()
	if o.Description == "" || strings.Contains(o.Type, "[^") || strings.Contains(o.Type, "[0-9]") {
		t.Errorf("%s has the description %q and the type %q", name, o.Description, o.Type)
	}
	fmt.Fprintf(page, "\n### `%s`\n\n%s\n\n- Type: %s\n", name, strings.Join(strings.Fields(o.Description), " "), o.Type)
	for _, v := range []struct{ title, text string }{{"Default", o.Default}, {"Example", o.Example}} {
		if v.text != "" {
			fmt.Fprintf(page, "- %s: `%s`\n", v.title, strings.Join(strings.Fields(v.text), " "))
		}
	}
}
