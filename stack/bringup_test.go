package stack

import (
	"testing"

	"stackpolicy/internal/podman"
)

func TestFinalName(t *testing.T) {
	cases := []struct{ name, given, want string }{
		{"0123456789ab_web_db_1", "", "web_db_1"},
		{"0123456789ab_web-db-1", "", "web-db-1"},
		{"0123456789ab_the-database", "the-database", "the-database"},
		{"0123456789ab_the-database", "", ""},
		{"web_db_1", "", ""},
		{"the-database", "the-database", ""},
		{"0123456789ax_web_db_1", "", ""},
		{"0123456789ab_shop_db_1", "", ""},
	}
	for _, c := range cases {
		container := podman.Container{Name: c.name, Labels: map[string]string{podman.LabelService: "db"}}
		if got := finalName(container, "web", c.given); got != c.want {
			t.Errorf("%s where the compose files say %q: %q, want %q", c.name, c.given, got, c.want)
		}
	}
}
