// Package engine brings compose projects up with the library of Docker Compose,
// over podman's own API. It is what stackctl applies a stack with, unless the
// configuration names another provider. The library keeps anonymous volumes and
// grace periods, replaces only the containers that changed, and waits for the
// conditions of depends_on (docs/stackctl.md compares it with other providers).
//
// Start at [Engine.Up]. It works on a project that [compose.Load] has read, and
// reads no compose file itself. It asks no registry and builds nothing: the
// images of the services have to be there, and the caller decides which containers are
// replaced.
package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/compose/v5/pkg/api"
	composelib "github.com/docker/compose/v5/pkg/compose"
	"github.com/sirupsen/logrus"
)

// Engine works on one API service of podman.
type Engine struct {
	Socket string            // path of the API socket
	Output func(line string) // what is being done, a line each; called by one goroutine at a time
}

// Options are how to bring a project up.
type Options struct {
	Hyphens bool     // name new containers web-app-1 instead of web_app_1
	Replace []string // services whose containers are replaced; the others keep those that they have
	Leave   []string // services that are not started: their containers stay as they are
}

// Up brings the containers of a project to what it says, in the order of its
// dependencies, and starts them. Containers that are already right stay.
// Containers of other services are left alone. It returns when all are started
// and every condition of depends_on holds, or with the first error; then some
// containers may be replaced and others not.
func (e Engine) Up(ctx context.Context, project *types.Project, o Options) error {
	if ctx.Err() != nil {
		return fmt.Errorf("bring %s up: not begun: %w", project.Name, context.Cause(ctx))
	}
	service, err := e.connect()
	if err != nil {
		return fmt.Errorf("bring %s up: %w", project.Name, err)
	}
	api.Separator = separator(o)
	model, err := prepared(project, o.Leave)
	if err != nil {
		return fmt.Errorf("bring %s up: %w", project.Name, err)
	}
	err = service.Up(ctx, model, api.UpOptions{Create: creation(o), Start: api.StartOptions{Project: model}})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if err != nil {
		return fmt.Errorf("bring %s up: %w", project.Name, err)
	}
	return nil
}

// creation leaves it to the caller what to replace: with podman 4.3, whose API
// names networks where it should give their ids, the library would replace every
// container each time.
func creation(o Options) api.CreateOptions {
	c := api.CreateOptions{
		IgnoreOrphans: true, Inherit: true, Services: o.Replace,
		Recreate: api.RecreateForce, RecreateDependencies: api.RecreateNever,
	}
	if len(o.Replace) == 0 { // means all of them
		c.Recreate = api.RecreateNever
	}
	return c
}

// separator is what the library puts between the parts of a container's name. It
// is a variable of the library.
func separator(o Options) string {
	if o.Hyphens {
		return "-"
	}
	return "_"
}

// connect makes the library's service. Its logger is a global one, which writes
// to stderr: what matters comes as an error.
func (e Engine) connect() (api.Compose, error) {
	logrus.SetOutput(io.Discard)
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard), command.WithInputStream(io.NopCloser(strings.NewReader(""))))
	if err != nil {
		return nil, err
	}
	options := flags.NewClientOptions()
	options.Hosts = []string{"unix://" + e.Socket}
	if err := cli.Initialize(options); err != nil {
		return nil, err
	}
	return composelib.NewComposeService(cli,
		composelib.WithEventProcessor(&events{to: e.Output}),
		// It asks before it removes a volume to make another one: never.
		composelib.WithPrompt(func(string, bool) (bool, error) { return false, nil }))
}

// prepared is the project with the labels by which the library knows its own
// containers, and without the services to leave.
func prepared(project *types.Project, leave []string) (*types.Project, error) {
	model, err := project.WithProfiles(project.Profiles) // a copy
	if err != nil {
		return nil, err
	}
	for name, service := range model.Services {
		service.CustomLabels = types.Labels{
			api.ProjectLabel: model.Name, api.ServiceLabel: name, api.VersionLabel: "",
			api.WorkingDirLabel: model.WorkingDir, api.ConfigFilesLabel: strings.Join(model.ComposeFiles, ","),
			api.OneoffLabel: "False",
		}
		service.Links = withAlias(service.Links)
		service.PullPolicy = types.PullPolicyNever
		service.Build = nil
		model.Services[name] = service
	}
	return model.WithServicesDisabled(leave...), nil
}

// withAlias leaves out the links that say no more than the service's name, which its network
// knows anyway: podman's API refuses every link. The order of dependencies is that of
// depends_on, which compose-go makes of links too.
func withAlias(links []string) []string {
	return slices.DeleteFunc(slices.Clone(links), func(link string) bool {
		name, alias, found := strings.Cut(link, ":")
		return !found || name == alias
	})
}

// Hash is a digest over the configuration of a service. It does not depend on
// how services of other names are, on its number of containers, on what builds
// its image, or on the version of this program.
func Hash(service types.ServiceConfig) (string, error) { return composelib.ServiceHash(service) }

// IsOwn reports whether labels are of a container that the library knows.
func IsOwn(labels map[string]string) bool {
	return labels[api.OneoffLabel] == "False" && labels[api.ConfigHashLabel] != ""
}

// IsMade reports whether labels are of a container that this program made: the
// docker-compose command writes its version there.
func IsMade(labels map[string]string) bool {
	return IsOwn(labels) && labels[api.VersionLabel] == ""
}

// OwnLabels are the labels by which the library takes a container for one of
// the service, of an older configuration.
func OwnLabels(project, service string, number int) map[string]string {
	return map[string]string{
		api.ProjectLabel: project, api.ServiceLabel: service, api.OneoffLabel: "False",
		api.ContainerNumberLabel: fmt.Sprint(number), api.ConfigHashLabel: "adopted",
	}
}

// Number is the number of a container among those of its service, by its labels;
// 0 when they do not say it.
func Number(labels map[string]string) int {
	n, err := strconv.Atoi(labels[api.ContainerNumberLabel])
	if err != nil {
		return 0
	}
	return n
}
