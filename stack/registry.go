package stack

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/compose"
)

const registryLimit = 5 * time.Second

// registries asks registries whether they answer.
type registries struct{ http *http.Client }

// silent asks the registries of a project's images for their API's root (OCI
// Distribution Specification, "Determining Support"), and returns a problem for
// each that does not answer. Any answer below 500 is enough: most want a login
// before they say more.
func (r registries) silent(ctx context.Context, project *compose.Project) (problems []Problem) {
	for _, host := range registriesOf(project) {
		if err := r.ask(ctx, host); err != nil {
			problems = append(problems, Problem{
				Outcome: NoRegistry, Message: "registry " + host + " does not answer", Details: lines(err),
				Hint: "images that are here already need none: set registries to false to apply without it",
			})
		}
	}
	return problems
}

// ask tries http after https: podman talks to a registry that is marked
// insecure in either way, and nothing secret is sent.
func (r registries) ask(ctx context.Context, host string) (err error) {
	limited, cancel := context.WithTimeout(ctx, registryLimit)
	defer cancel()
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	for _, scheme := range []string{"https", "http"} {
		if err = r.get(limited, scheme+"://"+host+"/v2/"); err == nil {
			return nil
		}
	}
	return err
}

func (r registries) get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// registriesOf names the registries that the services' images come from: the part
// before the first slash, where that is a host.
func registriesOf(project *compose.Project) []string {
	hosts := map[string]bool{}
	for _, s := range project.Services {
		if s.Build != nil {
			continue
		}
		host, _, has := strings.Cut(s.Image, "/")
		switch {
		case !has || !strings.ContainsAny(host, ".:") && host != "localhost":
			host = "docker.io"
		case host == "localhost":
			continue // podman's own name for what was built here
		}
		hosts[host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}
