package main

import (
	"testing"
	"time"
)

func TestMonthOf(t *testing.T) {
	for text, want := range map[string]string{"": "2025-12", "2025-10": "2025-10", "2026-01": "2026-01", "2026-02": "", "2026-13": "", "October": "", "2026-10-01": ""} {
		got, err := monthOf(text, time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC))
		if (err != nil) != (want == "") || err == nil && got.Format(monthForm) != want {
			t.Errorf("%q: %s, %v, want %q", text, got, err, want)
		}
	}
}
