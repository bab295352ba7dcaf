package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"stackpolicy/decide/policy"
)

// Limits of a bundle. A NATS server takes messages of a megabyte, unless it is configured
// otherwise.
const (
	MaxBundle      = 900_000
	maxBundleFiles = 1000
	maxBundleText  = 16 << 20
	maxBundleFile  = 1 << 20
)

// ErrTooLarge means that a release has more than a bundle may have.
var ErrTooLarge = errors.New("too large for a release")

// Pack returns a bundle of files: a tar archive, compressed. The same files give the same
// bytes, in whatever order they are. Built-in files are left out: a layer stays a layer.
func Pack(files []policy.File) ([]byte, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f policy.File) bool { return f.Builtin })
	slices.SortFunc(files, func(a, b policy.File) int { return strings.Compare(a.Name, b.Name) })
	var packed bytes.Buffer
	compressed, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
	archive := tar.NewWriter(compressed)
	limits := limits{}
	for _, f := range files {
		if err := limits.take(f.Name, int64(len(f.Text))); err != nil {
			return nil, err
		}
		header := &tar.Header{Name: f.Name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.Text)), Format: tar.FormatPAX}
		err := archive.WriteHeader(header)
		if err == nil {
			_, err = archive.Write(f.Text)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Name, err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, fmt.Errorf("pack a release: %w", err)
	}
	if limits.files == 0 {
		return nil, errors.New("the folder has no rules")
	}
	if packed.Len() > MaxBundle {
		return nil, fmt.Errorf("%w: the bundle has %d bytes; want at most %d", ErrTooLarge, packed.Len(), MaxBundle)
	}
	return packed.Bytes(), nil
}

// DigestOf returns the SHA-256 of a bundle, as a plan has it.
func DigestOf(bundle []byte) string {
	sum := sha256.Sum256(bundle)
	return hex.EncodeToString(sum[:])
}

// Unpack returns the files of a bundle, sorted by name. It accepts only what [Pack] makes:
// regular files of rules, their tests, settings and runbooks, in order, in the folder, and no
// more than a policy folder may have.
func Unpack(bundle []byte) ([]policy.File, error) {
	if len(bundle) > MaxBundle {
		return nil, fmt.Errorf("%w: the bundle has %d bytes; want at most %d", ErrTooLarge, len(bundle), MaxBundle)
	}
	packed := bytes.NewReader(bundle)
	compressed, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("unpack a release: %w", err)
	}
	compressed.Multistream(false)
	archive := tar.NewReader(io.LimitReader(compressed, 2*maxBundleText))
	var files []policy.File
	limits := limits{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("unpack a release: %w", err)
		}
		file, err := limits.read(header, archive)
		if err != nil {
			return nil, fmt.Errorf("unpack a release: %w", err)
		}
		files = append(files, file)
	}
	if limits.files == 0 {
		return nil, errors.New("unpack a release: the bundle has no files")
	}
	return files, atEnd(compressed, packed)
}

// atEnd returns an error if something follows the archive, and checks the checksum of gzip.
func atEnd(compressed io.Reader, packed *bytes.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(compressed, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("unpack a release: %w", err)
	case n > 0 || packed.Len() > 0:
		return errors.New("unpack a release: something follows the archive")
	}
	return nil
}

// limits counts what a bundle has.
type limits struct {
	files int
	total int64
	last  string
}

// read reads the next file.
func (l *limits) read(header *tar.Header, content io.Reader) (policy.File, error) {
	if header.Typeflag != tar.TypeReg {
		return policy.File{}, fmt.Errorf("%.200q is not a regular file", header.Name)
	}
	if header.Name <= l.last {
		return policy.File{}, fmt.Errorf("%.200q is not after %.200q: the files must be in order, each once", header.Name, l.last)
	}
	if err := l.take(header.Name, header.Size); err != nil {
		return policy.File{}, err
	}
	text, err := io.ReadAll(io.LimitReader(content, maxBundleFile))
	if err != nil {
		return policy.File{}, fmt.Errorf("%s: %w", header.Name, err)
	}
	return policy.File{Name: header.Name, Text: text}, nil
}

// take counts a file. It is an error if it may not be in a bundle.
func (l *limits) take(name string, size int64) error {
	l.files++
	l.total += size
	if err := checkName(name); err != nil {
		return err
	}
	if l.files > maxBundleFiles || size > maxBundleFile || l.total > maxBundleText {
		return fmt.Errorf("%w: a release has at most %d files of %d bytes, and %d bytes in all", ErrTooLarge, maxBundleFiles, maxBundleFile, maxBundleText)
	}
	l.last = name
	return nil
}

// checkName refuses a name that is not in the folder, or that rules have no use for.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || len(name) > 255 || strings.ContainsFunc(name, isControl) || strings.Contains(name, `\`) {
		return fmt.Errorf("%.200q is no name of a file in a folder of rules", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return fmt.Errorf("%.200q is hidden: a release has no hidden files", name)
		}
	}
	isRunbook := strings.HasPrefix(name, "invariants/") && path.Ext(name) == ".md"
	if path.Ext(name) != ".rego" && name != policy.SettingsFile && !isRunbook {
		return fmt.Errorf("%.200q is neither a rule, a test, a runbook nor %s", name, policy.SettingsFile)
	}
	return nil
}
