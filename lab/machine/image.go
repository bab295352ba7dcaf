package machine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Image is a container image that needs no network: busybox, and files.
type Image struct {
	// Name is its whole name, such as "localhost/app:1". An image that has
	// it loses it.
	Name string
	// Command is what its containers run, below an init that ends it on
	// SIGTERM; nil sleeps for ever.
	Command []string
	// Labels are the image's own.
	Labels map[string]string
	// Files are text by absolute path; they make one image differ from the next.
	Files map[string]string
}

// applets are the names that busybox has in an image, in /bin.
var applets = []string{
	"sh", "cat", "date", "echo", "env", "false", "grep", "httpd", "kill", "ls", "mkdir", "nc", "ps", "rm",
	"sleep", "test", "touch", "true", "wget",
}

// initScript is the entry point: it runs the command as a child, which ends when
// SIGTERM comes, as a service does. Process 1 of a container heeds a signal only
// if it asks for it, and busybox asks for none: a stop would take the whole
// timeout, and that of a unit with the container in its cgroup 90 seconds.
const initScript = `#!/bin/sh
trap 'kill $!; wait $!; exit 0' TERM
"$@" <&0 &
wait $!
`

// Image makes a container image in the storage of the machine's user. Its
// containers end at once, with status 0, when they are stopped.
func (m *Machine) Image(ctx context.Context, image Image) error {
	busybox, err := os.ReadFile(filepath.Join(m.root, "bin/busybox"))
	if err != nil {
		return fmt.Errorf("make image %s: %w", image.Name, err)
	}
	layer, err := image.layer(busybox)
	if err != nil {
		return fmt.Errorf("make image %s: %w", image.Name, err)
	}
	args, err := image.importArgs()
	if err != nil {
		return fmt.Errorf("make image %s: %w", image.Name, err)
	}
	cmd := m.Command(ctx, args...)
	cmd.Stdin = layer
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make image %s: %w: %s", image.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// importArgs is podman-import(1)'s command line.
func (i Image) importArgs() ([]string, error) {
	command := i.Command
	if command == nil {
		command = []string{"/bin/sleep", "2147483647"}
	}
	list, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	args := []string{"podman", "import", "--quiet", "--change", `ENTRYPOINT ["/bin/init"]`, "--change", "CMD " + string(list)}
	for _, key := range slices.Sorted(maps.Keys(i.Labels)) {
		// Podman takes one pair of quotes off and leaves the rest as it is.
		args = append(args, "--change", "LABEL "+key+`="`+i.Labels[key]+`"`)
	}
	return append(args, "-", i.Name), nil
}

// layer is the image's file system.
func (i Image) layer(busybox []byte) (*bytes.Buffer, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	add := func(header tar.Header, data string) error {
		header.Size = int64(len(data))
		if err := w.WriteHeader(&header); err != nil {
			return err
		}
		_, err := w.Write([]byte(data))
		return err
	}
	programs := map[string]string{"bin/busybox": string(busybox), "bin/init": initScript}
	for name, text := range programs {
		if err := add(tar.Header{Name: name, Mode: 0o755}, text); err != nil {
			return nil, err
		}
	}
	for _, name := range applets {
		if err := add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}, ""); err != nil {
			return nil, err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(i.Files)) {
		if err := add(tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o755}, i.Files[path]); err != nil {
			return nil, err
		}
	}
	return &layer, w.Close()
}
