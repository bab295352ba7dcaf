package alerts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"stackpolicy/finding"
	"stackpolicy/internal/atomicfile"
	"stackpolicy/internal/lock"
	"stackpolicy/internal/regularfile"
	"stackpolicy/notify"
)

// maxSpool bounds the file, in bytes: hundreds of alerts of the greatest size.
const maxSpool = 8 << 20

// SpoolPath returns the path of the spool in the user's runtime folder.
func SpoolPath(runtimeDir string) string {
	return filepath.Join(runtimeDir, "stackpolicy", "alerts.json")
}

// spool are the alerts that an audit without a memory left for sinks of the network.
type spool []spooled

type spooled struct {
	Sink  string       `json:"sink"`
	Alert notify.Alert `json:"alert"`
}

// of returns the alerts for a sink.
func (s spool) of(sink string) (alerts []notify.Alert) {
	for _, x := range s {
		if x.Sink == sink {
			alerts = append(alerts, cut(x.Alert))
		}
	}
	return alerts
}

// leave writes the alerts for sinks of the network into the spool.
func (o Options) leave(found []finding.Finding) error {
	var list spool
	for _, r := range o.Routes {
		if !r.Network {
			continue
		}
		for _, a := range o.firing(r, found) {
			list = append(list, spooled{r.Name(), a})
		}
	}
	return writeSpool(o.Spool, list)
}

// writeSpool replaces the spool, or removes it if nothing is left. Alerts that it has no
// place for are an error, after the others were written.
func writeSpool(path string, list spool) error {
	if len(list) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove alerts that are not needed: %w", err)
		}
		return nil
	}
	var lines bytes.Buffer
	for i, x := range list {
		line, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("encode an alert: %w", err)
		}
		if lines.Len()+len(line)+1 > maxSpool {
			return errors.Join(writeLines(path, lines.Bytes()), fmt.Errorf("%d of %d alerts are not sent in this audit: more than %d MiB", len(list)-i, len(list), maxSpool>>20))
		}
		lines.Write(append(line, '\n'))
	}
	return writeLines(path, lines.Bytes())
}

func writeLines(path string, lines []byte) error {
	err := lock.OwnFolder(filepath.Dir(path))
	if err == nil {
		err = atomicfile.Write(path, 0o600, func(w io.Writer) error {
			_, err := w.Write(lines)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("leave alerts to stackpolicy-alerts.service: %w", err)
	}
	return nil
}

// takeSpool reads the spool and removes it. Whatever becomes of its alerts, they are not
// sent again from here: the next audit knows which are still true.
func takeSpool(path string) (spool, error) {
	f, err := regularfile.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the alerts of an audit without a history: %w", err)
	}
	defer f.Close()
	list, err := readSpool(f)
	if err := errors.Join(err, os.Remove(path)); err != nil {
		return list, fmt.Errorf("read the alerts of an audit without a history, %s: %w", path, err)
	}
	return list, nil
}

func readSpool(f *os.File) (list spool, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); !known || int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return nil, errors.New("others may have written it")
	}
	text, err := regularfile.ReadAll(f, maxSpool)
	if err != nil {
		return nil, err
	}
	for lines := json.NewDecoder(bytes.NewReader(text)); ; {
		var x spooled
		switch err := lines.Decode(&x); {
		case err == io.EOF:
			return list, nil
		case err != nil:
			return list, fmt.Errorf("decode an alert: %w", err)
		}
		list = append(list, x)
	}
}
