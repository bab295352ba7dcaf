package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const docDir = "share/doc/stackpolicy/"

// common returns the files of all packages, by path below their prefix: programs, man
// pages, completions and documents.
func (b *built) common(ctx context.Context) ([]file, error) {
	var files []file
	for _, p := range programs() {
		data, err := os.ReadFile(filepath.Join(b.target, p))
		if err != nil {
			return nil, fmt.Errorf("read a program: %w", err)
		}
		files = append(files, file{"bin/" + p, 0o755, data})
		more, err := b.fromCommands(ctx, p)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	for _, p := range parts() {
		data, err := os.ReadFile(filepath.Join(b.target, p))
		if err != nil {
			return nil, fmt.Errorf("read a program: %w", err)
		}
		files = append(files, file{"libexec/stackpolicy/" + p, 0o755, data})
	}
	docs, err := b.documents()
	if err != nil {
		return nil, fmt.Errorf("read the documents: %w", err)
	}
	licences, err := b.licences(ctx)
	if err != nil {
		return nil, fmt.Errorf("collect licences: %w", err)
	}
	return append(append(files, docs...), file{docDir + "copyright", 0o644, licences}), nil
}

// fromCommands returns the man page and the completions that a program writes.
func (b *built) fromCommands(ctx context.Context, program string) ([]file, error) {
	dir := filepath.Join(b.work, "man")
	if _, err := b.ask(ctx, program, "man", dir); err != nil {
		return nil, err
	}
	page, err := os.ReadFile(filepath.Join(dir, program+".1"))
	if err != nil {
		return nil, err
	}
	packed, err := gz(page)
	if err != nil {
		return nil, err
	}
	files := []file{{"share/man/man1/" + program + ".1.gz", 0o644, packed}}
	for _, c := range []struct{ shell, path string }{
		{"bash", "share/bash-completion/completions/" + program},
		{"fish", "share/fish/vendor_completions.d/" + program + ".fish"},
		{"zsh", "share/zsh/vendor-completions/_" + program}, // Debian's folder; elsewhere it must be added to $fpath
	} {
		script, err := b.ask(ctx, program, "completion", c.shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{c.path, 0o644, script})
	}
	return files, nil
}

// units returns the user units, below dir, for a program at that path.
func (b *built) units(ctx context.Context, program, dir string) ([]file, error) {
	out := filepath.Join(b.work, "units", filepath.Base(dir))
	if _, err := b.ask(ctx, "stackpolicy", "units", out, "--program", program); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return nil, fmt.Errorf("read the units: %w", err)
	}
	var files []file
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the units: %w", err)
		}
		files = append(files, file{dir + "/" + e.Name(), 0o644, data})
	}
	return files, nil
}

func (b *built) catalog() ([]byte, error) {
	return os.ReadFile(filepath.Join(b.source, "units/stackpolicy.catalog"))
}

// tarball is for a prefix such as ~/.local or /usr/local. Its units, which
// `stackpolicy init` writes too, expect ~/.local/bin.
func (b *built) tarball(ctx context.Context, common []file) ([]byte, error) {
	units, err := b.units(ctx, "%h/.local/bin/stackpolicy", docDir+"units")
	if err != nil {
		return nil, err
	}
	catalog, err := b.catalog()
	if err != nil {
		return nil, err
	}
	files := append(units, without(common, units)...)
	files = append(files, file{docDir + "stackpolicy.catalog", 0o644, catalog})
	return tarGz(fmt.Sprintf("stackpolicy-%s-linux-%s", b.version, b.arch), b.date, files)
}

// without returns the files whose path is not that of one of the others.
func without(files, others []file) []file {
	return slices.DeleteFunc(slices.Clone(files), func(f file) bool {
		return slices.ContainsFunc(others, func(o file) bool { return o.path == f.path })
	})
}
