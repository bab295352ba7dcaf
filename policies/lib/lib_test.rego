package stackpolicy.lib_test

import data.stackpolicy.lib

test_container_problem[name] if {
	some name, c in {
		"running, no check": {"is": ["running", "", 0, "always"], "want": set()},
		"running, healthy": {"is": ["running", "healthy", 0, "always"], "want": set()},
		"running, no verdict yet": {"is": ["running", "starting", 0, "always"], "want": set()},
		"running, unhealthy": {"is": ["running", "unhealthy", 0, "always"], "want": {"unhealthy"}},
		"running, unknown verdict": {"is": ["running", "shaky", 0, "always"], "want": {"unhealthy"}},
		"one-shot done": {"is": ["exited", "", 0, "no"], "want": set()},
		"one-shot done, default policy": {"is": ["exited", "", 0, ""], "want": set()},
		"one-shot done, not cleaned up": {"is": ["stopped", "", 0, "on-failure"], "want": set()},
		"one-shot failed": {"is": ["exited", "", 1, "no"], "want": {"exited"}},
		"ended though always": {"is": ["exited", "", 0, "always"], "want": {"exited"}},
		"ended though unless-stopped": {"is": ["exited", "", 0, "unless-stopped"], "want": {"exited"}},
		"restarting": {"is": ["restarting", "", 0, "always"], "want": {"restarting"}},
		"paused": {"is": ["paused", "healthy", 0, "always"], "want": {"not-running"}},
		"created": {"is": ["created", "", 0, "no"], "want": {"not-running"}},
		"dead": {"is": ["dead", "", 0, "no"], "want": {"not-running"}},
		"unknown state": {"is": ["configured", "", 0, "no"], "want": {"not-running"}},
	}
	[state, health, exit_code, policy] := c.is
	{problem | problem := lib.container_problem(state, health, exit_code, policy)} == c.want
}

test_auto_updated if {
	{policy | some policy in ["", "disabled", "registry", "local"]; lib.auto_updated(policy)} == {"registry", "local"}
}

test_matches_any[name] if {
	some name, c in {
		"nothing": {"patterns": [], "want": set()},
		"a name": {"patterns": ["web.service"], "want": {"web.service"}},
		"a star crosses dots": {"patterns": ["web*"], "want": {"web.service", "web.x.service"}},
		"several": {"patterns": ["db.*", "web.?ervice"], "want": {"web.service", "db.service"}},
	}
	{unit | some unit in ["web.service", "web.x.service", "db.service"]; lib.matches_any(unit, c.patterns)} == c.want
}

test_reload_safe if {
	lib.reload_safe([], [])
	not lib.reload_safe(["/a"], [])
	not lib.reload_safe([], ["/a"])
	lib.culprit([], ["/a"]) == "/a"
	lib.culprit(["/b"], ["/a"]) == "/b"
}

test_non_empty if {
	lib.non_empty("a", "b") == "a"
	lib.non_empty("", "b") == "b"
}
