package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/internal/regularfile"
)

// maxSettings is the size of a settings file.
const maxSettings = 1 << 20

// OtherPolicies loads the policies of a folder, or the built-in ones for "", with the
// settings of a file unless that is "".
func OtherPolicies(ctx context.Context, dir, settings string, m decide.Memory) (*decide.Policies, error) {
	if settings == "" {
		return LoadPolicies(ctx, dir, m)
	}
	text, err := regularfile.Read(settings, maxSettings)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	source, err := Policies(dir, policy.Open)
	if err != nil {
		return nil, err
	}
	source.Files = slices.DeleteFunc(source.Files, func(f policy.File) bool { return f.Name == policy.SettingsFile })
	source.Files = append(source.Files, policy.File{Name: policy.SettingsFile, Text: text})
	slices.SortFunc(source.Files, func(a, b policy.File) int { return strings.Compare(a.Name, b.Name) })
	return confined.LoadSource(ctx, source, decide.Options{Name: dir, Memory: m, Program: Program()})
}

// LoadKept loads policies of files that were kept. Files are not trusted because they were
// kept: only the present built-in policies are evaluated in this process.
func LoadKept(m decide.Memory) func(ctx context.Context, digest string, files []policy.File) (*decide.Policies, error) {
	return func(ctx context.Context, digest string, files []policy.File) (*decide.Policies, error) {
		if p, err := LoadPolicies(ctx, "", m); err == nil && p.Digest() == digest {
			return p, nil
		}
		return confined.LoadSource(ctx, policy.Source{Files: files}, decide.Options{Memory: m, Program: Program()})
	}
}

// Progress returns a function that says on a terminal how much is done.
func Progress(w io.Writer, what string) func(done, of int) {
	if !Terminal(w) {
		return nil
	}
	last := time.Time{}
	return func(done, of int) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond || done+1 == of {
			last = now
			fmt.Fprintf(w, "\r%d of %d %s", done+1, of, what)
			if done+1 == of {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
	}
}
