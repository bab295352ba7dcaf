package podman

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHealthWord(t *testing.T) {
	tests := map[string]string{
		"Up 36 seconds (healthy)":               "healthy",
		"Up 41 seconds ago (unhealthy)":         "unhealthy", // podman 4.3
		"Up Less than a second (starting)":      "starting",
		"Exited (137) 1 second ago (unhealthy)": "unhealthy",
		"Exited (7) 36 seconds ago":             "",
		"Up 2 hours":                            "",
		"Paused (healthy)":                      "healthy",
		"Created":                               "",
		"healthy":                               "healthy", // the API's
		"":                                      "",
		"(":                                     "",
		")":                                     "",
	}
	for status, want := range tests {
		if got := healthWord(status); got != want {
			t.Errorf("status %q: got %q, want %q", status, got, want)
		}
	}
}

func TestRows(t *testing.T) {
	for _, version := range []string{"4.3", "5.4"} {
		rows, err := parseRows(fixture(t, "ps-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var got [][4]string
		for _, row := range rows {
			got = append(got, [4]string{row.name, row.state, row.health, row.exitCode})
		}
		want := [][4]string{{"stack_db_1", "running", "healthy", "0"}, {"stack_once_1", "exited", "", "7"}, {"stack_web_1", "running", "unhealthy", "0"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %s (-want +got):\n%s", version, diff)
		}
	}
}
