package compose

import (
	"strings"

	"stackpolicy/internal/lazyregexp"
)

// failures reads from a provider's output that it could not start a container.
// podman-compose prints what podman says and goes on: it ends with exit status 0
// whatever became of its containers (seen in 1.0.3 and 1.3.0). For each of them
// it tries `podman run`, and then `podman start`. That run fails says nothing,
// as it does whenever the container exists. That start fails is certain. No line
// says for certain that a container was never made: the caller finds that out
// from podman.
type failures struct {
	said    string // the last line by which podman failed
	started string // 1.0.3 runs this command, and has not said how it ended
	certain string // the first line that leaves no doubt
	doomed  func() // called when there is one
}

var (
	// podman-compose 1.0.3 prints each command, and then its exit status.
	starts = lazyregexp.New(`^podman start (?:.* )?(\S+)$`)
	exited = lazyregexp.New(`^exit code: (-?\d+)$`)
	// podman start's own words, in 4.3 and 5.4: run has others.
	unable = lazyregexp.New(`^Error: unable to start container "`)
)

func (f *failures) read(line string) {
	switch exited := exited.Get().FindStringSubmatch(line); {
	case unable.Get().MatchString(line):
		f.mark(line)
	case starts.Get().MatchString(line):
		f.started = line
	case exited != nil && f.started != "":
		if exited[1] != "0" {
			f.mark(because(f.started+": "+line, f.said))
		}
		f.started = ""
	case strings.HasPrefix(line, "Error: "):
		f.said = line
	}
}

// because adds what podman had said before, as that tends to be the reason.
func because(line, said string) string {
	if said == "" {
		return line
	}
	return line + "; before that: " + said
}

func (f *failures) mark(line string) {
	if f.certain == "" {
		f.certain = line
		f.doomed()
	}
}
