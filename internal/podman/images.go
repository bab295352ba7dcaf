package podman

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Image is an image of local storage.
type Image struct {
	ID      string // hexadecimal, as [Container.ImageID]
	Names   []string
	Created time.Time // in UTC: when it was built, and not when it came here
}

// Images reads every image that has a name, by one question. It is asked for as in
// [Client.Containers]; without podman there are none, and no error.
func (c Client) Images(ctx context.Context) ([]Image, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	images, _, err := ask(ctx, c, func(ctx context.Context, from source) ([]Image, error) {
		rows, err := from.images(ctx)
		if err != nil {
			return nil, fmt.Errorf("list images: %w", err)
		}
		return imagesOf(rows)
	})
	return images, err
}

func (c command) images(ctx context.Context) ([]gjson.Result, error) {
	out, err := c.run(ctx, "images", "--no-trunc", "--format", "json")
	if err != nil {
		return nil, err
	}
	return parseArray(out)
}

func (a api) images(ctx context.Context) ([]gjson.Result, error) {
	body, err := a.first(ctx, "images/json")
	if err != nil {
		return nil, err
	}
	return parseArray(body)
}

func imagesOf(rows []gjson.Result) ([]Image, error) {
	var images []Image
	for i, row := range rows {
		image := Image{ID: strings.TrimPrefix(text(row.Get("Id")), "sha256:"), Created: time.Unix(row.Get("Created").Int(), 0).UTC()}
		if err := checkID(image.ID); err != nil {
			return nil, fmt.Errorf("image %d of %d: %w", i+1, len(rows), err)
		}
		for _, name := range row.Get("Names").Array() {
			image.Names = append(image.Names, text(name))
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
