package proof

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// blamed has the fields of stackpolicy blame -o json.
type blamed struct {
	Unit     string
	Source   string
	Settings []struct {
		Section, Key, Value, File string
		Line                      int
		Declared, Loaded          bool
		Overrides                 []struct{ Key, Value, File string }
	}
	Ignored []struct{ Reason string }
}

func (s *stage) blame(unit string) (b blamed) {
	s.t.Helper()
	r := s.Stackpolicy(s.t.Context(), "blame", unit, "-o", "json")
	if err := json.Unmarshal([]byte(r.Out), &b); err != nil || r.Code != 0 {
		s.t.Fatalf("blame %s: status %d, %v\n%s%s", unit, r.Code, err, r.Out, r.Err)
	}
	return b
}

// text writes the settings that count as one file.
func (b blamed) text() string {
	var out strings.Builder
	section := ""
	for _, v := range b.Settings {
		if v.Section != section {
			section = v.Section
			fmt.Fprintf(&out, "[%s]\n", section)
		}
		fmt.Fprintf(&out, "%s=%s\n", v.Key, v.Value)
	}
	return out.String()
}

// execSamples are the settings of what runs a program: each has three values.
const execSamples = `
Environment: A=1 | B=2 | "C=3 4"
EnvironmentFile: -/a | -/b | -/c
PassEnvironment: A | B | C
UnsetEnvironment: D | E | F
LimitNOFILE: 100 | 200 | 300
Nice: 1 | 2 | 3
UMask: 0001 | 0002 | 0003
WorkingDirectory: /a | /b | /c
SyslogIdentifier: a | b | c
StandardOutput: null | journal | null
ReadWritePaths: -/a | -/b | -/c
InaccessiblePaths: -/d | -/e | -/f
BindPaths: -/g | -/h | -/i
TemporaryFileSystem: /j | /k | /l
RuntimeDirectory: m | n | o
StateDirectory: p | q | r
SupplementaryGroups: adm | audio | video
CapabilityBoundingSet: CAP_CHOWN | CAP_KILL | CAP_FOWNER
AmbientCapabilities: CAP_CHOWN | CAP_KILL | CAP_FOWNER
SecureBits: keep-caps | noroot | no-setuid-fixup
SystemCallFilter: read | write | close
SystemCallLog: read | write | close
SystemCallArchitectures: x86 | x86-64 | x32
RestrictAddressFamilies: AF_UNIX | AF_INET | AF_INET6
RestrictNamespaces: net | pid | user
LogExtraFields: A=1 | B=2 | C=3
CPUAffinity: 0 | 1 | 0
NUMAMask: 0 | 1 | 2
LoadCredential: a:/a | b:/b | c:/c
SetCredential: d:1 | e:2 | f:3
ExecSearchPath: /a | /b | /c
StandardInputText: a | b | c
MountImages: /a:/b | /c:/d | /e:/f
ExtensionImages: /a | /b | /c
ExtensionDirectories: /a | /b | /c
RestrictFileSystems: ext4 | tmpfs | proc
TimerSlackNSec: 1 | 2 | 3
KillMode: process | mixed | process
KillSignal: SIGHUP | SIGINT | SIGUSR1
PrivateTmp: yes | no | yes
`

// cgroupSamples are the settings of what has a control group.
const cgroupSamples = `
Slice: a.slice | b.slice | c.slice
MemoryMax: 1G | 2G | 3G
MemoryHigh: 1M | 2M | 3M
TasksMax: 10 | 20 | 30
CPUWeight: 10 | 20 | 30
CPUQuota: 10% | 20% | 30%
IPAddressAllow: 10.0.0.1 | 10.0.0.2 | 10.0.0.3
IPAddressDeny: 10.1.0.1 | 10.1.0.2 | 10.1.0.3
DeviceAllow: /dev/null r | /dev/zero r | /dev/full r
IODeviceWeight: /dev/sda 10 | /dev/sdb 20 | /dev/sdc 30
IOReadBandwidthMax: /dev/sda 10 | /dev/sdb 20 | /dev/sdc 30
DisableControllers: cpu | io | memory
AllowedCPUs: 0 | 1 | 2
AllowedMemoryNodes: 0 | 1 | 2
SocketBindAllow: 1 | 2 | 3
SocketBindDeny: 4 | 5 | 6
RestrictNetworkInterfaces: a | b | c
IPIngressFilterPath: /sys/fs/bpf/a | /sys/fs/bpf/b | /sys/fs/bpf/c
BPFProgram: egress:/sys/fs/bpf/a | egress:/sys/fs/bpf/b | egress:/sys/fs/bpf/c
MemoryAccounting: yes | no | yes
`

