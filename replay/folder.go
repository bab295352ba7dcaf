package replay

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/internal/regularfile"
)

// maxDocuments is how many documents a folder may have: each is read twice.
const maxDocuments = 50_000

// folder has the documents of a folder. Each is an audit that enforces, at the time at which
// it was collected.
type folder struct {
	spans []history.AuditSpan // newest first
	files map[string]string   // by the digest of the document
}

// OpenFolder returns the documents in the files *.json of a folder, as stackpolicy facts
// prints them. Any other file *.json is an error, and so is a folder without one.
func OpenFolder(ctx context.Context, dir string) (Recording, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".json") })
	if n := len(entries); n == 0 || n > maxDocuments {
		return nil, fmt.Errorf("%s has %d files *.json; want 1 to %d, each a document as stackpolicy facts prints it", dir, n, maxDocuments)
	}
	f := &folder{files: map[string]string{}}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, e.Name())
		doc, err := readDocument(file)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		f.files[digest] = file
		f.spans = append(f.spans, history.AuditSpan{From: doc.CollectedAt, To: doc.CollectedAt, Count: 1, Mode: "enforce", DocumentDigest: digest})
	}
	slices.SortStableFunc(f.spans, func(a, b history.AuditSpan) int { return b.From.Compare(a.From) })
	return f, nil
}

func readDocument(file string) (*facts.Document, error) {
	r, err := regularfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return facts.Read(file, r)
}

// Audits returns those since a time, newest first.
func (f *folder) Audits(_ context.Context, since time.Time, _ int) ([]history.AuditSpan, error) {
	return slices.DeleteFunc(slices.Clone(f.spans), func(s history.AuditSpan) bool { return s.To.Before(since) }), nil
}

// Document reads a document. It may have changed since it was opened.
func (f *folder) Document(_ context.Context, digest string, _ time.Time) (*facts.Document, error) {
	return readDocument(f.files[digest])
}

// Occurrences returns none: nothing was decided.
func (*folder) Occurrences(context.Context, time.Time, int) ([]history.Occurrence, error) {
	return nil, nil
}

// Actions returns none: nothing was done.
func (*folder) Actions(context.Context, time.Time, int) ([]history.Action, error) { return nil, nil }

// Rules returns that none are kept.
func (*folder) Rules(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }
