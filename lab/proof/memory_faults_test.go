package proof

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// unremembered are the findings of an audit that cannot read its memory.
const unremembered = "host drift_not_repeating gap block/unknown"

// memoryFaults are faults of the memory. A memory that cannot be used any more is set aside
// with a notice. A memory that cannot be used now is a gap.
var memoryFaults = []struct {
	name  string
	make  func(*stage) (undo func())
	aside bool
	said  string
}{
	{name: "no database", aside: true, said: "file is not a database", make: func(s *stage) func() {
		s.do(os.WriteFile(s.memory(), []byte(strings.Repeat("this is no database\n", 1000)), 0o600))
		return func() {}
	}},
	{name: "of a future version", aside: true, said: "its version is 99", make: func(s *stage) func() {
		s.sql("PRAGMA user_version = 99")
		return func() {}
	}},
	{name: "pages lost", aside: true, said: "malformed", make: func(s *stage) func() {
		s.do(os.Truncate(s.memory(), 3*4096))
		return func() {}
	}},
	{name: "another process has it", said: "another process has held it", make: (*stage).hold},
	{name: "read-only", said: "it cannot be written", make: (*stage).protect},
	{name: "disk full", said: "no space is left on its disk", make: (*stage).fill},
}

// TestMemoryFaults checks that an audit without a memory decides as usual and heals
// nothing. Its status is critical if there is a page, and unknown otherwise. When the
// memory can be used again, the next audit heals.
func TestMemoryFaults(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for _, f := range memoryFaults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				s := remembering(t, options, nil)
				s.again()
				s.want("before", s.enforce(), 0, healed)
				undo := f.make(s)
				s.again()
				before := s.reloads()
				if f.aside {
					s.setAside(f.said)
				} else {
					s.gap(f.said)
				}
				if n := s.reloads() - before; n != 0 {
					t.Errorf("%d reloads without a memory", n)
				}
				undo()
				s.want("afterwards", s.enforce(), 0, healed)
			})
		}
	})
}

// TestLostMemory checks that an audit whose memory was deleted heals nothing and says so: the
// budget is not known. The next one heals.
func TestLostMemory(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for name, path := range map[string]func(*stage) string{
			"the history":     (*stage).memory,
			"all of its home": func(s *stage) string { return filepath.Dir(s.memory()) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := remembering(t, options, nil)
				s.again()
				s.want("before", s.enforce(), 0, healed)
				s.do(os.RemoveAll(path(s)))
				s.again()
				before := s.reloads()
				r := s.Stackpolicy(t.Context(), "eval", "--policy", s.rules(), "--enforce")
				if r.Code != 1 || !strings.Contains(r.Err, "the history is gone") || !strings.Contains(r.Err, "nothing is healed in this audit") {
					t.Errorf("status %d, want 1 as in an audit that observes; standard error: %s", r.Code, r.Err)
				}
				if n := s.reloads() - before; n != 0 {
					t.Errorf("%d reloads without a memory", n)
				}
				s.want("afterwards", s.enforce(), 0, healed)
			})
		}
	})
}

// setAside checks that a new memory begins and the old one is kept.
func (s *stage) setAside(why string) {
	s.t.Helper()
	if r := s.Stackpolicy(s.t.Context(), "history"); r.Code != 3 || !strings.Contains(r.Err, why) {
		s.t.Errorf("history: status %d, want 3 and %q: %s", r.Code, why, r.Err)
	}
	r := s.Stackpolicy(s.t.Context(), "eval", "--policy", s.rules(), "--enforce")
	if !strings.Contains(r.Err, why) || !strings.Contains(r.Err, "nothing is healed in this audit") {
		s.t.Errorf("standard error does not say %q: %s", why, r.Err)
	}
	if r.Code != 1 || !strings.Contains(r.Out, "HEAL     loaded_is_current") {
		s.t.Errorf("status %d, want 1 as without the fault:\n%s", r.Code, r.Out)
	}
	kept, err := filepath.Glob(s.memory() + ".damaged-*Z")
	s.do(err)
	if len(kept) != 1 {
		s.t.Errorf("set aside are %v", kept)
	}
}

