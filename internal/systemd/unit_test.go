package systemd

import (
	"strings"
	"testing"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"alice": "alice", "a.b": "a.b", ".a": `\x2ea`, "a-b": `a\x2db`, "a/b": "a-b", "a b": `a\x20b`,
		`a\b`: `a\x5cb`, "ä": `\xc3\xa4`, "a:_1": "a:_1", "a@b": `a\x40b`, "": "",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnitPath(t *testing.T) {
	for in, want := range map[string]string{
		"web.service": "web_2eservice", "1.service": "_31_2eservice", "a1.service": "a1_2eservice",
		"web@one.service": "web_40one_2eservice", `a\x2db.timer`: "a_5cx2db_2etimer", "A-_b.path": "A_2d_5fb_2epath",
	} {
		got := unitPath(in)
		if string(got) != "/org/freedesktop/systemd1/unit/"+want || !got.IsValid() {
			t.Errorf("unitPath(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestReaderTellsWhatIsWrong: a partial answer is never taken for a whole one.
func TestReaderTellsWhatIsWrong(t *testing.T) {
	r := reader{props: map[string]any{
		"Id": "web.service", "Names": "not a list", "NeedDaemonReload": true, "ActiveEnterTimestamp": int64(1), "UpheldBy": 1,
	}}
	u := unitFrom(&r)
	if u.ID != "web.service" || !u.NeedDaemonReload {
		t.Errorf("what is right was not read: %+v", u)
	}
	err := r.err("it")
	if err == nil {
		t.Fatal("no error")
	}
	for _, key := range []string{"LoadState", "Names", "ActiveEnterTimestamp", "UpheldBy"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
	if strings.Contains(err.Error(), "NeedDaemonReload") {
		t.Errorf("named although right: %v", err)
	}
}

func TestUpheldByIsNewer(t *testing.T) {
	r := reader{props: map[string]any{}}
	if unitFrom(&r); strings.Contains(r.err("it").Error(), "Uphe") || strings.Contains(r.err("it").Error(), "Upholds") {
		t.Error("its absence is an error")
	}
}
