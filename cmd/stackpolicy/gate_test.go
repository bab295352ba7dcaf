package main

import "testing"

// A gate does not wait for the unit in which it runs.
func TestOwnUnit(t *testing.T) {
	for cgroups, want := range map[string]string{
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/podman-auto-update.service\n":                                   "podman-auto-update.service",
		"12:memory:/user.slice\n1:name=systemd:/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n0::/init.scope\n": "a.service",
		"0::/system.slice/comin.service\n":                          "comin.service",
		"0::/user.slice/user-1000.slice/user@1000.service\n":        "",
		"0::/user.slice/user-1000.slice/session-3.scope\n":          "",
		"0::/user.slice/user@1000.service/app.slice/run-r1.scope\n": "",
		"": "",
	} {
		if got := ownUnit(cgroups); got != want {
			t.Errorf("%q: got %q, want %q", cgroups, got, want)
		}
	}
}