const unitSamples = `
Description: one | two | three
Documentation: man:a(1) | man:b(1) | man:c(1)
After: a.target | b.target | c.target
Before: d.target | e.target | f.target
Wants: g.target | h.target | i.target
Requires: j.target | k.target | l.target
Requisite: j1.target | k1.target | l1.target
BindsTo: j2.target | k2.target | l2.target
PartOf: j3.target | k3.target | l3.target
Upholds: j4.target | k4.target | l4.target
Conflicts: m.target | n.target | o.target
OnFailure: p.target | q.target | r.target
PropagatesReloadTo: p1.target | q1.target | r1.target
JoinsNamespaceOf: p2.service | q2.service | r2.service
RequiresMountsFor: /aa | /bb | /cc
ConditionPathExists: /a | /b | /c
ConditionUser: root | @system | adm
AssertPathExists: /d | /e | /f
StartLimitBurst: 10 | 20 | 30
StartLimitIntervalSec: 10 | 20 | 30
JobTimeoutSec: 10 | 20 | 30
RefuseManualStop: yes | no | yes
CollectMode: inactive-or-failed | inactive | inactive-or-failed
SourcePath: /a | /b | /c
`

// samples are, by section, the settings that a manager is asked about, by type of unit.
var blameSamples = map[string]map[string]string{
	"service": {"Unit": unitSamples, "Service": execSamples + cgroupSamples + `
ExecStart: /bin/a 1 | /bin/b 2 | /bin/c "3 4"
ExecStartPre: /bin/a | -/bin/b | +/bin/c
ExecStartPost: /bin/a | /bin/b | /bin/c
ExecCondition: /bin/a | /bin/b | /bin/c
ExecReload: /bin/a | /bin/b | /bin/c
ExecStop: /bin/a | /bin/b | /bin/c
ExecStopPost: /bin/a | /bin/b | /bin/c
Type: oneshot | oneshot | oneshot
Restart: on-failure | on-abort | on-abnormal
RestartSec: 1 | 2 | 3
RemainAfterExit: yes | no | yes
TimeoutStartSec: 1 | 2 | 3
TimeoutStopSec: 1 | 2 | 3
SuccessExitStatus: 1 | 2 | 3
RestartPreventExitStatus: 4 | 5 | 6
NotifyAccess: main | exec | all
Sockets: a.socket | b.socket | c.socket
Delegate: cpu | memory | pids
`},
	"socket": {"Unit": unitSamples, "Socket": execSamples + cgroupSamples + `
ListenStream: 1 | 2 | 3
ListenDatagram: 4 | 5 | 6
ListenFIFO: /a | /b | /c
FileDescriptorName: a | b | c
ExecStartPre: /bin/a | /bin/b | /bin/c
ExecStopPost: /bin/a | /bin/b | /bin/c
SocketMode: 0600 | 0640 | 0660
Backlog: 10 | 20 | 30
Service: one.service | two.service | three.service
`},
	"timer": {"Unit": unitSamples, "Timer": `
OnCalendar: *-*-* 01:00:00 | *-*-* 02:00:00 | *-*-* 03:00:00
OnActiveSec: 100 | 200 | 300
OnUnitActiveSec: 400 | 500 | 600
AccuracySec: 1 | 2 | 3
RandomizedDelaySec: 1 | 2 | 3
Persistent: yes | no | yes
Unit: one.service | two.service | three.service
`},
	"path": {"Unit": unitSamples, "Path": `
PathExists: /a | /b | /c
PathChanged: /d | /e | /f
DirectoryNotEmpty: /g | /h | /i
MakeDirectory: yes | no | yes
DirectoryMode: 0700 | 0750 | 0755
Unit: one.service | two.service | three.service
`},
	"target": {"Unit": unitSamples},
	"slice":  {"Unit": unitSamples, "Slice": cgroupSamples},
	"mount": {"Unit": unitSamples, "Mount": execSamples + cgroupSamples + `
What: /a | /b | /c
Type: tmpfs | ext4 | tmpfs
Options: ro | rw | nosuid
TimeoutSec: 1 | 2 | 3
`},
}

// sampled writes a section with, of each setting, the values that pick names.
func sampled(sections map[string]string, pick func(key string, values []string) []string) string {
	var out strings.Builder
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		fmt.Fprintf(&out, "[%s]\n", section)
		for line := range strings.Lines(strings.TrimSpace(sections[section]) + "\n") {
			key, values, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if !ok {
				continue
			}
			for _, v := range pick(key, strings.Split(values, " | ")) {
				fmt.Fprintf(&out, "%s=%s\n", key, v)
			}
		}
	}
	return out.String()
}

func firstValue(_ string, v []string) []string  { return v[:1] }
func secondValue(_ string, v []string) []string { return v[1:2] }
func resetToThird(_ string, v []string) []string {
	return []string{"", v[2]}
}

func emptied(_ string, _ []string) []string { return []string{""} }

