package podman

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
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

	ReadOnly bool
}

// IsAnonymous reports whether it is an anonymous volume: podman gives these a name of 64
// hexadecimal digits.
func (m Mount) IsAnonymous() bool {
	return m.Type == "volume" && len(m.Name) == 64 && answer.CheckID(m.Name) == nil
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
		if err := answer.CheckID(id); err != nil {
			return nil, err
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	all, transport, err := ask(ctx, c, func(ctx context.Context, from transport.Source) ([]Details, error) {
		return details(ctx, from, ids)
	})
	if err == nil && transport == "" {
		return nil, ErrAbsent
	}
	return all, err
}

func details(ctx context.Context, from transport.Source, ids []string) (all []Details, err error) {
	documents, err := from.Documents(ctx, ids)
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

func detailsOf(document gjson.Result) (Details, error) {
	c, err := containerOf(document)
	if err != nil {
		return Details{}, err
	}
	d := Details{Container: c, Grace: int(document.Get("Config.StopTimeout").Int())}
	for _, id := range document.Get("Dependencies").Array() {
		d.Needs = append(d.Needs, answer.Text(id))
	}
	for _, entry := range document.Get("Config.Env").Array() {
		d.Environ = append(d.Environ, answer.Text(entry))
	}
	for _, argument := range document.Get("Config.Cmd").Array() {
		d.Command = append(d.Command, answer.Text(argument))
	}
	d.Mounts = mountsOf(document)
	document.Get("HostConfig.PortBindings").ForEach(func(key, bindings gjson.Result) bool {
		_, proto, _ := strings.Cut(key.Str, "/")
		for _, b := range bindings.Array() {
			if number := b.Get("HostPort").Uint(); number > 0 && number < 1<<16 {
				d.Ports = append(d.Ports, HostPort{IP: answer.Text(b.Get("HostIp")), Number: uint16(number), Proto: proto})
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
		return nil, ErrAbsent
	}
	for _, name := range names {
		if !imageName.Get().MatchString(name) {
			return nil, fmt.Errorf("%s name %.80q is malformed", kind, name)
		}
		exists, err := c.command().Exists(ctx, kind, name)
		if err != nil {
			return nil, fmt.Errorf("whether %s %q exists: %w", kind, name, err)
		}
		if exists {
			there[name] = true
		}
	}
	return there, nil
}