// gap checks that a memory that cannot be read is reported, with status unknown if nothing
// is worse.
func (s *stage) gap(why string) {
	s.t.Helper()
	r := s.enforce()
	findings := slices.DeleteFunc(r.findings(), func(f string) bool { return f == unremembered })
	if r.ExitCode != 3 || !slices.Equal(findings, []string{refused}) {
		s.t.Errorf("status %d, want 3, and %v", r.ExitCode, findings)
	}
	if len(r.Gaps) != 1 || r.Gaps[0].Collector != "history" || !strings.Contains(r.Gaps[0].Error, why) {
		s.t.Errorf("gaps %+v, want one of the history: %s", r.Gaps, why)
	}
	link := s.Unit("files.service")
	target, err := os.Readlink(link)
	s.do(err)
	s.do(os.Remove(link))
	if r := s.enforce(); r.ExitCode != 2 || !slices.Contains(r.findings(), "files.service file_declared missing block/page") {
		s.t.Errorf("with a page: status %d, want 2: %v", r.ExitCode, r.findings())
	}
	s.do(s.Link(target, link))
}

// hold starts a process that locks the memory.
func (s *stage) hold() (release func()) {
	s.t.Helper()
	cmd := s.sqlCommand("hold", "BEGIN IMMEDIATE")
	in, err := cmd.StdinPipe()
	s.do(err)
	out, err := cmd.StdoutPipe()
	s.do(err)
	s.do(cmd.Start())
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "held" {
		s.t.Fatalf("the memory is not held: %v", cmd.Wait())
	}
	return func() {
		s.do(in.Close())
		s.do(cmd.Wait())
	}
}

// protect removes the account's permission to write.
func (s *stage) protect() (undo func()) {
	s.t.Helper()
	change := func(file, folder os.FileMode) {
		s.do(os.Chmod(s.memory(), file))
		s.do(os.Chmod(filepath.Dir(s.memory()), folder))
	}
	change(0o400, 0o500)
	return func() { change(0o600, 0o700) }
}

// fill mounts a small file system for the memory, and fills it.
func (s *stage) fill() (undo func()) {
	s.t.Helper()
	if os.Geteuid() != 0 {
		s.t.Skip("only root can mount a small disk")
	}
	dir := filepath.Dir(s.memory())
	id := strconv.Itoa(s.UID)
	s.root("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700,uid="+id+",gid="+strconv.Itoa(s.GID), "tmpfs", dir)
	s.again()
	s.want("the memory before is gone", s.enforce(), 1, stale)
	s.want("on a disk of its own", s.enforce(), 0, healed)
	s.root("sh", "-c", "! head -c 2m /dev/zero >"+dir+"/more 2>&-")
	return func() { s.root("rm", dir+"/more") }
}

// root runs a command as root in the manager's namespaces.
func (s *stage) root(argv ...string) {
	s.t.Helper()
	if r := s.Do(s.RootCommand(s.t.Context(), argv...)); r.Code != 0 {
		s.t.Fatalf("%v: status %d: %s", argv, r.Code, r.Err)
	}
}

// TestMemoryClock checks that there is no new budget if the clock is set back by a day, and
// that there is one a day later. The program reads the machine's clock, so the test moves
// the times in the memory instead.
func TestMemoryClock(t *testing.T) {
	const day = 24 * 60 * 60
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, nil)
		s.policies("host: 6", "host: 2")
		for range 2 {
			s.again()
			s.want("within the budget", s.enforce(), 0, healed)
		}
		s.elapse(-day)
		s.again()
		s.refused("a day back", s.enforce(), 1, "the budget of the host is used up", refused)
		if r := s.Stackpolicy(t.Context(), "status"); r.Code != 1 {
			t.Errorf("status: %d, want the last audit's 1: %s%s", r.Code, r.Out, r.Err)
		}
		s.resetBreaker()
		s.elapse(2 * day)
		if r := s.Stackpolicy(t.Context(), "status"); r.Code != 3 {
			t.Errorf("status of an old audit: %d, want 3: %s%s", r.Code, r.Out, r.Err)
		}
		s.reload() // a finding that was open for a day is no longer healed
		s.again()
		s.want("a day on", s.enforce(), 0, healed)
	})
}
