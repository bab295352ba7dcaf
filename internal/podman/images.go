package podman

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

// Image is an image of local storage.
type Image struct {
	ID      string // hexadecimal, as [Container.ImageID]
	Names   []string
	Created time.Time // in UTC: when it was built, and not when it came here
}

// listImages asks for every image of local storage.
var listImages = transport.Question{Args: []string{"images", "--no-trunc", "--format", "json"}, Path: "images/json"}

// Images reads every image that has a name, with one question. Podman is asked as in
// [Client.Containers]; without podman there are none, and no error.
func (c Client) Images(ctx context.Context) ([]Image, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	images, _, err := ask(ctx, c, func(ctx context.Context, from transport.Source) ([]Image, error) {
		list, err := from.Answer(ctx, listImages)
		var rows []gjson.Result
		if err == nil {
			rows, err = answer.Array(list)
		}
		if err != nil {
			return nil, fmt.Errorf("list images: %w", err)
		}
		return imagesOf(rows)
	})
	return images, err
}

func imagesOf(rows []gjson.Result) ([]Image, error) {
	var images []Image
	for i, row := range rows {
		image := Image{ID: strings.TrimPrefix(answer.Text(row.Get("Id")), "sha256:"), Created: time.Unix(row.Get("Created").Int(), 0).UTC()}
		if err := answer.CheckID(image.ID); err != nil {
			return nil, fmt.Errorf("image %d of %d: %w", i+1, len(rows), err)
		}
		for _, name := range row.Get("Names").Array() {
			image.Names = append(image.Names, answer.Text(name))
		}
		if len(image.Names) > 0 {
			images = append(images, image)
		}
	}
	return images, nil
}

// Resolve finds the image that a full name means among images, as a container's
// image is called ([Container.Image]). It is nil for a name that means none, and
// for one with a digest, which never means another image.
func Resolve(images []Image, name string) *Image {
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case strings.Contains(last, "@"):
		return nil
	case !strings.Contains(last, ":"):
		name += ":latest"
	}
	for i := range images {
		for _, n := range images[i].Names {
			if n == name {
				return &images[i]
			}
		}
	}
	return nil
}

// maxName is how many bytes the name of an image may have.
const maxName = 4 << 10

// imageName matches names of images, with folders, tag and digest. No part begins with a
// punctuation mark, so no part is an option or "..".
var imageName = lazyregexp.New(`^[A-Za-z0-9][\w.:@-]*(/[A-Za-z0-9][\w.:@-]*)*$`)

// ImageIDs returns the image that each name means now in local storage, as podman resolves
// it; the ids are those of [Container.ImageID]. A name without an image is left out; an
// invalid name is an error. Podman is asked as in [Client.Containers], one image at a time.
func (c Client) ImageIDs(ctx context.Context, names []string) (map[string]string, error) {
	for _, name := range names {
		if len(name) > maxName || !imageName.Get().MatchString(name) {
			return nil, fmt.Errorf("image name %.80q is malformed", name)
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	ids, transport, err := ask(ctx, c, func(ctx context.Context, from transport.Source) (map[string]string, error) {
		return imageIDs(ctx, from, names)
	})
	if err == nil && transport == "" {
		return nil, ErrAbsent
	}
	return ids, err
}

func imageIDs(ctx context.Context, from transport.Source, names []string) (map[string]string, error) {
	ids := make(map[string]string, len(names))
	for _, name := range names {
		document, err := from.Document(ctx, "image", name)
		if errors.Is(err, transport.ErrNoImage) {
			continue
		}
		if err == nil {
			ids[name], err = answer.ID(document)
		}
		if err != nil {
			return nil, fmt.Errorf("image %q: %w", name, err)
		}
	}
	return ids, nil
}

// ImageVolumes reads the paths at which an image declares volumes. An image that is not in
// local storage has none.
func (c Client) ImageVolumes(ctx context.Context, name string) (paths []string, err error) {
	if !imageName.Get().MatchString(name) {
		return nil, fmt.Errorf("image name %.80q is malformed", name)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	paths, _, err = ask(ctx, c, func(ctx context.Context, from transport.Source) (paths []string, err error) {
		document, err := from.Document(ctx, "image", name)
		if errors.Is(err, transport.ErrNoImage) {
			return nil, nil
		}
		document.Get("Config.Volumes").ForEach(func(path, _ gjson.Result) bool {
			paths = append(paths, answer.Text(path))
			return true
		})
		return paths, err
	})
	return paths, err
}
