package collect

import (
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/internal/systemd"
)

// started is what the compose commands of a unit's ExecStart= start.
type started struct {
	services []string // nil: all, or not known
	alone    bool     // without what they depend on
}

// startedBy reads the commands of ExecStart=. A compose command that names no services
// starts all of them.
func startedBy(commands []systemd.Exec) (s started) {
	for _, c := range commands {
		for _, args := range upArguments(c.Argv) {
			named, alone := upServices(args)
			if len(named) == 0 {
				return started{}
			}
			s.services, s.alone = append(s.services, named...), s.alone || alone
		}
	}
	slices.Sort(s.services)
	s.services = slices.Compact(s.services)
	return s
}

// upArguments returns the arguments of each "compose up" in a command, also in a script of a
// shell.
func upArguments(argv []string) (all [][]string) {
	for i, word := range argv {
		program := filepath.Base(word)
		switch {
		case i+2 < len(argv) && isShell(program) && isScriptOption(argv[i+1]):
			for _, command := range simpleCommands(argv[i+2]) {
				all = append(all, upArguments(command)...)
			}
			return all
		case program == "podman-compose" || program == "docker-compose" || word == "compose":
			if words := verbs(argv[i+1:]); len(words) > 0 && words[0] == "up" {
				all = append(all, argv[i+2+slices.Index(argv[i+1:], "up"):])
			}
			return all
		}
	}
	return all
}

// upValued are the options of "compose up" that have a value of their own.
var upValued = []string{"-t", "--timeout", "--scale", "--exit-code-from", "--attach", "--no-attach", "--wait-timeout"}

// upServices returns the services that the arguments of "compose up" name, and whether they
// are started without what they depend on. --pull has a value with docker compose alone.
func upServices(args []string) (names []string, alone bool) {
	for i := 0; i < len(args); i++ {
		switch word := args[i]; {
		case word == "--no-deps":
			alone = true
		case slices.Contains(upValued, word):
			i++
		case word == "--pull" && i+1 < len(args) && slices.Contains([]string{"always", "missing", "never"}, args[i+1]):
			i++
		case !strings.HasPrefix(word, "-"):
			names = append(names, word)
		}
	}
	return names, alone
}

// simpleCommands returns the words of each simple command of a shell's script.
func simpleCommands(script string) (commands [][]string) {
	for _, command := range strings.FieldsFunc(script, func(r rune) bool { return strings.ContainsRune(";&|\n(){}", r) }) {
		words := strings.Fields(strings.NewReplacer(`"`, "", `'`, "").Replace(command))
		for len(words) > 0 && slices.Contains([]string{"exec", "then", "do", "else", "!"}, words[0]) {
			words = words[1:]
		}
		commands = append(commands, words)
	}
	return commands
}
