package engine

import (
	"slices"
	"testing"
)

func TestWhoseLabels(t *testing.T) {
	made := OwnLabels("web", "db", 1)
	program := OwnLabels("web", "db", 1)
	program["com.docker.compose.version"] = "2.26.1"
	foreign := map[string]string{"com.docker.compose.project": "web", "com.docker.compose.service": "db"}
	if !IsOwn(made) || !IsMade(made) {
		t.Error("the engine does not know its own container")
	}
	if !IsOwn(program) || IsMade(program) {
		t.Error("a container of docker-compose is one that the engine knows and did not make")
	}
	if IsOwn(foreign) || IsMade(foreign) {
		t.Error("a container of podman-compose is taken for the engine's")
	}
}

func TestLinksWithoutAlias(t *testing.T) {
	if got := withAlias([]string{"db", "db:db", "db:other"}); !slices.Equal(got, []string{"db:other"}) {
		t.Errorf("got %q", got)
	}
}
