package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/facts/collect"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// wrote has the digest of each file that init wrote, by path, so that init --remove
// removes these and nothing else.
type wrote map[string]string

// maxRecord bounds the record. init writes some dozen files.
const maxRecord = 1 << 20

func recordPath(env collect.Environment) string {
	return filepath.Join(env.StateHome, "stackpolicy", "init.json")
}

// readWrote reads the record; without one it is empty.
func readWrote(env collect.Environment) (wrote, error) {
	w := wrote{}
	content, err := regularfile.Read(recordPath(env), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &w)
	}
	if err != nil {
		return nil, fmt.Errorf("read what init wrote, in %s: %w", recordPath(env), err)
	}
	return w, nil
}

func (w wrote) save(env collect.Environment) error {
	path := recordPath(env)
	if len(w) == 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	content, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("record what init wrote: %w", err)
	}
	return atomicfile.Write(path, 0o600, func(out io.Writer) error {
		_, err := out.Write(append(content, '\n'))
		return err
	})
}

// record records the files that are about to be written.
func record(env collect.Environment, files []file) error {
	w, err := readWrote(env)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.state == absent {
			w[f.path] = digest([]byte(f.text))
		}
	}
	return w.save(env)
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// removeWritten removes the files that init wrote, and lists them. A file that was edited or
// replaced is kept, and stays recorded.
func removeWritten(env collect.Environment, out io.Writer) error {
	w, err := readWrote(env)
	if err != nil {
		return err
	}
	if len(w) == 0 {
		return fmt.Errorf("there is nothing to remove: %s records no file that init wrote", recordPath(env))
	}
	if enabled := enabledUnits(env.UnitDir()); len(enabled) > 0 {
		return fmt.Errorf("nothing was removed, because units are enabled; first: `systemctl --user disable --now %s`", strings.Join(enabled, " "))
	}
	var b strings.Builder
	for _, path := range sortedKeys(w) {
		state := w.remove(path)
		fmt.Fprintf(&b, "%-12s  %s\n", state, text.Clean(path))
	}
	if err := w.save(env); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nNext:\n\n    systemctl --user daemon-reload\n\nThe history of audits is kept. To remove it too:\n\n    rm -r %s\n", text.Clean(filepath.Dir(recordPath(env))))
	_, err = io.WriteString(out, b.String())
	return err
}

// remove removes a file that is as init wrote it, and its folder if that is then an empty one
// of drop-ins or of the configuration. It returns what became of the file.
func (w wrote) remove(path string) string {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		delete(w, path)
		return "gone already"
	}
	if err != nil || !info.Mode().IsRegular() {
		return "kept: no file"
	}
	content, err := regularfile.Read(path, maxUnit)
	if err != nil || digest(content) != w[path] {
		return "kept: edited"
	}
	if err := os.Remove(path); err != nil {
		return "kept: denied"
	}
	delete(w, path)
	if dir := filepath.Dir(path); strings.HasSuffix(dir, ".d") || filepath.Base(dir) == "stackpolicy" {
		_ = os.Remove(dir) // fails if something else is in it
	}
	return "removed"
}

// enabledUnits returns the names of the audit's units that links in a unit folder enable.
func enabledUnits(dir string) []string {
	names := map[string]bool{}
	for _, kind := range []string{"wants", "requires", "upholds"} {
		links, _ := filepath.Glob(filepath.Join(dir, "*."+kind, "stackpolicy-*")) // the pattern is valid
		for _, link := range links {
			names[filepath.Base(link)] = true
		}
	}
	return sortedKeys(names)
}
