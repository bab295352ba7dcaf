package podman

import (
	"context"
	"errors"
	"fmt"

	"stackpolicy/internal/lazyregexp"
)

// imageName matches names of images, with folders, tag and digest. No part begins with a
// punctuation mark, so no part is an option or "..".
var imageName = lazyregexp.New(`^[A-Za-z0-9][\w.:@-]*(/[A-Za-z0-9][\w.:@-]*)*$`)

// ImageIDs returns the image that each name means now in local storage, as podman resolves
// it; the ids are those of [Container.ImageID]. A name without an image is left out; an
// invalid name is an error. Podman is asked as in [Client.Containers], one image at a time.
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
