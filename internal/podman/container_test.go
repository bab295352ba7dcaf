package podman

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
)

func TestParseRows(t *testing.T) {
	want := map[string][]string{
		"4.3": {
			"5c80e4d1cad080cb5d096489ffb8380116875d82c72255480288f0ad1d152992",
			"9fe6367927c11b90c5c765117f48ab7c68e2dcdb8f1f18737fb735ffd8fbcf0e",
			"762eafe472d5816dfe78c5d9b391ece93dc8946beb05767c5e9adc0d0b68651a",
		},
		"5.4": {
			"1a6fab32c42c277c33aa596bf6bdae3376d7a1019a488109c745789615d5aab0",
			"b5510d655df2efe864c779b18677876cc8a1d0c57125832367f09185a0f8c984",
			"33edbd7d0a2aa5e13dedfb46d8e813c0bb65fd9d3734e8b4cf86de9fabb38989",
		},
	}
	for version, ids := range want {
		t.Run(version, func(t *testing.T) {
			rows, err := parseRows(fixture(t, "ps-"+version+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range rows {
				got = append(got, row.id)
			}
			if diff := cmp.Diff(ids, got); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRowsRefuses(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"cut short":       {`[{"Id":"aa"},{"Id":"b`, "malformed JSON"},
		"id missing":      {`[{"Id":"aa"},{"Names":["x"]}]`, "container 2 of 2: Id is missing"},
		"id empty":        {`[{"Id":""}]`, "container 1 of 1: Id is missing"},
		"id a number":     {`[{"Id":12}]`, "Id is missing"},
		"entry no object": {`["aa"]`, "Id is missing"},
		"id an option":    {`[{"Id":"--latest"}]`, "not hexadecimal"},
		"id a path":       {`[{"Id":"../images"}]`, "not hexadecimal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := parseRows([]byte(test.data))
			wantError(t, err, test.want)
			if rows != nil {
				t.Errorf("got rows %q beside the error", rows)
			}
		})
	}
}

func TestParseContainers(t *testing.T) {
	image43 := "b5945e347e625be442595f5a56dac8472208622ca08bb49b544c85ed128eea87"
	image54 := "e010dd8387069f1a429a57f60d25537eb539b5e178a23d0f40afb3d586baf95f"
	pod54 := "2ec4404475a49fd5cbc5157aae7eb427a30f11f9bfb1a44c346e3a7f5c6614a7"
	unit54 := "podman-compose@stack.service"
	want := map[string][]Container{
		"4.3": {{
			ID: "5c80e4d1cad080cb5d096489ffb8380116875d82c72255480288f0ad1d152992", Name: "stack_db_1",
			Image: "localhost/bb:1", ImageID: image43, State: "running", Health: "healthy",
			RestartPolicy: "unless-stopped", StartedAt: at("2026-11-22T20:35:43.087635317Z"),
			Labels: map[string]string{"com.docker.compose.service": "db", "io.podman.compose.project": "stack"},
		}, {
			ID: "762eafe472d5816dfe78c5d9b391ece93dc8946beb05767c5e9adc0d0b68651a", Name: "stack_web_1",
			Image: "localhost/bb:1", ImageID: image43, State: "running", Health: "unhealthy",
			StartedAt: at("2026-11-22T20:35:45.820222786Z"),
			Labels: map[string]string{"com.docker.compose.service": "web", "io.podman.compose.project": "stack",
				"io.containers.autoupdate": "local", "lab.custom": "yes"},
		}, {
			ID: "9fe6367927c11b90c5c765117f48ab7c68e2dcdb8f1f18737fb735ffd8fbcf0e", Name: "stack_once_1",
			Image: "localhost/bb:1", ImageID: image43, State: "exited", ExitCode: 7,
			StartedAt: at("2026-11-22T20:35:44.402160531Z"), FinishedAt: at("2026-11-22T20:35:44.401136285Z"),
			Labels: map[string]string{"com.docker.compose.service": "once", "io.podman.compose.project": "stack"},
		}},
		"5.4": {{
			ID: "1a6fab32c42c277c33aa596bf6bdae3376d7a1019a488109c745789615d5aab0", Name: "stack_db_1",
			Image: "localhost/bb:1", ImageID: image54, Pod: pod54, State: "running", Health: "healthy",
			RestartPolicy: "unless-stopped", StartedAt: at("2026-11-22T20:27:44.008746904Z"),
			Labels: map[string]string{"com.docker.compose.service": "db", "io.podman.compose.project": "stack",
				"PODMAN_SYSTEMD_UNIT": unit54},
		}, {
			ID: "33edbd7d0a2aa5e13dedfb46d8e813c0bb65fd9d3734e8b4cf86de9fabb38989", Name: "stack_web_1",
			Image: "localhost/bb:1", ImageID: image54, Pod: pod54, State: "running", Health: "unhealthy",
			RestartPolicy: "no", StartedAt: at("2026-11-22T20:27:45.170481593Z"),
			Labels: map[string]string{"com.docker.compose.service": "web", "io.podman.compose.project": "stack",
				"io.containers.autoupdate": "local", "lab.custom": "yes", "PODMAN_SYSTEMD_UNIT": unit54},
		}, {
			ID: "b5510d655df2efe864c779b18677876cc8a1d0c57125832367f09185a0f8c984", Name: "stack_once_1",
			Image: "localhost/bb:1", ImageID: image54, Pod: pod54, State: "exited", ExitCode: 7,
			RestartPolicy: "no",
			StartedAt:     at("2026-11-22T20:27:44.760489747Z"), FinishedAt: at("2026-11-22T20:27:44.757139468Z"),
			Labels: map[string]string{"com.docker.compose.service": "once", "io.podman.compose.project": "stack",
				"PODMAN_SYSTEMD_UNIT": unit54},
		}},
	}
	for version, containers := range want {
		t.Run(version, func(t *testing.T) {
			got, err := parseContainers(fixture(t, "inspect-"+version+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(containers, got); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseContainerOddities(t *testing.T) {
	none := map[string]string{}
	brackets := strings.Repeat("[", 200)
	tests := map[string]struct {
		data string
		want Container
	}{
		"nothing but an id": {`{"Id":"aa"}`, Container{ID: "aa", Labels: none}},
		"nulls": {`{"Id":"aa","Name":null,"State":null,"RestartCount":null,"Config":{"Labels":null},"HostConfig":null}`,
			Container{ID: "aa", Labels: none}},
		"unknown keys and an error text": {`{"Id":"aa","Name":"x","New":{"Id":"bb"},"State":{"Status":"running","Error":"container is running"}}`,
			Container{ID: "aa", Name: "x", State: "running", Labels: none}},
		"numbers as text": {`{"Id":"aa","RestartCount":"3","State":{"ExitCode":"137"}}`,
			Container{ID: "aa", Restarts: 3, ExitCode: 137, Labels: none}},
		"numbers as floats": {`{"Id":"aa","RestartCount":3.0,"State":{"ExitCode":-1}}`,
			Container{ID: "aa", Restarts: 3, ExitCode: -1, Labels: none}},
		"health under its old name": {`{"Id":"aa","State":{"Healthcheck":{"Status":"starting"}}}`,
			Container{ID: "aa", Health: "starting", Labels: none}},
		"health under both names": {`{"Id":"aa","State":{"Healthcheck":{"Status":"starting"},"Health":{"Status":"healthy"}}}`,
			Container{ID: "aa", Health: "healthy", Labels: none}},
		"health without a status": {`{"Id":"aa","State":{"Health":{},"Healthcheck":null}}`, Container{ID: "aa", Labels: none}},
		"infra":                   {`{"Id":"aa","IsInfra":true,"Pod":"bb"}`, Container{ID: "aa", Infra: true, Pod: "bb", Labels: none}},
		"time in another zone": {`{"Id":"aa","State":{"StartedAt":"2026-11-22T21:00:00.5+01:00","FinishedAt":""}}`,
			Container{ID: "aa", StartedAt: at("2026-11-22T20:00:00.5Z"), Labels: none}},
		"never, in another zone": {`{"Id":"aa","State":{"StartedAt":"0001-01-01T01:00:00+01:00"}}`, Container{ID: "aa", Labels: none}},
		"labels no object":       {`{"Id":"aa","Config":{"Labels":["a=b"]}}`, Container{ID: "aa", Labels: none}},
		"hostile labels": {`{"Id":"aa","Name":"\u001b[2J","Config":{"Labels":{"":"none","a.b|@this":"<b>\u0000\n","n":7,"State.Status":"x"}}}`,
			Container{ID: "aa", Name: "\x1b[2J", Labels: map[string]string{"": "none", "a.b|@this": "<b>\x00\n", "n": "7", "State.Status": "x"}}},
		"invalid UTF-8": {"{\"Id\":\"aa\",\"Name\":\"a\xff\",\"Config\":{\"Labels\":{\"k\xfe\":\"\xc3\"}}}",
			Container{ID: "aa", Name: "a\uFFFD", Labels: map[string]string{"k\uFFFD": "\uFFFD"}}},
		"brackets in a text": {`{"Id":"aa","Name":"` + brackets + `\"` + brackets + `\\"}`,
			Container{ID: "aa", Name: brackets + `"` + brackets + `\`, Labels: none}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseContainer([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("container (-want +got):\n%s", diff)
			}
			if zone := got.StartedAt.Location(); zone != time.UTC {
				t.Errorf("StartedAt is in %v, want UTC", zone)
			}
		})
	}
}

// What nothing reads is bounded, and cannot hide what something reads.
func TestLabelsAreBounded(t *testing.T) {
	many := map[string]string{"PODMAN_SYSTEMD_UNIT": "web.service", "io.stackpolicy.definition": "abc", "a-long": strings.Repeat("x", 1<<20)}
	for i := range 100_000 {
		many[fmt.Sprintf("k%06d", i)] = "0123456789"
	}
	text, err := json.Marshal(map[string]any{"Id": "aa", "Config": map[string]any{"Labels": many}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseContainer(text)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for k, v := range c.Labels {
		size += len(k) + len(v)
	}
	if size > 70<<10 || c.Labels["PODMAN_SYSTEMD_UNIT"] != "web.service" || c.Labels["io.stackpolicy.definition"] != "abc" {
		t.Errorf("%d bytes; %q", size, c.Labels["PODMAN_SYSTEMD_UNIT"])
	}
	if long := c.Labels["a-long"]; !strings.HasSuffix(long, answer.CutMark) || len(long) > 16<<10 {
		t.Errorf("a long value has %d bytes, and ends in %q", len(long), long[len(long)-20:])
	}
	if c.LabelsLeft+len(c.Labels) != len(many) || c.LabelsLeft == 0 {
		t.Errorf("%d left out, %d of %d kept", c.LabelsLeft, len(c.Labels), len(many))
	}
}

// Each label that this package names is one that something reads, so none is left out.
func TestEveryNamedLabelIsRead(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "labels.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	ast.Inspect(file, func(n ast.Node) bool {
		constant, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(constant.Names[0].Name, "Label") {
			return true
		}
		literal, _ := constant.Values[0].(*ast.BasicLit)
		key, err := strconv.Unquote(literal.Value)
		if named++; err != nil || !IsRead(key) {
			t.Errorf("%s may be left out", constant.Names[0].Name)
		}
		return true
	})
	if named < 8 {
		t.Errorf("%d labels, want those of labels.go", named)
	}
}

func TestParseContainerRefuses(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"cut short":         {`{"Id":"aa","Name":"x`, "malformed JSON"},
		"id missing":        {`{"ID":"aa"}`, "Id is missing"},
		"a list":            {`[{"Id":"aa"}]`, "Id is missing"},
		"time of no format": {`{"Id":"aa","State":{"StartedAt":"yesterday"}}`, `aa: State.StartedAt: `},
		"time as a number":  {`{"Id":"aa","State":{"FinishedAt":1795379744}}`, `aa: State.FinishedAt: `},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseContainer([]byte(test.data))
			wantError(t, err, test.want)
		})
	}
}

func parseRows(data []byte) ([]row, error) {
	entries, err := answer.Array(data)
	if err != nil {
		return nil, err
	}
	return rowsOf(entries)
}

func parseContainers(data []byte) (containers []Container, err error) {
	entries, err := answer.Array(data)
	for _, entry := range entries {
		container, err := containerOf(entry)
		if err != nil {
			return nil, err
		}
		containers = append(containers, container)
	}
	return containers, err
}

func parseContainer(data []byte) (Container, error) {
	if err := answer.Validate(data); err != nil {
		return Container{}, err
	}
	return containerOf(gjson.ParseBytes(data))
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func at(text string) time.Time {
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return moment.UTC()
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want one with %q", err, part)
	}
}
