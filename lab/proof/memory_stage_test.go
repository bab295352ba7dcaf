package proof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // reads the memory without the program

	"stackpolicy/history"
	"stackpolicy/lab/usermanager"
)

// sqlVariable makes the test binary run SQL on the memory, as the account. With the value
// "hold" it keeps its locks until standard input ends.
const sqlVariable = "PROOF_SQL"

// playSQL runs each statement on the database and prints the rows.
func playSQL(path string, statements []string, hold bool) error {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=rw&_busy_timeout=2000")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if err := printRows(db, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if hold {
		fmt.Println("held")
		_, err = io.ReadAll(os.Stdin)
	}
	return err
}

func printRows(db *sql.DB, statement string) error {
	rows, err := db.QueryContext(context.Background(), statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		fmt.Println(values...)
	}
	return rows.Err()
}

// remembering opens a stage with policies that hardly wait until files no longer change. A
// generator writes a line for each reload of the manager, so that the test does not depend
// on the memory to count them.
func remembering(t *testing.T, options usermanager.Options, declared map[string]string) *stage {
	t.Helper()
	s := open(t, options, declared)
	self, err := os.Executable()
	s.do(err)
	_, err = s.Install(self)
	s.do(err)
	s.policies("settle: 2s", "settle: 100ms")
	generator := s.Path("/etc/systemd/user-generators/count")
	s.do(os.MkdirAll(filepath.Dir(generator), 0o755))
	s.do(os.WriteFile(generator, []byte("#!/bin/sh\necho >>"+s.reloadLog()+"\n"), 0o755)) //nolint:gosec // it is executed
	s.reload()
	if s.reloads() != 1 {
		t.Fatalf("%d reloads were counted, and one was made", s.reloads())
	}
	return s
}

// rules returns the policy folder of remembering.
func (s *stage) rules() string { return filepath.Join(s.Home, "rules") }

// policies copies the built-in policies and replaces one line of their settings.
func (s *stage) policies(old, other string) {
	s.t.Helper()
	if _, err := os.Stat(s.rules()); errors.Is(err, os.ErrNotExist) {
		if r := s.Stackpolicy(s.t.Context(), "policy", "copy", s.rules()); r.Code != 0 {
			s.t.Fatalf("copy the policies: %s", r.Err)
		}
	}
	path := filepath.Join(s.rules(), "settings.yaml")
	text, err := os.ReadFile(path)
	s.do(err)
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("the settings have no %q", old)
	}
	s.do(s.Write(path, strings.Replace(string(text), old, other, 1)))
}

// enforce runs an enforcing audit with these policies.
func (s *stage) enforce() report {
	s.t.Helper()
	return s.eval("--policy", s.rules(), "--enforce")
}

func (s *stage) reloadLog() string { return filepath.Join(s.RuntimeDir, "reloads") }

// reloads returns how often the manager was reloaded, by the actions in the history.
func (s *stage) reloads() int {
	s.t.Helper()
	s.systemctl("show", "--property=Version") // it answers when it has reloaded
	text, err := os.ReadFile(s.reloadLog())
	if !errors.Is(err, os.ErrNotExist) {
		s.do(err)
	}
	return strings.Count(string(text), "\n")
}

// memory returns the path of the database.
func (s *stage) memory() string { return history.Path(filepath.Join(s.Home, ".local/state")) }

// sqlCommand runs SQL on the memory, as the account.
func (s *stage) sqlCommand(mode string, statements ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	s.do(err)
	argv := append([]string{filepath.Join(s.BinDir, filepath.Base(self)), s.memory()}, statements...)
	cmd := s.Command(s.t.Context(), argv...)
	cmd.Env = append(cmd.Env, sqlVariable+"="+mode)
	return cmd
}

// sql runs SQL on the memory, and returns the rows.
func (s *stage) sql(statements ...string) []string {
	s.t.Helper()
	r := s.Do(s.sqlCommand("once", statements...))
	if r.Code != 0 {
		s.t.Fatalf("%v: status %d: %s", statements, r.Code, r.Err)
	}
	return strings.FieldsFunc(r.Out, func(c rune) bool { return c == '\n' })
}

// elapse moves all times in the memory by some seconds into the past, as if that time had
// passed. A negative number is a clock that was set back.
func (s *stage) elapse(seconds int) {
	s.t.Helper()
	var statements []string
	for _, column := range []string{
		"origin.began", "spans.first", "spans.last", "standings.since", "standings.seen", "standings.resolved",
		"actions.at", "breakers.since", "breakers.until", "messages.created", "messages.next", "messages.delivered",
	} {
		table, name, _ := strings.Cut(column, ".")
		statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = %s - %d000000000", table, name, name, seconds))
	}
	s.sql(statements...)
}
