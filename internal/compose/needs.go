package compose

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// maxPorts bounds the ports of one range.
const maxPorts = 1000

// Port is a port of the host that a service publishes.
type Port struct {
	Host     netip.Addr // the zero Addr is every address
	Number   uint16
	Protocol string // tcp or udp
}

func (p Port) String() string {
	host := ""
	if p.Host.IsValid() {
		host = p.Host.String()
	}
	return fmt.Sprintf("%s:%d/%s", host, p.Number, p.Protocol)
}

// ports are the fixed ones: a port without a number gets a free one.
func ports(published []types.ServicePortConfig) (all []Port, err error) {
	for _, p := range published {
		if p.Published == "" || p.Published == "0" {
			continue
		}
		first, last, isRange := strings.Cut(p.Published, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", p.Published, err)
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil || to < from || to-from >= maxPorts {
			return nil, fmt.Errorf("port %q is no range of at most %d ports", p.Published, maxPorts)
		}
		host, _ := netip.ParseAddr(p.HostIP) // no address: every one
		protocol := p.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		for number := from; number <= to; number++ {
			all = append(all, Port{Host: host, Number: uint16(number), Protocol: protocol})
		}
	}
	return all, nil
}

// external are the networks and volumes that active services use and that
// compose does not make.
func external(p *types.Project) (networks, volumes []string) {
	names, mounted := map[string]bool{}, map[string]bool{}
	for _, s := range p.Services {
		for key := range s.Networks {
			if n := p.Networks[key]; bool(n.External) {
				names[n.Name] = true
			}
		}
		for _, v := range s.Volumes {
			if declared, ok := p.Volumes[v.Source]; ok && v.Type == types.VolumeTypeVolume && bool(declared.External) {
				mounted[declared.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(mounted))
}

// targets are where something other than an anonymous volume is put.
func targets(s types.ServiceConfig) (paths []string) {
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeVolume || v.Source != "" {
			paths = append(paths, v.Target)
		}
	}
	for _, path := range s.Tmpfs {
		path, _, _ = strings.Cut(path, ":")
		paths = append(paths, path)
	}
	return paths
}

func binds(s types.ServiceConfig) (paths []string) {
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			paths = append(paths, v.Source)
		}
	}
	return paths
}

func graceOf(s types.ServiceConfig) time.Duration {
	if s.StopGracePeriod == nil {
		return 0
	}
	return time.Duration(*s.StopGracePeriod)
}
