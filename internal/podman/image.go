package podman

import (
	"context"
	"errors"
	"fmt"

	"stackpolicy/internal/lazyregexp"
)

// imageName is what an image may be called: folders, tag and digest included.
// No part begins with a mark, so none is an option or a path's "..".
var imageName = lazyregexp.New(`^[A-Za-z0-9][\w.:@-]*(/[A-Za-z0-9][\w.:@-]*)*$`)

// ImageIDs reads which image each name means now in local storage, as podman
// resolves it: the id is that of [Container.ImageID]. A name that means none is
// left out; one that no image can have is an error. It is asked for as in
// [Client.Containers], one image at a time.
func (c Client) ImageIDs(ctx context.Context, names []string) (map[string]string, error) {
	for _, name := range names {
		if len(name) > maxComplaint || !imageName.Get().MatchString(name) {
			return nil, fmt.Errorf("image name %.80q is malformed", name)
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	ids, transport, err := ask(ctx, c, func(ctx context.Context, from source) (map[string]string, error) {
		return imageIDs(ctx, from, names)
	})
	if err == nil && transport == "" {
		return nil, errAbsent
	}
	return ids, err
}

func imageIDs(ctx context.Context, from source, names []string) (map[string]string, error) {
	ids := make(map[string]string, len(names))
	for _, name := range names {
		document, err := from.document(ctx, "image", name)
		if errors.Is(err, errNoImage) {
			continue
		}
		if err == nil {
			ids[name], err = parseID(document)
		}
		if err != nil {
			return nil, fmt.Errorf("image %q: %w", name, err)
		}
	}
	return ids, nil
}
