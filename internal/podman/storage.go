package podman

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

// Storage names podman's two storage folders, as absolute paths.
type Storage struct {
	RunRoot   string // what must not survive a reboot: which containers run, their sockets and locks
	GraphRoot string // images, containers and volumes
	Version   string // podman's own, such as 5.4.2; empty if it does not say it
}

// askInfo asks for podman-info(1).
var askInfo = transport.Question{Args: []string{"info", "--format", "json"}, Path: "info"}

// Storage reads where podman keeps its storage. Podman is asked as in [Client.Containers].
// Without podman it is an error: it has no storage.
func (c Client) Storage(ctx context.Context) (Storage, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	storage, transport, err := ask(ctx, c, func(ctx context.Context, from transport.Source) (Storage, error) {
		info, err := from.Answer(ctx, askInfo)
		if err == nil {
			err = answer.Validate(info)
		}
		if err != nil {
			return Storage{}, fmt.Errorf("ask for podman's storage: %w", err)
		}
		return storageOf(gjson.ParseBytes(info))
	})
	if err == nil && transport == "" {
		return Storage{}, ErrAbsent
	}
	return storage, err
}

func storageOf(info gjson.Result) (Storage, error) {
	s := Storage{RunRoot: answer.Text(info.Get("store.runRoot")), GraphRoot: answer.Text(info.Get("store.graphRoot"))}
	s.Version = answer.Text(info.Get("version.Version"))
	if !filepath.IsAbs(s.RunRoot) || !filepath.IsAbs(s.GraphRoot) {
		return Storage{}, errors.New("podman info does not name its runRoot and its graphRoot")
	}
	return s, nil
}
