package podman

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Details has more facts about a container, for a caller that may replace it.
type Details struct {
	Container
	Mounts []Mount
	Needs  []string // ids of the containers without which it cannot run
	Ports  []HostPort
	Grace  int // seconds from SIGTERM to SIGKILL when it is stopped

	Environ []string // K=V, the image's included; it may hold secrets
	Command []string // arguments after the entry point
}

// Mount is a mount of a container at one path.
type Mount struct {
	Type   string // volume, bind, tmpfs, …
	Name   string // a volume's
	Source string // the folder or file of the host
	Target string
}

// IsAnonymous reports whether it is an anonymous volume: podman gives these a name of 64
// hexadecimal digits.
func (m Mount) IsAnonymous() bool {
	return m.Type == "volume" && len(m.Name) == 64 && checkID(m.Name) == nil
}

// HostPort is a published port.
type HostPort struct {
	IP     string // "" is every address
	Number uint16
	Proto  string
}

// Details reads the containers with the given ids, in that order. It leaves out containers
// that are gone meanwhile.
func (c Client) Details(ctx context.Context, ids []string) ([]Details, error) {
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return nil, err
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	all, transport, err := ask(ctx, c, func(ctx context.Context, from source) ([]Details, error) {
		return details(ctx, from, ids)
	})
	if err == nil && transport == "" {
		return nil, errAbsent
	}
	return all, err
}

func details(ctx context.Context, from source, ids []string) (all []Details, err error) {
	documents, err := from.several(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, document := range documents {
		one, err := detailsOf(document)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, one.ID) {
			all = append(all, one)
		}
	}
	return all, nil
}

// several is one call of the command.
func (c command) several(ctx context.Context, ids []string) (all []gjson.Result, err error) {
	for some := range slices.Chunk(ids, chunk) {
		out, err := c.run(ctx, "inspect", append([]string{"--type", "container"}, some...)...)
		if err != nil {
			return nil, orVanished(err)
		}
		found, err := parseArray(out)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (a api) several(ctx context.Context, ids []string) (all []gjson.Result, err error) {
	for _, id := range ids {
		document, err := a.document(ctx, "container", id)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", id, err)
		}
		all = append(all, document)
	}
	return all, nil
}

func detailsOf(document gjson.Result) (Details, error) {
	c, err := container(document)
	if err != nil {
		return Details{}, err
	}
	d := Details{Container: c, Grace: int(document.Get("Config.StopTimeout").Int())}
	for _, id := range document.Get("Dependencies").Array() {
		d.Needs = append(d.Needs, text(id))
	}
	for _, entry := range document.Get("Config.Env").Array() {
		d.Environ = append(d.Environ, text(entry))
	}
	for _, argument := range document.Get("Config.Cmd").Array() {
		d.Command = append(d.Command, text(argument))
	}
	for _, m := range document.Get("Mounts").Array() {
		d.Mounts = append(d.Mounts, Mount{
			Type: text(m.Get("Type")), Name: text(m.Get("Name")), Source: text(m.Get("Source")), Target: text(m.Get("Destination")),
		})
	}
	document.Get("HostConfig.PortBindings").ForEach(func(key, bindings gjson.Result) bool {
		_, proto, _ := strings.Cut(key.Str, "/")
		for _, b := range bindings.Array() {
			if number := b.Get("HostPort").Uint(); number > 0 && number < 1<<16 {
				d.Ports = append(d.Ports, HostPort{IP: text(b.Get("HostIp")), Number: uint16(number), Proto: proto})
			}
		}
		return true
	})
	return d, nil
}

// Exists returns which of the named networks, volumes or images exist; kind is "network",
// "volume" or "image".
func (c Client) Exists(ctx context.Context, kind string, names []string) (map[string]bool, error) {
	there := map[string]bool{}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if c.Command == "" && len(names) > 0 {
		return nil, errAbsent
	}
	for _, name := range names {
		if !imageName.Get().MatchString(name) {
			return nil, fmt.Errorf("%s name %.80q is malformed", kind, name)
		}
		_, err := command{c.Command, c.Args}.run(ctx, kind, "exists", name)
		var exit *exec.ExitError
		switch {
		case err == nil:
			there[name] = true
		case errors.As(err, &exit) && exit.ExitCode() == 1: // podman-network-exists(1)
		default:
			return nil, fmt.Errorf("whether %s %q exists: %w", kind, name, err)
		}
	}
	return there, nil
}

// ImageVolumes reads the paths at which an image declares volumes. An image that is not in
// local storage has none.
func (c Client) ImageVolumes(ctx context.Context, name string) (paths []string, err error) {
	if !imageName.Get().MatchString(name) {
		return nil, fmt.Errorf("image name %.80q is malformed", name)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	paths, _, err = ask(ctx, c, func(ctx context.Context, from source) (paths []string, err error) {
		document, err := from.document(ctx, "image", name)
		if errors.Is(err, errNoImage) {
			return nil, nil
		}
		document.Get("Config.Volumes").ForEach(func(path, _ gjson.Result) bool {
			paths = append(paths, text(path))
			return true
		})
		return paths, err
	})
	return paths, err
}
