package stack

import (
	"os"
	"testing"

	"stackpolicy/config"
)

// What the unit applied is not replaced by hand for variables that only this shell
// has. Where anything else has changed, it is.
func TestApplyByHandWithOtherVariables(t *testing.T) {
	cases := []struct {
		name    string
		unit    string
		change  func(*world)
		outcome Outcome
	}{
		{"nothing else", "8f2c", func(*world) {}, Blocked},
		{"a file", "8f2c", func(w *world) { w.write("web.env", "B=2\n", 0o644) }, Applied},
		{"an image and no variable", "8f2c", func(w *world) { w.images(other); w.setVariable("unit") }, ApplyFailed}, // the stand-in for a provider makes none of it
		{"the record is lost", "8f2c", func(w *world) { w.Env.StateHome = w.path("empty") }, Applied},
		{"it was applied by hand before", "", func(*world) {}, Applied},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("compose.yaml", "services: {app: {image: localhost/app:1, environment: {A: $A}}}\n", 0o644)
			w.write("web.env", "B=1\n", 0o644)
			s := w.web(func(s *config.Stack) { s.EnvFiles = []config.File{{Path: w.path("web.env")}} })
			w.setVariable("unit")
			w.Invocation = c.unit
			w.contains(container{"app", "running"})
			want(t, w.apply(s), Applied)

			w.Invocation = ""
			w.setVariable("shell")
			c.change(w)
			want(t, w.apply(s), c.outcome)
		})
	}
}

func (w *world) setVariable(value string) {
	w.Environ = []string{"PATH=" + os.Getenv("PATH"), "A=" + value}
}

func TestApplyByHandSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, environment: {A: $A}}}\n", 0o644)
	w.Invocation = "8f2c"
	s := w.web(nil)
	w.contains(container{"app", "running"})
	want(t, w.apply(s), Applied)
	w.Invocation = ""
	w.setVariable("shell")
	want(t, w.apply(s), Blocked, "variables of this shell differ from those of web.service, and because of them it would replace: app", "systemctl --user restart web.service")
	w.Invocation = "8f2d"
	want(t, w.apply(s), Applied)
}
