package stack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"stackpolicy/internal/compose"
)

const registryLimit = 5 * time.Second

// registries asks the registries of a project's images for their API's root
// (OCI Distribution Specification, "Determining Support"). Any answer below 500
// will do: most want a login before they say more.
func (o *Operator) registries(ctx context.Context, project *compose.Project) (problems []Problem) {
	for _, host := range registriesOf(project) {
		if err := o.ask(ctx, host); err != nil {
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
func (o *Operator) ask(ctx context.Context, host string) (err error) {
	limited, cancel := context.WithTimeout(ctx, registryLimit)
	defer cancel()
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	for _, scheme := range []string{"https", "http"} {
		if err = o.get(limited, scheme+"://"+host+"/v2/"); err == nil {
			return nil
		}
	}
	return err
}

func (o *Operator) get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := o.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
