// Package remembered keeps what rules decided, in one file in the user's state folder, so that
// the next audit need not decide it again. Nothing else depends on the file: without it, or
// with a damaged one, everything is decided.
//
// Start at [Open]; the file is a memory of package decide.
package remembered

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/regularfile"
)

const (
	// magic begins the file, and names its format.
	magic = "stackpolicy remembers 1\n"
	// keySize is the size of a key.
	keySize = 32
	// keep is for how many days an answer is kept that is not asked for.
	keep = 7
	// maxBytes bounds the file: 10,000 units take some 4 MiB.
	maxBytes = 32 << 20
)

// Path returns the path of the file below stateHome ($XDG_STATE_HOME).
func Path(stateHome string) string { return filepath.Join(stateHome, "stackpolicy", "decided") }

// File is what the file has. Its methods may be called from several goroutines. Of two
// processes, the last one's file counts.
type File struct {
	path    string
	today   uint32 // in days since 1970
	mu      sync.Mutex
	answers map[string]answer
}

type answer struct {
	used uint32 // the day on which it was last asked for
	text []byte
}

// Open reads the file below stateHome. One that is missing, damaged, or that others could
// have written, is as an empty one.
func Open(stateHome string, now time.Time) *File {
	f := &File{path: Path(stateHome), today: uint32(now.Unix() / (24 * 60 * 60)), answers: map[string]answer{}}
	if content, err := f.read(); err == nil {
		f.parse(content)
	}
	return f
}

func (f *File) read() ([]byte, error) {
	info, err := os.Lstat(f.path)
	if err != nil {
		return nil, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others can write to %s", f.path)
	}
	return regularfile.Read(f.path, maxBytes)
}

// parse reads entries of a key, a day, a length and an answer, up to one that is not whole.
func (f *File) parse(content []byte) {
	if len(content) < len(magic) || string(content[:len(magic)]) != magic {
		return
	}
	const head = keySize + 8
	for rest := content[len(magic):]; len(rest) >= head; {
		used, size := binary.BigEndian.Uint32(rest[keySize:]), int(binary.BigEndian.Uint32(rest[keySize+4:]))
		if size > len(rest)-head {
			return
		}
		f.answers[string(rest[:keySize])] = answer{used, rest[head : head+size]}
		rest = rest[head+size:]
	}
}

// Recall returns the answers that there are, by key.
func (f *File) Recall(_ context.Context, keys []string) (map[string][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string][]byte{}
	isStale := false
	for _, k := range keys {
		a, has := f.answers[k]
		if !has {
			continue
		}
		found[k] = a.text
		if a.used != f.today {
			isStale = true
			f.answers[k] = answer{f.today, a.text}
		}
	}
	if isStale {
		return found, f.write()
	}
	return found, nil
}

// Keep writes more answers to the file.
func (f *File) Keep(_ context.Context, answers map[string][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, text := range answers {
		if len(k) != keySize {
			return fmt.Errorf("a key of %d bytes; want %d", len(k), keySize)
		}
		f.answers[k] = answer{f.today, text}
	}
	return f.write()
}

// write writes all answers that were asked for lately, as long as there is room.
func (f *File) write() error {
	err := atomicfile.Write(f.path, 0o600, func(w io.Writer) error {
		content, left := []byte(magic), maxBytes-len(magic)
		for k, a := range f.answers {
			size := keySize + 8 + len(a.text)
			if a.used+keep < f.today || a.used > f.today || size > left {
				continue
			}
			left -= size
			content = append(content, k...)
			content = binary.BigEndian.AppendUint32(content, a.used)
			content = binary.BigEndian.AppendUint32(content, uint32(len(a.text)))
			content = append(content, a.text...)
		}
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep what was decided: %w", err)
	}
	return nil
}
