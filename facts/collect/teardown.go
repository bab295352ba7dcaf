package collect

import (
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// stopCommands returns the commands of ExecStop= and ExecStopPost=, which systemd also runs
// for a restart, before it starts the unit again. A line that is not understood is left out.
func stopCommands(lines []string, spec unitfile.Specifiers) (commands []facts.StopCommand) {
	for _, line := range lines {
		if c, ok := unitfile.ParseCommand(line, spec); ok {
			commands = append(commands, facts.StopCommand{
				Path: c.Argv[0], IgnoreFailure: c.IgnoreFailure, StopsContainers: stopsContainers(c.Argv),
			})
		}
	}
	return commands
}

// stopVerbs are the words with which a program stops or removes containers.
var stopVerbs = map[string][]string{
	"podman":         {"stop", "rm", "kill", "pod stop", "pod rm", "pod kill", "container stop", "container rm", "container kill", "kube down"},
	"docker":         {"stop", "rm", "kill", "container stop", "container rm", "container kill"},
	"podman-compose": {"down", "stop", "rm", "kill"},
	"docker-compose": {"down", "stop", "rm", "kill"},
}

// valued are the options that these programs take before a verb and that have a value of
// their own.
var valued = []string{
	"-f", "--file", "-p", "--project-name", "--env-file", "--profile", "--project-directory", "--parallel", "--progress",
	"--ansi", "--podman-path", "--podman-args", "-c", "--connection", "--context", "-H", "--host", "--url", "--log-level",
	"-l", "--root", "--runroot", "--storage-driver", "--storage-opt", "--config",
}

// stopsContainers returns how a command stops or removes containers, such as "podman-compose
// down"; "" if it is not known to. The words are those of this file, so that no argument is
// recorded, which may hold a secret.
func stopsContainers(argv []string) string {
	for i, word := range argv {
		program := filepath.Base(word)
		switch {
		case i+2 < len(argv) && isShell(program) && isScriptOption(argv[i+1]):
			return scriptStops(argv[i+2])
		case stopVerbs[program] != nil:
			return verbOf(program, argv[i+1:])
		case i == 0 && !slices.Contains([]string{"env", "timeout", "nice", "flock", "setsid", "systemd-run", "systemd-cat"}, program):
			return ""
		}
	}
	return ""
}

func isShell(program string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "zsh", "ash"}, program)
}

// isScriptOption reports whether an option of a shell is -c, perhaps with others, as -ec.
func isScriptOption(option string) bool {
	return strings.HasPrefix(option, "-") && !strings.HasPrefix(option, "--") && strings.HasSuffix(option, "c")
}

// verbOf returns the program with its verb, if that stops containers.
func verbOf(program string, args []string) string {
	words := verbs(args)
	if len(words) == 0 {
		return ""
	}
	if words[0] == "compose" && (program == "podman" || program == "docker") {
		if verb := verbOf("docker-compose", args[slices.Index(args, "compose")+1:]); verb != "" {
			return program + " compose" + strings.TrimPrefix(verb, "docker-compose")
		}
		return ""
	}
	for _, verb := range stopVerbs[program] {
		if verb == words[0] || len(words) > 1 && verb == words[0]+" "+words[1] {
			return program + " " + verb
		}
	}
	return ""
}

// verbs returns the arguments that are no options, nor their values.
func verbs(args []string) (words []string) {
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains(valued, args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		}
	}
	return words
}

// scriptStops looks at each simple command of a script. A script that asks for the unit's
// job can tell a restart from a stop, as stackctl does.
func scriptStops(script string) string {
	if strings.Contains(script, "Job") || strings.Contains(script, "list-jobs") {
		return ""
	}
	for _, words := range simpleCommands(script) {
		if verb := stopsContainers(words); verb != "" {
			return verb
		}
	}
	return ""
}
