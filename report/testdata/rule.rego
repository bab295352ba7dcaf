finding contains {
	"subject": "host",
	"effect": "block",
	"severity": "page",
	"message": sprintf("linger is off for %s: the stacks stop with the last session", [input.user.name]),
	"evidence": {"case": "off", "user": input.user.name, "expected": "on", "found": "off"},
} if {
	not input.user.linger
}
