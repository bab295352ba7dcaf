package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

const starterHead = `# How stackpolicy runs on this machine. "stackpolicy init" wrote this file and
# never overwrites it. Every key has a default. An unknown key is an error that
# names it. Settings for the rules are in settings.yaml of the policy folder.

# The units to audit, besides those that Home Manager declares: names, or
# patterns as in systemctl. The files in the user's unit folder count as declared.
# A quadlet has the name of its unit: write web.service for web.container.
`

const starterModes = `
# observe shows what could be healed; enforce heals it.
mode: observe

# A folder of rules instead of the built-in ones. "stackpolicy policy copy"
# creates one.
#policies: /path/to/rules

# Stacks: their compose files, so that an audit knows which services must be up.
`

const starterExample = `#stacks:
#  web:
#    unit: web.service
#    compose: [/path/to/compose.yaml]
#    verify: {timeout: 60s, settle: 5s}
`

const starterTail = `
# Where alerts go. Without this key they go to the journal.
#alerts:
#  textfile: /path/to/node-exporter/stackpolicy.prom
#  alertmanager: {url: "http://127.0.0.1:9093"}
`

// starter returns a configuration with comments for what was found.
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
	if f.packagedIn == "" { // a packaged unit is outside the user's folder
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

// stacksKey declares the projects that one of the user's units runs. The others are
// comments.
func stacksKey(projects []project) string {
	if len(projects) == 0 {
		return starterExample
	}
	var stacks, comments string
	for _, p := range projects {
		if p.isStack() {
			stacks += stackEntry(p)
		} else {
			comments += "#" + strings.ReplaceAll(strings.TrimSuffix(stackEntry(p), "\n"), "\n", "\n#") + "\n"
		}
	}
	if comments != "" {
		comments = "# Compose projects of podman's containers whose units were not found.\n#stacks:\n" + comments
	}
	if stacks == "" {
		return comments
	}
	return "stacks:\n" + stacks + comments
}

// stackEntry returns the entry of a stack. Go's quoting is valid YAML, because it escapes
// control characters.
func stackEntry(p project) string {
	var quoted []string
	for _, path := range p.compose {
		quoted = append(quoted, strconv.Quote(path))
	}
	return fmt.Sprintf("  %s:\n    unit: %s\n    compose: [%s]\n", strconv.Quote(p.name),
		strconv.Quote(cmp.Or(p.unit, p.name+".service")), strings.Join(quoted, ", "))
}
