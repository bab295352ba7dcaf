package sandbox

import "testing"

func TestLocateCgroup(t *testing.T) {
	const (
		unified = "29 23 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "30 29 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"31 29 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
		part = "29 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	)
	tests := map[string]struct {
		mounts, own string
		want        string // "" is an error
	}{
		"unified":             {unified, "0::/user.slice/x.scope\n", "/sys/fs/cgroup/user.slice/x.scope"},
		"hybrid":              {hybrid, "4:memory:/other\n0::/\n", "/sys/fs/cgroup/unified"},
		"part of a hierarchy": {part, "0::/docker/1/x\n", "/sys/fs/cgroup/x"},
		"another part":        {part, "0::/docker/12\n", ""},
		"legacy":              {"", "4:memory:/\n", ""},
		"not mounted":         {"", "0::/\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := locateCgroup(test.mounts, test.own)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}
