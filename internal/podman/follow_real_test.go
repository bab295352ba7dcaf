package podman_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"stackpolicy/internal/podman"
	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

// followVariable makes the test binary follow podman's events instead of testing, in a
// machine and as its user: "socket" or "command", and what to run before it is ready.
const followVariable = "PODMAN_TEST_FOLLOW"

func TestMain(m *testing.M) {
	if v := os.Getenv(followVariable); v != "" {
		follow(strings.Fields(v))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// follow prints each change until its standard input ends.
func follow(words []string) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	client := podman.Of(os.Getenv("XDG_RUNTIME_DIR"))
	if words[0] == "command" {
		client.Socket = "/nowhere"
	} else {
		client.Command = ""
	}
	err := client.Follow(ctx, func() {
		if out, err := exec.Command(words[1], words[2:]...).CombinedOutput(); err != nil {
			fmt.Printf("end %v: %s\n", err, out)
		}
		fmt.Println("ready")
	}, func(image bool) {
		fmt.Println(map[bool]string{true: "image", false: "container"}[image])
	})
	fmt.Println("end", err)
}

// stage is a machine with an image.
type stage struct {
	*machine.Machine
	t       *testing.T
	program string
}

// followed is a running follow.
type followed struct {
	*stage
	way   string
	lines chan string // closed at its end
	end   string      // why it ended
	stop  func()
}

func (s *stage) run(argv ...string) string {
	s.t.Helper()
	out, err := s.Command(s.t.Context(), argv...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// follow follows with these variables. What happens inside of ready is seen already.
func (s *stage) follow(way string, env ...string) *followed {
	s.t.Helper()
	env = append([]string{"env", followVariable + "=" + way + " podman tag localhost/app:1 localhost/ready:1"}, env...)
	cmd := s.Command(s.t.Context(), append(env, s.program)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	f := &followed{stage: s, way: way, lines: make(chan string, 1<<16), stop: func() { in.Close() }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(f.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if why, isEnd := strings.CutPrefix(lines.Text(), "end "); isEnd {
				f.end = why
				return
			}
			f.lines <- lines.Text()
		}
	}()
	s.t.Cleanup(func() { in.Close(); <-done; _ = cmd.Wait() })
	f.wait("ready")
	f.wait("image") // the tag
	return f
}

// wait waits for a line.
func (f *followed) wait(want string) {
	f.t.Helper()
	for end := time.After(20 * time.Second); ; {
		select {
		case line, more := <-f.lines:
			if line == want {
				return
			}
			if !more {
				f.t.Fatalf("%s ended before %s: %s", f.way, want, f.end)
			}
		case <-end:
			f.t.Fatalf("%s: no %s", f.way, want)
		}
	}
}

// settle returns what comes until nothing comes for a while.
func (f *followed) settle(silence time.Duration) (seen []string) {
	for {
		select {
		case line := <-f.lines:
			seen = append(seen, line)
		case <-time.After(silence):
			return seen
		}
	}
}

// TestRealFollow: what happens to containers and images of rootless podman is seen on both ways.
func TestRealFollow(t *testing.T) {
	for _, suite := range debian.Suites() {
		t.Run(suite, func(t *testing.T) {
			options := machine.Options{Suite: suite}
			if err := machine.Available(options); err != nil {
				t.Skip("no machine can be booted here: ", err)
			}
			m, err := machine.Boot(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
			program, err := m.Install(os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Image(t.Context(), machine.Image{Name: "localhost/app:1"}); err != nil {
				t.Fatal(err)
			}
			s := &stage{m, t, program}
			s.run("systemctl", "--user", "start", "podman.socket")
			both := []*followed{s.follow("socket"), s.follow("command")}
			testChanges(s, both)
			testHealth(s, both)
			testMany(s, both)
			testEnds(s, both)
			testFileBackend(s)
		})
	}
}

func testChanges(s *stage, both []*followed) {
	for _, step := range []struct{ want, command string }{
		{"container", "create --name web localhost/app:1"}, {"container", "start web"}, {"container", "kill web"},
		{"container", "rename web db"}, {"container", "rm --force db"},
		{"image", "tag localhost/app:1 localhost/app:2"}, {"image", "untag localhost/app:2 localhost/app:2"}, {"image", "rmi localhost/ready:1"},
		{"container", "pod create --infra=false --name group"}, {"container", "pod rm group"},
	} {
		for _, f := range both {
			f.settle(300 * time.Millisecond)
		}
		begun := time.Now()
		s.run(append([]string{"podman"}, strings.Fields(step.command)...)...)
		took := time.Since(begun)
		for _, f := range both {
			f.wait(step.want)
			s.t.Logf("%s: the command ended after %v, seen by %s within %v", step.command, took.Round(time.Millisecond), f.way, time.Since(begun).Round(time.Millisecond))
		}
	}
	for _, f := range both {
		f.settle(time.Second)
	}
	s.run("podman", "ps", "--all")
	s.run("podman", "images")
	s.run("podman", "image", "inspect", "localhost/app:1")
	for _, f := range both { // longer than the service waits for a connection before it ends
		if seen := f.settle(7 * time.Second); len(seen) > 0 {
			s.t.Errorf("%s: reading gave %q", f.way, seen)
		}
	}
	s.run("podman", "tag", "localhost/app:1", "localhost/app:3")
	for _, f := range both {
		f.wait("image")
	}
}

func testHealth(s *stage, both []*followed) {
	s.run("podman", "run", "--detach", "--name", "sick", "--health-cmd", "test ! -e /bad", "--health-interval", "1s", "--health-retries", "2", "localhost/app:1")
	for end := time.Now().Add(20 * time.Second); s.health() != "healthy"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it does not become healthy")
		}
	}
	for _, f := range both {
		f.settle(4 * time.Second)
		if seen := f.settle(4 * time.Second); len(seen) > 0 {
			s.t.Errorf("%s: checks that succeed gave %q", f.way, seen)
		}
	}
	s.run("podman", "exec", "sick", "touch", "/bad")
	for _, f := range both {
		f.settle(100 * time.Millisecond)
	}
	for end := time.Now().Add(20 * time.Second); s.health() != "unhealthy"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it does not become unhealthy")
		}
	}
	begun := time.Now()
	for _, f := range both {
		f.wait("container")
		s.t.Logf("unhealthy, seen by %s within %v", f.way, time.Since(begun).Round(time.Millisecond))
	}
	s.run("podman", "rm", "--force", "--time=0", "sick")
}

func (s *stage) health() string {
	return s.run("podman", "inspect", "--format", "{{.State.Health.Status}}", "sick")
}

// testMany: the followers see as many events as podman lists afterwards.
func testMany(s *stage, both []*followed) {
	s.run("podman", "create", "--name", "often", "localhost/app:1", "true")
	for _, f := range both {
		f.settle(2 * time.Second)
	}
	time.Sleep(time.Second) // since is in whole seconds
	since := fmt.Sprint(time.Now().Unix())
	starts := 20
	if debian.Each() {
		starts = 100
	}
	s.run("sh", "-c", fmt.Sprintf("for i in $(seq %d); do podman start --attach often || exit 1; done", starts))
	var counts []int
	for _, f := range both {
		counts = append(counts, len(f.settle(2*time.Second)))
	}
	list := s.run("podman", "events", "--stream=false", "--since", since, "--format", "{{.Status}}")
	if listed := strings.Count("\n"+strings.ReplaceAll(list, "\n", "\n\n")+"\n", "\nstart\n"); listed != starts {
		s.t.Errorf("podman lists %d starts of %d", listed, starts)
	}
	for i, f := range both {
		if want := len(strings.Fields(list)); counts[i] != want {
			s.t.Errorf("%s saw %d of %d events", f.way, counts[i], want)
		}
	}
}

func testEnds(s *stage, both []*followed) {
	s.run("systemctl", "--user", "stop", "podman.socket", "podman.service")
	s.run("pkill", "--exact", "--full", "podman events --format json --since [0-9]*|/usr/bin/podman events --format json --since [0-9]*")
	for _, f := range both {
		for range f.lines {
		}
		s.t.Logf("%s ended: %s", f.way, f.end)
		if !strings.Contains(f.end, "podman "+f.way) {
			s.t.Errorf("%s ended: %s", f.way, f.end)
		}
	}
	f := s.follow("command")
	f.stop()
	for range f.lines {
	}
	if !strings.Contains(f.end, "context canceled") {
		s.t.Errorf("ended: %s", f.end)
	}
	if out, err := s.Command(s.t.Context(), "pgrep", "--full", "podman events").CombinedOutput(); err == nil {
		s.t.Errorf("processes are left: %s", out)
	}
}

// testFileBackend: with events in a file, which no journal sorts by time.
func testFileBackend(s *stage) {
	conf := machine.Home + "/file.conf"
	if err := s.Write(conf, "[engine]\nevents_logger = \"file\"\n"); err != nil {
		s.t.Fatal(err)
	}
	env := "CONTAINERS_CONF=" + conf
	f := s.follow("command", env)
	s.run("env", env, "podman", "tag", "localhost/app:1", "localhost/app:4")
	f.wait("image")
	s.run("env", env, "podman", "create", "--name", "filed", "localhost/app:1")
	f.wait("container")
	s.run("sh", "-c", "echo '[engine]\nevents_logger = \"none\"' >"+conf)
	out := s.run("sh", "-c", "sleep 10 | env "+env+" "+followVariable+"='command true' "+s.program)
	if !strings.Contains(out, "keeps no events") {
		s.t.Errorf("without events: %q", out)
	}
}
