package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/regularfile"
)

// leastSpace is what has to be free where podman keeps containers: a full disk
// shows only after the old container is gone.
const leastSpace = 64 << 20

// host finds what on this machine would make a plan fail.
type host struct {
	podman projectPodman
	plan   *plan
	graph  string // podman's folder of containers and images; "" is not known
}

// risks returns what makes the plan one that must not be carried out: data that
// would be lost, and what would fail. The worst comes first.
func (h host) risks(ctx context.Context, s Stack) []Problem {
	problems := h.plan.losses(ctx, s, h.podman.client)
	for _, err := range h.podman.holders(ctx, h.plan.removed()) {
		problems = append(problems, blocked("stop and remove that container, or start it from the stack's compose file", "%v", err))
	}
	problems = append(problems, h.problems(ctx)...)
	problems = append(problems, h.former(ctx, s)...)
	slices.SortStableFunc(problems, byStatus)
	return problems
}

// problems returns everything that would make an apply fail after the old
// containers have been stopped.
func (h host) problems(ctx context.Context) (problems []Problem) {
	problems = append(problems, h.missing(ctx, "network", h.plan.project.Networks)...)
	problems = append(problems, h.missing(ctx, "volume", h.plan.project.Volumes)...)
	for _, s := range h.plan.services {
		problems = append(problems, binds(s)...)
		problems = append(problems, builds(s)...)
	}
	problems = append(problems, h.ports(ctx)...)
	return append(problems, h.space()...)
}

// former returns a problem when the unit has containers of another project: the
// project has a new name. What the new containers have by a volume's name would be
// empty, and of a folder both would be writers.
func (h host) former(ctx context.Context, s Stack) (problems []Problem) {
	listing, err := h.podman.client.Containers(ctx)
	if err != nil {
		return []Problem{{Outcome: NoPodman, Message: "podman does not answer", Details: lines(err), Hint: "try: podman ps"}}
	}
	for _, c := range listing.Containers {
		project := c.Labels[podman.LabelProject]
		if c.Labels[podman.LabelUnit] != s.Unit || project == "" || project == h.plan.project.Name {
			continue
		}
		problems = append(problems, blocked(
			fmt.Sprintf("give the stack its project back (project: %s, below stacks.%s in config.yaml); or name the old volumes in the compose file, and remove what is left of it: podman rm --force $(podman ps --all --quiet --filter label=%s=%s)",
				project, s.Name, podman.LabelProject, project),
			"container %s of project %s is %s's, too: beside it the containers of project %s would begin with other volumes, and share its folders",
			c.Name, project, s.Unit, h.plan.project.Name))
	}
	return problems
}

func blocked(hint, message string, parts ...any) Problem {
	return Problem{Outcome: Blocked, Message: fmt.Sprintf(message, parts...), Hint: hint}
}

func (h host) missing(ctx context.Context, kind string, names []string) (problems []Problem) {
	there, err := h.podman.client.Exists(ctx, kind, names)
	if err != nil {
		return []Problem{{Outcome: NoPodman, Message: "whether external " + kind + "s exist cannot be found out", Details: lines(err)}}
	}
	for _, name := range names {
		if !there[name] {
			problems = append(problems, blocked(fmt.Sprintf("make it: podman %s create %s; or correct the compose file", kind, name),
				"the external %s %q does not exist", kind, name))
		}
	}
	return problems
}

func binds(s planned) (problems []Problem) {
	for _, source := range s.Binds {
		if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
			problems = append(problems, blocked("make it: mkdir -p "+source+"; or correct the compose file",
				"service %s mounts %s, which does not exist", s.Name, source))
		}
	}
	return problems
}

func builds(s planned) (problems []Problem) {
	if s.Build == nil {
		return nil
	}
	if info, err := os.Stat(s.Build.Context); err != nil || !info.IsDir() {
		problems = append(problems, blocked("correct services."+s.Name+".build.context",
			"the build context of service %s, %s, is no folder", s.Name, s.Build.Context))
	}
	if file := s.Build.Dockerfile; file != "" {
		if _, err := os.Stat(file); err != nil {
			problems = append(problems, blocked("correct services."+s.Name+".build.dockerfile",
				"the Dockerfile of service %s, %s, cannot be read", s.Name, file))
		}
	}
	if len(s.Build.Unknown) > 0 {
		problems = append(problems, blocked("build the image by a command of your own, and write its name under image",
			"service %s: stackctl does not pass build.%s to podman build", s.Name, strings.Join(s.Build.Unknown, ", build.")))
	}
	return problems
}

