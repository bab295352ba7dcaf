package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/overview"
	"stackpolicy/internal/atomicfile"
	reportfleet "stackpolicy/report/fleet"
)

// Files of the folder. Whoever may enter it may read them.
const (
	indexName   = "index.html"
	jsonName    = "fleet.json"
	metricsName = "fleet.prom"
	fileMode    = 0o644
)

// Write writes the pages to a folder: index.html, fleet.json, fleet.prom (metrics, for the textfile
// collector), and one page of each source whose evidence is newer than its page. Each file is
// replaced as a whole, and that of the fleet last, so that it never links to what is not there.
func (m Maker) Write(ctx context.Context, dir string) error {
	in, err := m.Fleet(ctx)
	if err != nil {
		return err
	}
	memories, err := m.pages(ctx, in.Sources)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, sourcesDir), 0o755); err != nil {
		return fmt.Errorf("write the pages: %w", err)
	}
	var failed []error
	for i, r := range in.Sources {
		if err := m.writeSource(ctx, dir, r, memories); err != nil {
			failed = append(failed, err)
			in.Sources[i].Page = "" // the others are still shown
		}
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer, reportfleet.Input) error
	}{{jsonName, reportfleet.WriteJSON}, {metricsName, reportfleet.WriteOpenMetrics}, {indexName, reportfleet.WriteHTML}} {
		err := atomicfile.Write(filepath.Join(dir, f.name), fileMode, func(w io.Writer) error { return f.write(w, in) })
		if err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.name), err)
		}
	}
	return errors.Join(failed...)
}

// writeSource writes the page of a source, unless it has none, or there is one that is newer than
// the evidence, and says no less of what is wrong now.
func (m Maker) writeSource(ctx context.Context, dir string, r overview.Row, memories map[string]archive.Memory) error {
	memory, known := memories[r.Page]
	if !known {
		return nil
	}
	path := filepath.Join(dir, filepath.FromSlash(r.Page))
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the page of %s %s: %w", r.Host, r.User, err)
	}
	if err == nil && info.ModTime().After(r.Received) && m.Now().Sub(info.ModTime()) < overview.Patience(r.Beat)/2 {
		return nil
	}
	if err := atomicfile.Write(path, fileMode, func(w io.Writer) error { return m.Source(ctx, w, r, memory) }); err != nil {
		return fmt.Errorf("write the page of %s %s: %w", r.Host, r.User, err)
	}
	return nil
}
