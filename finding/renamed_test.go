package finding

import "testing"

func TestCurrentID(t *testing.T) {
	for id, want := range map[string]string{
		"auto_update_timer_active": "auto_update_works", "auto_update_works": "auto_update_works", "stack_running": "stack_running", "": "",
	} {
		if got := CurrentID(id); got != want {
			t.Errorf("CurrentID(%q) = %q, want %q", id, got, want)
		}
	}
}
