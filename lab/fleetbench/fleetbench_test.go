package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// A small run goes through every step. Its figures are not looked at.
func TestRun(t *testing.T) {
	if os.Getenv("STACKPOLICY_LAB_EACH") == "" {
		t.Skip("it builds two programs and lives a day: run with STACKPOLICY_LAB_EACH=1")
	}
	var out, errs bytes.Buffer
	err := run(t.Context(), []string{"-hosts", "2", "-histories", "1", "-days", "1", "-units", "2", "-facts", "../../testdata/facts/good.json"}, &out, &errs)
	if err != nil && !strings.Contains(err.Error(), "bounds are missed") {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if !strings.Contains(out.String(), "processor of a host's send") {
		t.Errorf("%s", out.String())
	}
}

func TestParse(t *testing.T) {
	if o, err := parse([]string{"-hosts", "3"}, new(bytes.Buffer)); err != nil || o.histories != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"-hosts", "30", "-histories", "5"}, new(bytes.Buffer)); err != nil || o.histories != 5 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"x"}, {"-hosts", "0"}, {"-days", "-1"}, {"-histories", "-1"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
