package stackpolicy.lib_test

import data.stackpolicy.lib

# described is a container by its service, and by state, health, exit code and
# restart policy.
described(service_name, is) := container("web_app", {
	"service": service_name,
	"state": is[0], "health": is[1], "exit_code": is[2], "restart_policy": is[3],
})

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
	{problem | problem := lib.container_problem(described("app", c.is), [])} == c.want
}

test_container_problem_by_record[name] if {
	some name, c in {
		"one-shot done": {"of": "migrate", "is": ["exited", "", 0, "no"], "want": set()},
		"one-shot done, its policy is another's": {"of": "migrate", "is": ["exited", "", 0, "always"], "want": set()},
		"one-shot failed": {"of": "migrate", "is": ["exited", "", 1, "no"], "want": {"exited"}},
		"one-shot at work": {"of": "migrate", "is": ["running", "", 0, "no"], "want": set()},
		"one-shot never started": {"of": "migrate", "is": ["created", "", 0, "no"], "want": {"not-running"}},
		"no one-shot": {"of": "app", "is": ["exited", "", 0, "no"], "want": {"exited"}},
		"of no service that is recorded": {"of": "other", "is": ["exited", "", 0, "no"], "want": set()},
		"of no service": {"of": "", "is": ["exited", "", 0, "always"], "want": {"exited"}},
	}
	{problem | problem := lib.container_problem(described(c.of, c.is), services)} == c.want
}

services := [service("app", {"containers": 2}), service("migrate", {"one_shot": true})]

test_too_few[name] if {
	some name, c in {
		"enough": {"have": ["app", "app", "migrate"], "want": {}},
		"one of two": {"have": ["app", "other", ""], "want": {"app": 1, "migrate": 0}},
		"none at all": {"have": [], "want": {"app": 0, "migrate": 0}},
		"more than recorded": {"have": ["app", "app", "app", "migrate"], "want": {}},
	}
	containers := [described(of, ["running", "", 0, ""]) | some of in c.have]
	{s.name: have | some s in services; have := lib.too_few(s, containers)} == c.want
}

test_auto_updated if {
	policies := ["", "disabled", "registry", "image", "local", "weekly", "Local"]
	{policy | some policy in policies; lib.auto_updated(policy)} == {"registry", "image", "local"}
	{policy | some policy in policies; lib.update_fails(policy)} == {"weekly", "Local"}
}

test_matches_any[name] if {
	names := ["web.service", "web.x.service", "db.service", `a\x2db.service`, "ax2db.service"]

	some name, c in {
		"nothing": {"patterns": [], "want": set()},
		"a name": {"patterns": ["web.service"], "want": {"web.service"}},
		"a star crosses dots": {"patterns": ["web*"], "want": {"web.service", "web.x.service"}},
		"several": {"patterns": ["db.*", "web.?ervice"], "want": {"web.service", "db.service"}},
		"a backslash is itself": {"patterns": [`a\x2d?.service`], "want": {`a\x2db.service`}},
		"a dot is itself": {"patterns": ["webxservice"], "want": set()},
		"a class": {"patterns": ["[dw]*b.service"], "want": {"web.service", "db.service"}},
		"a range": {"patterns": ["[a-d]*"], "want": {"db.service", `a\x2db.service`, "ax2db.service"}},
		"not a class": {"patterns": ["[!dw]*"], "want": {`a\x2db.service`, "ax2db.service"}},
		"a range that is empty": {"patterns": ["[z-a]*"], "want": set()},
		"a star in a class": {"patterns": ["[*]eb.service"], "want": set()},
	}
	{unit | some unit in names; lib.matches_any(unit, c.patterns)} == c.want
	{unit | some unit in names; some pattern in c.patterns; lib.matches_some(pattern, [unit])} == c.want
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
