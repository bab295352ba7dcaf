package applied

import "testing"

// FuzzRecord: a record is read or refused; one that is read is of the stack.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"schema":"stackpolicy.applied/v1","stack":"web","unit":"web.service","project":"web","services":[{"name":"app","image":"x","definition":"00"}],"applied_at":"2026-03-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := decode(text, "web"); err == nil && r.Stack != "web" {
			t.Errorf("record of %q", r.Stack)
		}
	})
}
