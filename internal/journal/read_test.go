package journal

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func fake(t *testing.T, script string) Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Reader{path}
}

func TestLast(t *testing.T) {
	const one = `echo '{"__REALTIME_TIMESTAMP":"1772330400000000","MESSAGE":"Started web."}'`
	cases := map[string]struct {
		script, unit string
		want         []string
		err          string
	}{
		"a line":             {one, "web.service", []string{"2026-03-01 02:00:00 Started web."}, ""},
		"bytes":              {`echo '{"__REALTIME_TIMESTAMP":"1772330400000000","MESSAGE":[27,91,109,255,65]}'`, "web.service", []string{"2026-03-01 02:00:00 \x1b[m\uFFFDA"}, ""},
		"several messages":   {`echo '{"__REALTIME_TIMESTAMP":"1772330400000000","MESSAGE":["a","b"]}'`, "web.service", []string{"2026-03-01 02:00:00 a"}, ""},
		"too long":           {`echo '{"__REALTIME_TIMESTAMP":"1","MESSAGE":null}'`, "web.service", nil, ""},
		"no entries":         {`echo "-- No entries --"`, "web.service", nil, ""},
		"more than asked":    {one + "\n" + one + "\n" + one + "\n" + one, "web.service", []string{"2026-03-01 02:00:00 Started web.", "2026-03-01 02:00:00 Started web.", "2026-03-01 02:00:00 Started web."}, ""},
		"a hint, and a line": {one + "; echo Hint >&2", "web.service", []string{"2026-03-01 02:00:00 Started web."}, ""},
		"may not read":       {`echo "No journal files were opened due to insufficient permissions." >&2`, "web.service", nil, "insufficient permissions"},
		"fails":              {`echo broken >&2; exit 1`, "web.service", nil, "broken"},
		"a pattern":          {one, "web*", nil, "no unit name"},
		"a path":             {one, "/dev/sda", nil, "no unit name"},
		"the arguments":      {`[ "$*" = "--user-unit=a.service --lines=3 --output=json --output-fields=MESSAGE --no-pager" ] || exit 1`, "a.service", nil, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := fake(t, c.script).Last(t.Context(), c.unit, 3)
			if !reflect.DeepEqual(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
	if _, err := (Reader{}).Last(t.Context(), "web.service", 3); err == nil {
		t.Error("read without journalctl")
	}
}

// TestLastIsBounded: a journalctl that does not end, or prints without end, stops nobody.
func TestLastIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := fake(t, "yes").Last(ctx, "web.service", 3); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}