// ports returns a problem for each port that a service cannot have. One that a
// container of this project has now is free for it.
func (h host) ports(ctx context.Context) (problems []Problem) {
	lowest := lowestPort()
	for _, s := range h.plan.services {
		if s.Replicas == 0 {
			continue
		}
		for _, port := range s.Ports {
			switch {
			case h.has(port):
			case port.Number < lowest:
				problems = append(problems, blocked(fmt.Sprintf("as root: sysctl net.ipv4.ip_unprivileged_port_start=%d; or publish another port", port.Number),
					"service %s publishes port %s, and below %d only root may", s.Name, port, lowest))
			default:
				if err := listen(port); err != nil {
					problems = append(problems, h.taken(ctx, s.Name, port, err))
				}
			}
		}
	}
	return problems
}

// has reports whether a container of the project publishes the port now: one that is
// about to end still has it.
func (h host) has(port compose.Port) bool {
	has := func(c podman.Details) bool {
		return slices.Contains(alive, c.State) && slices.ContainsFunc(c.Ports, func(p podman.HostPort) bool {
			return p.Number == port.Number && p.Proto == port.Protocol
		})
	}
	return slices.ContainsFunc(h.plan.orphans, has) ||
		slices.ContainsFunc(h.plan.services, func(s planned) bool { return slices.ContainsFunc(s.containers, has) })
}

// listen has the port for a moment.
func listen(port compose.Port) error {
	address := net.JoinHostPort("", strconv.Itoa(int(port.Number)))
	if port.Host.IsValid() {
		address = netip.AddrPortFrom(port.Host, port.Number).String()
	}
	if port.Protocol == "udp" {
		c, err := net.ListenPacket("udp", address)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	c, err := net.Listen("tcp", address)
	if err == nil {
		err = c.Close()
	}
	return err
}

// taken says who has a port, as far as this account can see.
func (h host) taken(ctx context.Context, service string, port compose.Port, err error) Problem {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return blocked("correct the address in the compose file", "service %s cannot publish port %s: %v", service, port, err)
	}
	who, hint := "another process", fmt.Sprintf("see who: ss -ltnup 'sport = :%d'", port.Number)
	if name := h.publisher(ctx, port); name != "" {
		who, hint = "container "+name, "stop it: podman stop "+name+"; or publish another port"
	} else if name := process(port); name != "" {
		who = name
	}
	return blocked(hint, "service %s cannot publish port %s: %s has it", service, port, who)
}

// publisher is the name of a container that publishes the port.
func (h host) publisher(ctx context.Context, port compose.Port) string {
	listing, err := h.podman.client.Containers(ctx)
	if err != nil {
		return ""
	}
	ids := []string{}
	for _, c := range listing.Containers {
		if c.State == "running" {
			ids = append(ids, c.ID)
		}
	}
	all, err := h.podman.client.Details(ctx, ids)
	if err != nil {
		return ""
	}
	for _, c := range all {
		if slices.ContainsFunc(c.Ports, func(p podman.HostPort) bool { return p.Number == port.Number && p.Proto == port.Protocol }) {
			return c.Name
		}
	}
	return ""
}

// lowestPort is the first port that every account may have (ip(7)).
func lowestPort() uint16 {
	if os.Geteuid() == 0 {
		return 0
	}
	text, err := regularfile.Read("/proc/sys/net/ipv4/ip_unprivileged_port_start", maxProc)
	number, bad := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
	if err != nil || bad != nil {
		return 1024
	}
	return uint16(number)
}

func (h host) space() []Problem {
	var at unix.Statfs_t
	if h.graph == "" || unix.Statfs(h.graph, &at) != nil {
		return nil
	}
	if free := at.Bavail * uint64(at.Bsize); free < leastSpace {
		return []Problem{blocked(makeRoom,
			"%s has %d MiB free, and a new container may need more", h.graph, free>>20)}
	}
	return nil
}