// ofTheName are the properties that follow from a unit's name, files or state.
var ofTheName = []string{
	"Id", "Names", "Where", "FragmentPath", "DropInPaths", "UnitFileState", "UnitFilePreset", "InvocationID", "NeedDaemonReload",
	"ControlGroup", "Triggers", "TriggeredBy", "LoadError", "Following",
}

func (s *stage) properties(unit string) map[string]string {
	s.t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(s.systemctl("show", unit)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !slices.Contains(ofTheName, key) && !strings.Contains(key, "Timestamp") {
			all[key] += " " + value
		}
	}
	for key, value := range all { // lists have no order, except those of commands
		if !strings.HasPrefix(key, "Exec") {
			words := strings.Fields(strings.ReplaceAll(value, "twin", ""))
			slices.Sort(words)
			all[key] = strings.Join(words, " ")
		}
	}
	return all
}

// TestBlameIsWhatIsLoaded: a unit that consists of the settings that count, says blame, and of
// no others is loaded with the same properties as the unit with all its files.
func TestBlameIsWhatIsLoaded(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		variants := map[string]func(string, []string) []string{"add": secondValue, "reset": resetToThird, "empty": emptied}
		for kind, sections := range blameSamples {
			for variant, pick := range variants {
				name := "blame-" + variant + "." + kind
				where := ""
				if kind == "mount" {
					where = "[Mount]\nWhere=/blame/" + variant + "\n"
				}
				s.do(s.Write(s.Unit(name), where+sampled(sections, firstValue)))
				s.do(s.Write(s.Unit(name+".d/more.conf"), sampled(sections, pick)))
			}
		}
		s.reload()
		for kind := range blameSamples {
			for variant := range variants {
				text := s.blame("blame-" + variant + "." + kind).text()
				s.do(s.Write(s.Unit("blame-"+variant+"twin."+kind), strings.ReplaceAll(text, "Where=/blame/"+variant, "Where=/blame/"+variant+"twin")))
			}
		}
		s.reload()
		for kind := range blameSamples {
			for variant := range variants {
				unit, twin := "blame-"+variant+"."+kind, "blame-"+variant+"twin."+kind
				want, got := s.properties(unit), s.properties(twin)
				loads := variant == "empty" || want["LoadState"] == "loaded" // without its lists, a unit is not valid
				if !loads || got["LoadState"] != want["LoadState"] || len(want) < 40 {
					t.Errorf("%s: %q, its twin: %q, %d properties", unit, want["LoadState"], got["LoadState"], len(want))
				}
				for key, value := range want {
					if got[key] != value {
						t.Errorf("%s: %s is %q, but what blame says gives %q", unit, key, value, got[key])
					}
				}
			}
		}
	})
}

// blameFiles are the files of blame-files@one.service, whose drop-ins come from all kinds of folders.
func (s *stage) blameFiles() map[string]string {
	runtime := filepath.Join(s.RuntimeDir, "systemd/user")
	return map[string]string{
		s.Unit("blame-files@.service"): "# comment\n[Unit]\nDescription=%i of %p\n[Service]\nType=oneshot\nExecStart=/bin/a \\\n; inside\n  b %h\n" +
			"ExecStart=/bin/second\nEnvironment=A=1\nEnvironment=B=1\nNice=1\nNice=2\nMemoryMax=1G\n[X-Other]\nKey=1\nKey=2\n[Timer]\nPersistent=yes\n",
		s.Unit("blame-files@one.service.d/10-a.conf"):                                       "[Service]\nEnvironment=A=2\nNice=\nMemoryMax=\n",
		s.Unit("blame-files@.service.d/20-b.conf"):                                          "[Service]\nExecStart=\nExecStart=/bin/%i\nUMask=0001\n",
		s.Unit("blame-.service.d/30-c.conf"):                                                "[Service]\nUMask=0002\n[Unit]\nWants=\n",
		s.Unit("blame-files@one.service.d/40-shadowed.conf"):                                "[Service]\nUMask=0003\n",
		s.Home + "/.config/systemd/user.control/blame-files@one.service.d/40-shadowed.conf": "[Service]\nUMask=0004\n",
		runtime + "/blame-files@one.service.d/50-d.conf":                                    "[Service]\nLimitNOFILE=50\n[Serv\nLimitNOFILE=51\n",
		s.Unit("service.d/60-type.conf"):                                                    "[Unit]\nJobTimeoutSec=60\n",
		s.Unit("blame-files@one.service.d/70-crlf.conf"):                                    "[Service]\r\nEnvironment=\"C=3\" D=4\r\n",
	}
}

