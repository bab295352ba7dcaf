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

// Image is a container image of busybox and files. It needs no network.
type Image struct {
	// Name is the whole name, such as "localhost/app:1". An older image with this name
	// loses it.
	Name string
	// Command is what containers run, as the child of an init that ends it on
	// SIGTERM. If nil, they sleep for ever.
	Command []string
	// Labels are the labels of the image.
	Labels map[string]string
	// Files are the image's files: text by absolute path.
	Files map[string]string
}

// applets are the commands that an image has in /bin. They are links to busybox.
var applets = []string{
	"sh", "cat", "date", "echo", "env", "false", "grep", "httpd", "kill", "ls", "mkdir", "nc", "ps", "rm",
	"sleep", "test", "touch", "true", "wget",
}

// initScript is the entry point. It runs the command as a child and ends it on SIGTERM.
// The kernel ignores signals to process 1 of a container unless it has a handler, and
// busybox has no handler: to stop such a container would take the whole timeout, which is
// 90 seconds for a unit with the container in its cgroup.
const initScript = `#!/bin/sh
trap 'kill $!; wait $!; exit 0' TERM
"$@" <&0 &
wait $!
`

// Image makes a container image in the storage of the machine's user. When its
// containers are stopped they end at once, with status 0.
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
		// Podman removes one pair of quotes and changes nothing else.
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
