package machine

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Addresses of two machines that are joined, and the name of the interface in both.
const (
	firstAddress  = "10.77.0.1"
	secondAddress = "10.77.0.2"
	link          = "lab0"
)

// Joinable returns nil if [Join] can probably work here.
func Joinable() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("a network of machines needs ip: %w\nhint: apt-get install iproute2", err)
	}
	return nil
}

// Join puts a cable between two machines, and returns the address of each. They have no other
// network. A reboot of either unplugs it.
func Join(ctx context.Context, first, second *Machine) (ofFirst, ofSecond string, err error) {
	a, b := strconv.Itoa(first.currentEntry().leader), strconv.Itoa(second.currentEntry().leader)
	commands := [][]string{{"ip", "link", "add", "name", link, "netns", a, "type", "veth", "peer", "name", link, "netns", b}}
	for leader, address := range map[string]string{a: firstAddress, b: secondAddress} {
		inside := []string{"nsenter", "--target", leader, "--net", "--", "ip"}
		commands = append(commands,
			append(inside[:len(inside):len(inside)], "address", "add", address+"/24", "dev", link),
			append(inside[:len(inside):len(inside)], "link", "set", link, "up"))
	}
	for _, argv := range commands {
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("join two machines: %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return firstAddress, secondAddress, nil
}
