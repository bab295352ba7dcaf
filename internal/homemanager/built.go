package homemanager

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"stackpolicy/internal/regularfile"
)

// maxUnit bounds a unit file that is read: Home Manager's have less than 4 KiB.
const maxUnit = 64 << 10

// Built returns the files of a generation that was built and need not be active: path is the
// generation, or a NixOS system, in which activation is the unit that activates the
// account's home, such as home-manager-ada.service.
func Built(path, activation string) (files string, err error) {
	generation := path
	unit := filepath.Join(path, "etc/systemd/system", activation)
	text, err := regularfile.Read(unit, maxUnit)
	if err == nil {
		generation, err = activatedBy(string(text))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", unit, err)
	}
	files, err = filepath.EvalSymlinks(filepath.Join(generation, "home-files"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is no Home Manager generation (no home-files), and no NixOS system that activates one for this account (no etc/systemd/system/%s)", path, activation)
	}
	return files, err
}

// activatedBy returns the generation that a unit of Home Manager's NixOS module activates: it
// is the last word of its command.
func activatedBy(unit string) (generation string, err error) {
	for line := range strings.Lines(unit) {
		command, isCommand := strings.CutPrefix(line, "ExecStart=")
		words := strings.Fields(command)
		if isCommand && len(words) > 0 && strings.HasSuffix(words[len(words)-1], "-home-manager-generation") {
			return words[len(words)-1], nil
		}
	}
	return "", errors.New("its ExecStart= names no Home Manager generation")
}
