// Packaging builds what is installed outside of Nix: packages for Debian, for
// systems with rpm and for Arch Linux, and a tarball, with man pages,
// completions, units and the journal's catalog.
//
//	go run ./packaging
//
// It needs Go, git and the modules, and writes to packaging/dist. The same commit
// gives the same bytes on every machine: paths are trimmed, and every date is
// $SOURCE_DATE_EPOCH or the commit's date.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"stackpolicy/internal/atomicfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	source := flag.String("source", ".", "the project's folder")
	out := flag.String("out", "packaging/dist", "folder to write to")
	arch := flag.String("arch", runtime.GOARCH, "architecture, in Go's words: "+strings.Join(architectures(), ", "))
	flag.Parse()
	if err := run(ctx, *source, *out, *arch, os.Getenv("SOURCE_DATE_EPOCH"), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(1)
	}
}

// run builds the packages of the project in source into out.
func run(ctx context.Context, source, out, arch, epoch string, say io.Writer) error {
	if !slices.Contains(architectures(), arch) {
		return fmt.Errorf("unknown architecture %q; known: %s", arch, strings.Join(architectures(), ", "))
	}
	work, err := os.MkdirTemp("", "stackpolicy-packaging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b, err := build(ctx, source, work, arch, epoch)
	if err != nil {
		return err
	}
	common, err := b.common(ctx)
	if err != nil {
		return err
	}
	installed, err := b.installed(ctx, common)
	if err != nil {
		return err
	}
	var products []product
	for _, f := range formats() {
		files, err := b.adapt(f, installed)
		if err != nil {
			return err
		}
		data, err := b.pack(ctx, f, files)
		if err != nil {
			return fmt.Errorf("make the package for %s: %w", f.name, err)
		}
		products = append(products, product{f.fileName(b), data})
	}
	tarball, err := b.tarball(ctx, common)
	if err != nil {
		return fmt.Errorf("make the tarball: %w", err)
	}
	return write(out, say, append(products, product{fmt.Sprintf("stackpolicy-%s-linux-%s.tar.gz", b.version, arch), tarball}))
}

// product is a file to distribute.
type product struct {
	name string
	data []byte
}

// write writes the products and their checksums, and prints their names.
func write(out string, say io.Writer, products []product) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, p := range products {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(p.data), p.name)
	}
	for _, p := range append(products, product{"SHA256SUMS", []byte(sums.String())}) {
		path := filepath.Join(out, p.name)
		err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
			_, err := w.Write(p.data)
			return err
		})
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		fmt.Fprintf(say, "%s\n", path)
	}
	return nil
}

// architectures are the architectures that can be packaged. Go and Debian use the
// same names for them.
func architectures() []string { return []string{"amd64", "arm64"} }
