package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// web is the project of testdata/web.
func web(t *testing.T) (dir string, o Options) {
	t.Helper()
	dir, err := filepath.Abs("testdata/web")
	if err != nil {
		t.Fatal(err)
	}
	return dir, Options{
		Project:  "web",
		Files:    []string{dir + "/compose.yaml", dir + "/override.yaml"},
		EnvFiles: []string{dir + "/web.env", dir + "/later.env"},
		Environ:  []string{"SINCE=1970"},
	}
}

func TestLoad(t *testing.T) {
	dir, o := web(t)
	got, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := &Project{
		Name:  "web",
		Files: []string{dir + "/compose.yaml", dir + "/db/compose.yaml", dir + "/common/base.yaml", dir + "/override.yaml"},
		Services: []Service{
			{Name: "app", Image: "registry.example/app:2", Replicas: 2, Restart: "unless-stopped", HealthCheck: true,
				Labels:    map[string]string{"PODMAN_SYSTEMD_UNIT": "web.service", "tier": "front"},
				DependsOn: []string{"db", "migrate"}},
			{Name: "backup", Image: "registry.example/backup", Build: &Build{Context: dir, Dockerfile: dir + "/Dockerfile"}, ContainerName: "nightly", Replicas: 1,
				Restart: "no", OneShot: true, Labels: map[string]string{}},
			{Name: "db", Image: "registry.example/db:16", Replicas: 1, Labels: map[string]string{}},
			{Name: "migrate", Image: "registry.example/app:2", Replicas: 1, OneShot: true, Labels: map[string]string{}},
		},
		Inactive: []string{"debug"},
		EnvFiles: []EnvFile{
			{Service: "app", Path: dir + "/app.env", Required: true},
			{Service: "app", Path: dir + "/local.env"},
			{Service: "db", Path: dir + "/db/db.env", Required: true},
		},
		Secrets: []SecretFile{{"settings", dir + "/settings.toml"}, {"token", dir + "/token"}},
		Unset:   []string{"OWNER"},
		Environ: []string{"OWNER_NAME=ada", "SINCE=1970", "TAG=2"},
	}
	ignored := cmp.Options{cmpopts.IgnoreFields(Project{}, "Digest"), cmpopts.IgnoreUnexported(Project{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
	for _, service := range got.Services {
		if service.Labels == nil {
			t.Errorf("labels of %s are nil", service.Name)
		}
	}
}

func TestVariablesAndProfiles(t *testing.T) {
	tests := map[string]struct {
		compose, dotenv string
		environ         []string
		image           string
		profiles, unset []string
	}{
		"environment wins over env files": {compose: "image: i:$TAG", environ: []string{"TAG=3"}, image: "i:3"},
		"a later env file wins":           {compose: "image: i:$TAG", image: "i:2"},
		"env files win over .env":         {compose: "image: i:$TAG", dotenv: "TAG=0", image: "i:2"},
		".env is read":                    {compose: "image: i:$LOW", dotenv: "LOW=0", image: "i:0"},
		"set to nothing is set":           {compose: "image: i$NONE", environ: []string{"NONE="}, image: "i"},
		"unset":                           {compose: "image: i$NONE${TAG}", image: "i2", unset: []string{"NONE"}},
		"unset with a default":            {compose: "image: i${NONE:-1}", image: "i1"},
		"unset within a default":          {compose: "image: i${NONE:-$NEITHER}", image: "i", unset: []string{"NEITHER"}},
		"unset within a default not used": {compose: "image: i${TAG:-$NEITHER}", image: "i2"},
		"not a variable":                  {compose: "image: i$$NONE", image: "i$NONE"},
		"a profile":                       {compose: "{image: i, profiles: [b]}", environ: []string{"COMPOSE_PROFILES=a,b"}, image: "i", profiles: []string{"a", "b"}},
		"all profiles":                    {compose: "{image: i, profiles: [b]}", environ: []string{"COMPOSE_PROFILES=*"}, image: "i", profiles: []string{"*"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := "services:\n  a:\n    " + strings.TrimPrefix(test.compose, "  ") + "\n"
			o := project(t, map[string]string{"c.yaml": text, "1.env": "TAG=1", "2.env": "TAG=2", ".env": test.dotenv})
			o.Environ = test.environ
			for _, file := range []string{"1.env", "2.env"} {
				o.EnvFiles = append(o.EnvFiles, filepath.Join(filepath.Dir(o.Files[0]), file))
			}
			got, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Services) != 1 || got.Services[0].Image != test.image || !slices.Equal(got.Unset, test.unset) || !slices.Equal(got.Profiles, test.profiles) {
				t.Errorf("got services %+v, unset %q, profiles %q; want image %q, unset %q, profiles %q",
					got.Services, got.Unset, got.Profiles, test.image, test.unset, test.profiles)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	many := map[string]string{"c.yaml": "include: [" + numbered(0) + "]\nservices: {a: {image: i}}"}
	for i := range maxFiles {
		many[numbered(i)] = "include: [" + numbered(i+1) + "]\nservices: {a: {image: i}}"
	}
	tests := map[string]struct {
		files map[string]string
		want  []string // parts of the error
	}{
		"no file":              {map[string]string{}, []string{"c.yaml", "no such file"}},
		"empty":                {map[string]string{"c.yaml": ""}, []string{"c.yaml", "empty compose file"}},
		"not YAML":             {map[string]string{"c.yaml": "services:\n  a: ["}, []string{"c.yaml", "L3"}},
		"not a mapping":        {map[string]string{"c.yaml": "- a"}, []string{"c.yaml", "mapping"}},
		"unknown key":          {map[string]string{"c.yaml": "services: {a: {image: i, imgae: x}}"}, []string{"c.yaml", "services.a", "imgae"}},
		"wrong type":           {map[string]string{"c.yaml": "services: {a: {image: [i]}}"}, []string{"c.yaml", "services.a.image", "string"}},
		"neither image":        {map[string]string{"c.yaml": "services: {a: {command: x}}"}, []string{"c.yaml", `"a"`, "neither an image nor a build"}},
		"unknown dependency":   {map[string]string{"c.yaml": "services: {a: {image: i, depends_on: [b]}}"}, []string{"c.yaml", `"a"`, `"b"`}},
		"unknown network":      {map[string]string{"c.yaml": "services: {a: {image: i, networks: [n]}}"}, []string{"c.yaml", `"a"`, "n"}},
		"unknown secret":       {map[string]string{"c.yaml": "services: {a: {image: i, secrets: [s]}}"}, []string{"c.yaml", `"a"`, "s"}},
		"required variable":    {map[string]string{"c.yaml": "services: {a: {image: \"${TAG:?say which}\"}}"}, []string{"c.yaml", "TAG", "say which"}},
		"bad variable":         {map[string]string{"c.yaml": "services: {a: {image: \"${TAG\"}}"}, []string{"c.yaml", "services.a.image"}},
		"aliases without end":  {map[string]string{"c.yaml": bomb()}, []string{"c.yaml"}},
		"included by URL":      {map[string]string{"c.yaml": "include: ['https://example.org/c.yaml']"}, []string{"c.yaml", "include", "is remote", "keep a copy"}},
		"included by git":      {map[string]string{"c.yaml": "include: [{path: 'git@example.org:x'}]"}, []string{"is remote"}},
		"included by registry": {map[string]string{"c.yaml": "include: [{path: ['oci://example.org/x']}]"}, []string{"is remote"}},
		"extends a URL":        {map[string]string{"c.yaml": "services: {a: {extends: {service: b, file: 'https://example.org/c'}}}"}, []string{"c.yaml", "services.a.extends", "is remote"}},
		"remote by variable":   {map[string]string{"c.yaml": "include: ['${WHERE}']", ".env": "WHERE=https://example.org/c"}, []string{"is remote"}},
		"included and missing": {map[string]string{"c.yaml": "include: [other.yaml]"}, []string{"c.yaml: include", "other.yaml", "no such file"}},
		"includes itself":      {map[string]string{"c.yaml": "include: [c.yaml]\nservices: {a: {image: i}}"}, []string{"include cycle"}},
		"extends itself":       {map[string]string{"c.yaml": "services: {a: {extends: {service: a}}}"}, []string{"ircular reference"}},
		"too many files":       {many, []string{"more than 100 compose files"}},
		"too large":            {map[string]string{"c.yaml": strings.Repeat("#", maxFile+1)}, []string{"c.yaml", "larger than 1 MiB"}},
		"included, too large":  {map[string]string{"c.yaml": "include: [l.yaml]", "l.yaml": strings.Repeat("#", maxFile+1)}, []string{"l.yaml", "larger than 1 MiB"}},
		"an unset variable":    {map[string]string{"c.yaml": "services:\n  a:\n    image: i\n    volumes: ['${WHERE}:/data']"}, []string{"c.yaml:4", "WHERE", "services.a.volumes[0]", "nobody sets"}},
		"bad variables":        {map[string]string{"c.yaml": "services: {a: {image: i}}", ".env": "A-B=\"x"}, []string{".env"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), project(t, test.files))
			wantError(t, err, append(test.want, "compose project t")...)
		})
	}
}

func TestLoadDoesNotWaitForPipes(t *testing.T) {
	tests := map[string]struct{ pipe, compose string }{
		"compose file": {"c.yaml", ""},
		"included":     {"p.yaml", "include: [p.yaml]"},
		"extended":     {"p.yaml", "services: {a: {extends: {service: b, file: p.yaml}}}"},
		".env":         {".env", "services: {a: {image: i}}"},
		"env_file":     {"p", "services: {a: {image: i, env_file: p}}"},
		"label_file":   {"p", "services: {a: {image: i, label_file: p}}"},
		"included env": {"p", "include: [{path: c.yaml, env_file: p}]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := project(t, map[string]string{"c.yaml": test.compose})
			pipe := filepath.Join(filepath.Dir(o.Files[0]), test.pipe)
			if test.pipe == "c.yaml" {
				os.Remove(pipe)
			}
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(t.Context(), o)
			wantError(t, err, pipe+": not a regular file")
		})
	}
}

func TestLoadOptions(t *testing.T) {
	tests := map[string]struct {
		o    Options
		want string
	}{
		"no project":      {Options{Files: []string{"/c"}}, "is no compose project; use a-z"},
		"capitals":        {Options{Project: "Web", Files: []string{"/c"}}, `"Web" is no compose project`},
		"an option":       {Options{Project: "-f", Files: []string{"/c"}}, `"-f" is no compose project`},
		"no files":        {Options{Project: "t"}, "has no compose file"},
		"relative":        {Options{Project: "t", Files: []string{"c"}}, `"c" is not an absolute path`},
		"relative env":    {Options{Project: "t", Files: []string{"/c"}, EnvFiles: []string{"e"}}, `"e" is not an absolute path`},
		"missing env":     {Options{Project: "t", Files: []string{"/c"}, EnvFiles: []string{"/nosuch.env"}}, "/nosuch.env: no such file"},
		"standard input":  {Options{Project: "t", Files: []string{"-"}}, `"-" is not an absolute path`},
		"a folder":        {Options{Project: "t", Files: []string{"/"}}, "/: not a regular file"},
		"an endless file": {Options{Project: "t", Files: []string{"/dev/zero"}}, "/dev/zero: not a regular file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), test.o)
			wantError(t, err, test.want)
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	cause := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, o := web(t)
	got, err := Load(ctx, o)
	if !errors.Is(err, cause) || got != nil {
		t.Errorf("got %v, error %v; want %v", got, err, cause)
	}
}

// project is a folder with these files, of which c.yaml is the compose file.
func project(t *testing.T, files map[string]string) Options {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return Options{Project: "t", Files: []string{filepath.Join(dir, "c.yaml")}}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
}

func numbered(i int) string {
	return "n" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)) + ".yaml"
}

// bomb is a file whose aliases stand for ten to the ninth elements.
func bomb() string {
	text := "services: {a: {image: i}}\nx-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		here, before := strconv.Itoa(i+1), "*a"+strconv.Itoa(i)
		text += "x-" + here + ": &a" + here + " [" + strings.Repeat(before+", ", 9) + before + "]\n"
	}
	return text
}

// TestSSHKeys: keys for a build have one form and order, and their paths count.
func TestSSHKeys(t *testing.T) {
	o := project(t, map[string]string{"c.yaml": ""})
	load := func(ssh string) *Project {
		t.Helper()
		if err := os.WriteFile(o.Files[0], []byte("services: {a: {build: {context: ., ssh: "+ssh+"}}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Load(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := load("[default, 'a=/run/a', 'b=/run/b']")
	if got := p.Services[0].Build; !slices.Equal(got.SSH, []string{"a=/run/a", "b=/run/b", "default"}) || len(got.Unknown) > 0 {
		t.Errorf("%+v", got)
	}
	model, err := p.Model()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := model.Text(); err != nil || !strings.Contains(string(text), "- a=/run/a") {
		t.Errorf("%s, %v", text, err)
	}
	if d := load("['b=/run/b', 'a=/run/a', default]").Digest; d != p.Digest {
		t.Error("the same in another order is another build")
	}
	if d := load("[default, 'a=/run/a', 'b=/run/c']").Digest; d == p.Digest {
		t.Error("another path is the same build")
	}
}
