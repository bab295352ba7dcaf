package stack

import (
	"testing"

	"stackpolicy/internal/podman"
)

// What a killed apply made and did not put in its place is no container of the
// stack; where it is all that is left, it is.
func TestApart(t *testing.T) {
	one := func(id int, name, state string) podman.Details {
		return podman.Details{Container: podman.Container{ID: idOf(id), Name: name, State: state}}
	}
	old := "000000000000" // where the ids of the test begin
	cases := []struct {
		name      string
		all       []podman.Details
		leftovers int
	}{
		{"the old one runs", []podman.Details{one(1, "web_db_1", "running"), one(2, old+"_web_db_1", "created")}, 1},
		{"the old one is stopped", []podman.Details{one(1, "web_db_1", "exited"), one(2, old+"_web_db_1", "created")}, 1},
		{"two are left", []podman.Details{one(1, "web_db_1", "running"), one(2, old+"_web_db_1", "created"), one(3, old+"_web_db_1", "initialized")}, 2},
		{"the new one runs", []podman.Details{one(1, "web_db_1", "exited"), one(2, old+"_web_db_1", "running")}, 0},
		{"the old one is gone", []podman.Details{one(2, "abcdefabcdef_web_db_1", "created")}, 0},
		{"an ordinary one was never started", []podman.Details{one(1, "web_db_1", "created"), one(2, "web_app_1", "running")}, 0},
	}
	for _, c := range cases {
		containers, leftovers := apart(c.all)
		if len(leftovers) != c.leftovers || len(containers)+len(leftovers) != len(c.all) {
			t.Errorf("%s: %d containers and %d leftovers, want %d", c.name, len(containers), len(leftovers), c.leftovers)
		}
	}
}
