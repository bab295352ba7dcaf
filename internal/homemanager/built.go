package homemanager

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxUnit bounds a unit file that is read: Home Manager's have less than 4 KiB.
const maxUnit = 64 << 10

// Built returns the files of a generation that was built and need not be active: path is the
// generation, or a NixOS system, in which activation is the unit that activates the
// account's home, such as home-manager-ada.service.
func Built(path, activation string) (files string, err error) {
	generation := path
	unit, err := os.Open(filepath.Join(path, "etc/systemd/system", activation))
	if err == nil {
		defer unit.Close()
		if generation, err = activatedBy(unit); err != nil {
			return "", fmt.Errorf("%s: %w", unit.Name(), err)
		}
	}
	files, err = filepath.EvalSymlinks(filepath.Join(generation, "home-files"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is no Home Manager generation (no home-files), and no NixOS system that activates one for this account (no etc/systemd/system/%s)", path, activation)
	}
	return files, err
}

// activatedBy returns the generation that a unit of Home Manager's NixOS module activates: it
// is the last word of its command.
func activatedBy(unit io.Reader) (generation string, err error) {
	lines := bufio.NewScanner(io.LimitReader(unit, maxUnit))
	for lines.Scan() {
		command, isCommand := strings.CutPrefix(lines.Text(), "ExecStart=")
		words := strings.Fields(command)
		if isCommand && len(words) > 0 && strings.HasSuffix(words[len(words)-1], "-home-manager-generation") {
			return words[len(words)-1], nil
		}
	}
	return "", errors.Join(errors.New("its ExecStart= names no Home Manager generation"), lines.Err())
}
