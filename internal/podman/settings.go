package podman

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
)

// Settings are what a container was created with, as far as it says what the container can
// reach and who can reach it.
type Settings struct {
	ImageDigest  string // digest of its image's manifest: sha256:…; empty without an image
	NetworkMode  string // bridge, host, none, pasta, slirp4netns, container:ID, …
	Networks     []string
	Ports        []Port
	Mounts       []Mount
	Privileged   bool
	User         string   // as it was given, or of the image: name, uid, or either with a group
	Capabilities []string // that its processes can have at most, such as CAP_CHOWN
}

// Port is a port that a container publishes.
type Port struct {
	HostIP    string // "" is every address
	Host      int    // on the host
	Container int
	Protocol  string // tcp, udp or sctp
}

// maxUser bounds the bytes of a user, which an image may bring.
const maxUser = 256

func settingsOf(document gjson.Result) Settings {
	s := Settings{
		ImageDigest: answer.Text(document.Get("ImageDigest")), NetworkMode: answer.Text(document.Get("HostConfig.NetworkMode")),
		Mounts: mountsOf(document), Privileged: document.Get("HostConfig.Privileged").Bool(), User: answer.Cut(document.Get("Config.User"), maxUser),
	}
	document.Get("NetworkSettings.Networks").ForEach(func(name, _ gjson.Result) bool {
		s.Networks = append(s.Networks, answer.Text(name))
		return true
	})
	slices.Sort(s.Networks)
	document.Get("HostConfig.PortBindings").ForEach(func(key, bindings gjson.Result) bool {
		number, protocol, _ := strings.Cut(answer.Text(key), "/")
		for _, b := range bindings.Array() {
			s.Ports = append(s.Ports, Port{
				HostIP: answer.Text(b.Get("HostIp")), Host: int(b.Get("HostPort").Int()),
				Container: int(gjson.Parse(number).Int()), Protocol: protocol,
			})
		}
		return true
	})
	for _, capability := range document.Get("BoundingCaps").Array() {
		s.Capabilities = append(s.Capabilities, answer.Text(capability))
	}
	return s
}

func mountsOf(document gjson.Result) (mounts []Mount) {
	for _, m := range document.Get("Mounts").Array() {
		writable := m.Get("RW")
		mounts = append(mounts, Mount{
			Type: answer.Text(m.Get("Type")), Name: answer.Text(m.Get("Name")), Source: answer.Text(m.Get("Source")),
			Target: answer.Text(m.Get("Destination")), ReadOnly: writable.Exists() && !writable.Bool(),
		})
	}
	return mounts
}
