package podman

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/podman/answer"
)

func TestLogs(t *testing.T) {
	long := make([]string, maxLines)
	for i := range long {
		long[i] = "x"
	}
	tests := map[string]struct {
		script string
		lines  int
		want   []string
	}{
		"nothing":           {``, 5, nil},
		"both streams":      {`echo one; echo two >&2; echo three`, 5, []string{"one", "two", "three"}},
		"no end of line":    {`printf 'one\ntwo'`, 5, []string{"one", "two"}},
		"blank lines":       {`printf '\none\n\n'`, 5, []string{"", "one", ""}},
		"more than asked":   {`printf '1\n2\n3\n'`, 2, []string{"2", "3"}},
		"hostile":           {`printf 'a\033[2J\r\303\n'`, 5, []string{"a\x1b[2J\r\uFFFD"}},
		"more than allowed": {`yes x | head -n 2000`, 5000, long},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := fake(t, test.script).Logs(t.Context(), "aa", test.lines)
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("error %v, lines (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestLogsCall(t *testing.T) {
	client := fake(t, `echo "$verb $*" >>$dir/calls`)
	for _, lines := range []int{7, 5000} {
		if _, err := client.Logs(t.Context(), "aa", lines); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff("logs --tail 7 aa\nlogs --tail 1000 aa\n", written(t, client, "calls")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestLogsAreBounded(t *testing.T) {
	got, err := fake(t, `yes é | tr -d '\n' | head -c 1000001; echo; echo last`).Logs(t.Context(), "aa", 5)
	if err != nil || len(got) != 2 || got[1] != "last" {
		t.Fatalf("got %d lines, error %v; want two", len(got), err)
	}
	if first := got[0]; len(first) > 64<<10+len(answer.CutMark)+utf8.UTFMax || !strings.HasPrefix(first, answer.CutMark) || !utf8.ValidString(first) {
		t.Errorf("the first line has %d bytes and begins %.20q; want at most %d, and the mark", len(first), first, 64<<10)
	}
}

func TestLogsRefuse(t *testing.T) {
	tests := map[string]struct {
		client Client
		id     string
		lines  int
		want   string
	}{
		"not installed": {Client{}, "aa", 5, "no podman command is installed"},
		"socket alone":  {Client{Socket: answers{}.listen(t)}, "aa", 5, "no podman command is installed"},
		"an option":     {fake(t, `echo x`), "--latest", 5, "not hexadecimal"},
		"all lines":     {fake(t, `echo x`), "aa", -1, "fewer than one line"},
		"no lines":      {fake(t, `echo x`), "aa", 0, "fewer than one line"},
		"gone":          {fake(t, `echo 'no such container aa' >&2; exit 125`), "aa", 5, "logs of container aa: podman logs: "},
		"no driver":     {fake(t, `echo some; yes much | head -n 9999; echo 'cannot read logs' >&2; exit 125`), "aa", 5, `cannot read logs"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.client.Logs(t.Context(), test.id, test.lines)
			wantError(t, err, test.want)
			if got != nil || len(err.Error()) > 8<<10 {
				t.Errorf("got %d lines, and an error of %d bytes", len(got), len(err.Error()))
			}
		})
	}
}

func TestLogsWithoutEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	client := fake(t, `echo $$ >$dir/pid; exec yes`)
	_, err := client.Logs(ctx, "aa", 5)
	wantError(t, err, "context deadline exceeded")
	waitGone(t, client, "pid")
}
