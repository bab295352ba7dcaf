// Command inside checks the compose files below a folder, in one of the lab's machines, and
// prints a verdict for each as a line of JSON: inside FOLDER [as-it-is].
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"stackpolicy/internal/compose"
	"stackpolicy/lab/foreign/composes"
)

func main() {
	if err := run(context.Background(), os.Args[1], len(os.Args) > 2); err != nil {
		fmt.Fprintln(os.Stderr, "inside:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, asItIs bool) error {
	os.Setenv("PYTHONHASHSEED", "0") // the order of what podman-compose lists in an error
	provider, err := compose.Find(ctx, []string{"podman-compose"}, nil)
	if err != nil {
		return err
	}
	version, err := provider.Version(ctx)
	if err != nil {
		return err
	}
	files, err := composes.Find(dir)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, file := range files {
		if err := out.Encode(composes.Check(ctx, provider, version, dir, file, asItIs)); err != nil {
			return err
		}
	}
	return nil
}
