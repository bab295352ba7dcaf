package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/internal/atomicfile"
)

// Manual is the part of a program's man page that is not about its commands.
type Manual struct {
	Environment []Entry
	Files       []Entry
	SeeAlso     []string // as in "systemd.unit(5)", by section and then by name
}

// Entry is a name and the sentences that explain it.
type Entry struct{ Name, Text string }

// Man returns the hidden command "man DIR" of a program, for packagers: it writes the
// program's man page, made from its commands and m. The page depends only on the
// program. Its date is $SOURCE_DATE_EPOCH or the commit that the program was built from,
// never today.
func Man(m Manual) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man page to a folder",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("man takes the folder to write to")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"), commitTime())
			if err != nil {
				return fmt.Errorf("date the man page: %w", err)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the man page: %w", err)
			}
			root := cmd.Root()
			path := filepath.Join(args[0], root.Name()+".1")
			err = atomicfile.Write(path, 0o644, func(w io.Writer) error { return m.write(w, root, Version(), date) })
			if err != nil {
				return fmt.Errorf("write the man page %s: %w", path, err)
			}
			return nil
		},
	}
}

// sourceDate returns the date of a build: epoch, in seconds since 1970
// (reproducible-builds.org/specs/source-date-epoch), or else the commit's time.
func sourceDate(epoch, commit string) (time.Time, error) {
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds", epoch)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if commit == "" {
		return time.Time{}, errors.New("this program knows no commit; set SOURCE_DATE_EPOCH to seconds since 1970")
	}
	t, err := time.Parse(time.RFC3339, commit)
	return t.UTC(), err
}

// commitTime returns the time of the commit that the program was built from, or "".
func commitTime() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			return s.Value
		}
	}
	return ""
}
