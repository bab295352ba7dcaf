// Command home-manager takes the place of Home Manager in a machine: "home-manager switch"
// links what the machine's user declares into the home, and reloads the user manager. As a
// step of a runbook it is run as it is printed.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/machine"
)

// declaration is the file that the matrix writes: a generation.Generation.
const declaration = "/etc/declared.json"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "home-manager:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if !slices.Equal(args, []string{"switch"}) {
		return fmt.Errorf("usage: home-manager switch")
	}
	text, err := os.ReadFile(declaration)
	if err != nil {
		return fmt.Errorf("read what is declared: %w", err)
	}
	var g generation.Generation
	if err := json.Unmarshal(text, &g); err != nil {
		return fmt.Errorf("read what is declared: %w", err)
	}
	built, err := g.Build(machine.StoreDir)
	if err != nil {
		return err
	}
	if err := built.Activate(machine.Home, generation.Activation{UID: machine.UID, GID: machine.GID}); err != nil {
		return err
	}
	reload := exec.Command("systemctl", "--user", "daemon-reload")
	reload.Stderr = os.Stderr
	return reload.Run()
}
