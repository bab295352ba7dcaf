package drift

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/unitfile"
)

func TestFragments(t *testing.T) {
	for name, tc := range map[string]struct {
		onDisk           []string
		expected, loaded string
		want             []string
	}{
		"where it should be":           {[]string{"/u/a", "/etc/a"}, "/u/a", "/u/a", []string{"/u/a", "/etc/a"}},
		"missing where it should be":   {[]string{"/etc/a"}, "/u/a", "/etc/a", []string{"/etc/a", "/u/a"}},
		"loaded from what is gone now": {[]string{"/u/a"}, "/u/a", "/run/a", []string{"/u/a", "/run/a"}},
		"expected nowhere":             {[]string{"/etc/a"}, "", "", []string{"/etc/a"}},
		"nowhere at all":               {nil, "", "", nil},
	} {
		if got := Fragments(tc.onDisk, tc.expected, tc.loaded); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestSources(t *testing.T) {
	if got, want := Sources([]string{"/q/b", "/q/a"}, "/old/a"), []string{"/q/b", "/q/a", "/old/a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Sources([]string{"/q/a"}, "/q/a"), []string{"/q/a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDropIns(t *testing.T) {
	onDisk := []unitfile.DropIn{{Path: "/u/a.conf"}, {Path: "/u/b.conf", Masked: true}}
	got := DropIns(onDisk, []string{"/u/a.conf", "/gone/c.conf"}, []string{"/u/b.conf", "/gone/c.conf", "/u/d.conf"})
	want := []unitfile.DropIn{{Path: "/u/a.conf"}, {Path: "/u/b.conf", Masked: true}, {Path: "/gone/c.conf", Masked: true}, {Path: "/u/d.conf", Masked: true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if len(onDisk) != 2 {
		t.Error("the index's own list grew")
	}
}

func TestLinks(t *testing.T) {
	link := func(of string) unitfile.Link {
		return unitfile.Link{Path: "/u/" + of + ".wants/web.service", Of: of, Kind: "wants"}
	}
	got := Links([]unitfile.Link{link("a.target")}, []unitfile.Link{link("b.target"), link("a.target")})
	if d := cmp.Diff([]unitfile.Link{link("a.target"), link("b.target")}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
