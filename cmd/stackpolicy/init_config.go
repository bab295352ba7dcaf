package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

const starterHead = `# How stackpolicy runs on this machine. "stackpolicy init" wrote this once and
# never writes over it. Every key has a default; an unknown key is an error that
# names it. What rules decide by is in the policy folder's settings.yaml.

# What is audited, besides what Home Manager declares: names of units, or
# patterns as systemctl has them. What stands in the user's unit folder is what
# is declared. A quadlet goes by the unit that it becomes: web.container is
# web.service.
`

const starterModes = `
# observe tells what could be healed; enforce heals it.
mode: observe

# A folder of rules instead of the built-in ones: "stackpolicy policy copy"
# makes one.
#policies: /path/to/rules

# Stacks whose units call stackctl: what they are made of, so that an audit
# knows which services must be up.
`

const starterExample = `#stacks:
#  web:
#    unit: web.service
#    compose: [/path/to/compose.yaml]
#    verify: {timeout: 60s, settle: 5s}
`

const starterTail = `
# Who is told of findings. The journal is, without any of this.
#alerts:
#  textfile: /path/to/node-exporter/stackpolicy.prom
#  alertmanager: {url: "http://127.0.0.1:9093"}
`

// starter is the commented configuration for what was found.
func starter(f found) string {
	var b strings.Builder
	b.WriteString(starterHead)
	b.WriteString(unitsKey(f))
	b.WriteString(starterModes)
	b.WriteString(stacksKey(f.projects))
	b.WriteString(starterTail)
	return b.String()
}

func unitsKey(f found) string {
	var b strings.Builder
	if f.packagedIn == "" { // a packaged unit stands outside the user's folder
		b.WriteString("  - \"stackpolicy-*\" # the audit's own\n")
	}
	for _, name := range f.units {
		fmt.Fprintf(&b, "  - %s\n", strconv.Quote(name))
	}
	if b.Len() == 0 {
		return "units: []\n"
	}
	return "units:\n" + b.String()
}

// stacksKey is commented: which project is a stack is the user's to say.
// Go's quoting is YAML's too, for what it leaves of bytes and line ends.
func stacksKey(projects []project) string {
	if len(projects) == 0 {
		return starterExample
	}
	var b strings.Builder
	b.WriteString("# These projects are among podman's containers.\n#stacks:\n")
	for _, p := range projects {
		fmt.Fprintf(&b, "#  %s:\n#    unit: %s\n", strconv.Quote(p.name), strconv.Quote(cmp.Or(p.unit, p.name+".service")))
		var quoted []string
		for _, path := range p.compose {
			quoted = append(quoted, strconv.Quote(path))
		}
		fmt.Fprintf(&b, "#    compose: [%s]\n", strings.Join(quoted, ", "))
	}
	return b.String()
}
