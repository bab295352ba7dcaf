package quadlet

import (
	"testing"
	"unicode/utf8"
)

// FuzzReply: whatever the generator prints, a reason is short and valid UTF-8.
func FuzzReply(f *testing.F) {
	f.Add("---web.service---\n[Unit]\nSourcePath=/home/ada/.config/containers/systemd/web.container\n", "quadlet-generator[7]: converting \"bad.container\": unsupported key 'NoSuchKey' in group 'Container' in /home/ada/.config/containers/systemd/bad.container\n")
	f.Add("", "panic: runtime error: index out of range [0] with length 0\n\ngoroutine 1 [running]:\n")
	f.Fuzz(func(t *testing.T, units, messages string) {
		for source, r := range parse(units, messages).refusals([]string{"/home/ada/.config/containers/systemd/bad.container", messages}) {
			if !utf8.ValidString(r.Reason) || len(r.Reason) > maxReason+len("…") {
				t.Errorf("%q: %q", source, r.Reason)
			}
		}
	})
}