// TestBlameOfAllFolders: drop-ins of an instance from all kinds of folders, each with its file
// and line, and then a change that is not loaded.
func TestBlameOfAllFolders(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		for path, text := range s.blameFiles() {
			s.do(s.Write(path, text))
		}
		s.do(s.Link("/dev/null", s.Unit("blame-files@one.service.d/60-type.conf")))
		s.reload()
		_, _ = s.Systemctl(t.Context(), "start", "blame-files@one.service") // fails, and so stays in memory
		b := s.blame("blame-files@one.service")
		got := []string{}
		for _, v := range b.Settings {
			line := fmt.Sprintf("%s:%d %s=%s", filepath.Base(v.File), v.Line, v.Key, v.Value)
			for _, o := range v.Overrides {
				line += " <- " + o.Value
			}
			got = append(got, line)
			if !v.Loaded {
				t.Errorf("%s: not loaded", line)
			}
		}
		want := []string{
			"blame-files@.service:3 Description=%i of %p",
			"blame-files@.service:5 Type=oneshot",
			"20-b.conf:2 ExecStart= <- /bin/a    b %h <- /bin/second", "20-b.conf:3 ExecStart=/bin/%i",
			"blame-files@.service:11 Environment=B=1", "10-a.conf:2 Environment=A=2 <- A=1", `70-crlf.conf:2 Environment="C=3" D=4`,
			"10-a.conf:3 Nice= <- 1 <- 2", "10-a.conf:4 MemoryMax= <- 1G", "40-shadowed.conf:2 UMask=0004 <- 0001 <- 0002", "50-d.conf:2 LimitNOFILE=50",
			"blame-files@.service:16 Key=1", "blame-files@.service:17 Key=2",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if len(b.Ignored) != 3 {
			t.Errorf("ignored: %v, want Persistent=, Wants= and the open section", b.Ignored)
		}
		s.do(s.Write(s.Unit("twin@.service"), strings.ReplaceAll(strings.ReplaceAll(b.text(), "%i", "one"), "%p", "blame-files")))
		s.reload()
		wanted, twin := s.properties("blame-files@one.service"), s.properties("twin@one.service")
		for _, key := range []string{"Description", "ExecStart", "Environment", "Nice", "MemoryMax", "UMask", "LimitNOFILE"} {
			if wanted[key] != twin[key] || wanted[key] == "" {
				t.Errorf("%s is %q, but what blame says gives %q", key, wanted[key], twin[key])
			}
		}
		s.do(s.Write(s.Unit("blame-files@one.service.d/99-new.conf"), "[Service]\nNice=9\n"))
		for _, v := range s.blame("blame-files@one.service").Settings {
			if v.Key == "Nice" && (v.Value != "9" || v.Loaded) {
				t.Errorf("a new drop-in: %+v", v)
			}
		}
	})
}

// TestBlameStates: what is declared, an alias, a mask, and what does not exist.
func TestBlameStates(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		s.do(s.Write(s.Unit("web.service.d/own.conf"), "[Unit]\nDescription=own\n"))
		s.do(s.Link(s.Unit("web.service"), s.Unit("www.service")))
		s.do(s.Link("/dev/null", s.Unit("gone.service")))
		s.reload()
		b := s.blame("www")
		undeclared := 0
		for _, v := range b.Settings {
			isOwn := filepath.Base(v.File) == "own.conf"
			if b.Unit != "web.service" || v.Declared == isOwn || !v.Loaded {
				t.Errorf("%s: %+v", b.Unit, v)
			}
			if isOwn {
				undeclared++
			}
		}
		if undeclared != 1 {
			t.Errorf("%d settings of own.conf, want 1", undeclared)
		}
		for unit, want := range map[string]struct {
			code int
			text string
		}{
			"gone.service": {0, "masked"}, "webb.service": {3, "did you mean web.service?"}, "nothing-like-it.service": {3, "knows no unit"},
			"a/b": {3, "not the name of a unit"}, "basic.target": {0, "not managed"},
		} {
			r := s.Stackpolicy(t.Context(), "blame", unit)
			if r.Code != want.code || !strings.Contains(r.Out+r.Err, want.text) {
				t.Errorf("%s: status %d, want %d and %q\n%s%s", unit, r.Code, want.code, want.text, r.Out, r.Err)
			}
		}
	})
}

// blameQuadlet checks that the settings of cache.service are those of the generated file, and
// that the source is named and decides whether they are declared.
func (s *stage) blameQuadlet(source string, isDeclared bool) {
	s.t.Helper()
	b := s.blame("cache.service")
	if b.Source != filepath.Join(s.Home, source) {
		s.t.Errorf("source %q", b.Source)
	}
	found := false
	for _, v := range b.Settings {
		found = found || v.Key == "Nice"
		if v.File != s.property("cache.service", "FragmentPath") || v.Declared != isDeclared {
			s.t.Errorf("want declared %t: %+v", isDeclared, v)
		}
	}
	if !found {
		s.t.Errorf("no Nice=: %+v", b.Settings)
	}
}
