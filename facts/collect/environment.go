package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

// Environment says whose manager is audited, and where its files are. Collectors use it
// instead of the process's own environment.
type Environment struct {
	UID        int
	Name       string
	Home       string
	ConfigHome string // $XDG_CONFIG_HOME
	StateHome  string // $XDG_STATE_HOME
	DataHome   string // $XDG_DATA_HOME
	RuntimeDir string // $XDG_RUNTIME_DIR
	BusAddress string // $DBUS_SESSION_BUS_ADDRESS; if "", the bus in the runtime folder
	LingerDir  string // /var/lib/systemd/linger
	EtcDir     string // /etc, for passwd and group
	Root       string // where /etc, /run and /usr are, for what the manager reads there; "" is /
	Config     config.Config
	Podman     Lister
	Images     ImageSource    // nil: nothing is asked about images
	Storage    StorageSource  // nil: nothing is asked about podman's storage
	Quadlets   QuadletChecker // nil: nothing is asked about quadlets
	Memory     Rememberer     // nil: the history is a gap
	// Releases says how the releases of the account are, nil if it uses none. If it is nil
	// itself, nothing is known of them.
	Releases func() (*facts.Release, error)
	Now      func() time.Time

	kept *kept // nil: each collection is one of its own
}

// Lister lists podman's containers; it must respect its context.
type Lister interface {
	Containers(ctx context.Context) (podman.Listing, error)
}

// OfProcess returns the environment of the account that runs this process. Its home folder
// must exist: [ErrNoHome].
func OfProcess(c config.Config) (Environment, error) {
	u, err := user.Current()
	if err != nil {
		return Environment{}, fmt.Errorf("find out who runs this: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Environment{}, fmt.Errorf("find out who runs this: uid %q: %w", u.Uid, err)
	}
	home := homeFolder()
	if info, err := os.Stat(home); err != nil || !info.IsDir() {
		return Environment{}, fmt.Errorf("the home folder %q of %s %w: set HOME to one that exists", home, u.Username, ErrNoHome)
	}
	runtimeDir := or(os.Getenv("XDG_RUNTIME_DIR"), filepath.Join("/run/user", u.Uid))
	client := podman.Of(runtimeDir)
	return Environment{
		UID: uid, Name: u.Username, Home: home,
		ConfigHome: ConfigHome(),
		StateHome:  or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")),
		DataHome:   or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local", "share")),
		RuntimeDir: runtimeDir,
		BusAddress: os.Getenv("DBUS_SESSION_BUS_ADDRESS"),
		LingerDir:  "/var/lib/systemd/linger",
		EtcDir:     "/etc",
		Config:     c,
		Podman:     client,
		Images:     client,
		Storage:    client,
		Quadlets:   generator{},
		Now:        time.Now,
	}, nil
}

// ErrNoHome is the error for a home folder that does not exist. It is not created, because a
// wrong HOME is a mistake.
var ErrNoHome = errors.New("does not exist")

// homeFolder returns $HOME, or the home folder of the account if that is not set.
func homeFolder() string {
	if home := os.Getenv("HOME"); home != "" {
		return home
	}
	u, err := user.Current()
	if err != nil {
		return "/"
	}
	return u.HomeDir
}

// ConfigHome returns $XDG_CONFIG_HOME, or ~/.config if that is not set.
func ConfigHome() string {
	return or(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(homeFolder(), ".config"))
}

// UnitDir returns the user's unit folder.
func (e Environment) UnitDir() string { return filepath.Join(e.ConfigHome, "systemd", "user") }

// DataUnitDir returns the folder into which Home Manager links the units of packages
// (systemd.user.packages).
func (e Environment) DataUnitDir() string { return filepath.Join(e.DataHome, "systemd", "user") }

// QuadletDir returns the user's folder of quadlet sources (podman-systemd.unit(5)).
func (e Environment) QuadletDir() string { return filepath.Join(e.ConfigHome, "containers", "systemd") }

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}
