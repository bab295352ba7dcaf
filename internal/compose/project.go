package compose

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"stackpolicy/internal/regularfile"
)

// Project is what compose files describe, read and merged.
type Project struct {
	Name     string
	Files    []string     // every compose file read: those asked for, included and extended ones
	Profiles []string     // that are active
	Services []Service    // that are active, by name
	Inactive []string     // services that no active profile asks for, by name
	EnvFiles []EnvFile    // by service, then in order; they need not exist
	Secrets  []SecretFile // by name; they need not exist
	LeftOut  []string     // what compose drops of the files without a word; each names file, line and key
	Unset    []string     // variables that nobody sets and that have no default, by name

	// Environ is the environment that the provider needs to read the files the
	// same way, by name. It holds secrets: never show it.
	Environ []string
	// Digest is the hexadecimal SHA-256 of all that decides what the containers
	// are: the files with their variables put in, and the content of EnvFiles.
	// What is only in a secret's file or in an image does not count.
	Digest string

	Networks []string // external ones that active services use, by name
	Volumes  []string // external ones that active services use, by name

	read *types.Project
}

// Service is one service.
type Service struct {
	Name          string
	Image         string // never empty: what is built here without a name is localhost/PROJECT_NAME
	Build         *Build // nil: not built here
	ContainerName string // if the file fixes it; podman-compose otherwise says PROJECT_NAME_1
	Replicas      int    // containers it has, 0 included
	Restart       string // no, always, on-failure, unless-stopped, or empty
	// OneShot: it is meant to end. It says restart "no", or another active
	// service waits for its completion. A file that does not speak of restart
	// does not make it one.
	OneShot     bool
	HealthCheck bool              // the file declares one; an image may have one of its own
	Labels      map[string]string // never nil

	Pull      bool          // asks for a newer image each time (pull_policy: always)
	Grace     time.Duration // from SIGTERM to SIGKILL; 0: the file does not say
	DependsOn []string      // active services, by name
	Targets   []string      // paths in its containers where the file puts something
	Binds     []string      // files and folders of the host that are mounted
	Ports     []Port        // that it publishes at a fixed number
}

// EnvFile is one env_file entry of an active service.
type EnvFile struct {
	Service  string
	Path     string
	Required bool
}

// SecretFile is a file that an active service is given as a secret or a config.
type SecretFile struct {
	Name string
	Path string
}

func (o Options) project(read *types.Project, from sources, env map[string]string, unset map[string]bool) (*Project, error) {
	inOnePart(read)
	read, err := withLabels(read)
	if err != nil {
		return nil, err
	}
	p := &Project{
		Name:     read.Name,
		Profiles: read.Profiles,
		Inactive: read.DisabledServiceNames(),
		Secrets:  secrets(read),
		LeftOut:  from.leftOut(),
		Unset:    slices.Sorted(maps.Keys(unset)),
		Environ:  environ(env),
		read:     read,
	}
	p.Networks, p.Volumes = external(read)
	for _, source := range from {
		p.Files = append(p.Files, source.path)
	}
	awaited := awaited(read)
	for _, name := range read.ServiceNames() {
		s, err := service(name, read.Services[name], awaited)
		if err != nil {
			return nil, fmt.Errorf("services.%s: %w", name, err)
		}
		s.Image = cmp.Or(s.Image, builtName(read.Name, name))
		p.Services = append(p.Services, s)
		for _, file := range read.Services[name].EnvFiles {
			p.EnvFiles = append(p.EnvFiles, EnvFile{Service: name, Path: file.Path, Required: bool(file.Required)})
		}
	}
	p.Digest, err = digest(read, p.EnvFiles)
	return p, err
}

func service(name string, s types.ServiceConfig, awaited map[string]bool) (Service, error) {
	labels := map[string]string{}
	maps.Copy(labels, s.Labels)
	ports, err := ports(s.Ports)
	return Service{
		Name:          name,
		Image:         s.Image,
		Build:         buildOf(s.Build),
		ContainerName: s.ContainerName,
		Replicas:      s.GetScale(),
		Restart:       s.Restart,
		OneShot:       s.Restart == types.RestartPolicyNo || awaited[name],
		HealthCheck:   hasCheck(s.HealthCheck),
		Labels:        labels,
		Pull:          s.PullPolicy == types.PullPolicyAlways,
		Grace:         graceOf(s),
		DependsOn:     slices.Sorted(maps.Keys(s.DependsOn)),
		Targets:       targets(s),
		Binds:         binds(s),
		Ports:         ports,
	}, err
}

func hasCheck(check *types.HealthCheckConfig) bool {
	return check != nil && !check.Disable && len(check.Test) > 0 && check.Test[0] != "NONE"
}

// awaited are the services whose completion an active service waits for.
func awaited(p *types.Project) map[string]bool {
	names := map[string]bool{}
	for _, s := range p.Services {
		for name, dependency := range s.DependsOn {
			if dependency.Condition == types.ServiceConditionCompletedSuccessfully {
				names[name] = true
			}
		}
	}
	return names
}

// withLabels reads the label files of active services into their labels.
func withLabels(p *types.Project) (*types.Project, error) {
	for _, name := range p.ServiceNames() {
		for _, file := range p.Services[name].LabelFiles {
			if _, err := regularfile.Read(file, maxFile); err != nil {
				return nil, fmt.Errorf("services.%s.label_file: %w", name, err)
			}
		}
	}
	return p.WithServicesLabelsResolved(false)
}

// secrets are the files behind the secrets and configs of active services.
func secrets(p *types.Project) []SecretFile {
	files := map[SecretFile]bool{}
	for _, s := range p.Services {
		for _, used := range s.Secrets {
			files[SecretFile{used.Source, p.Secrets[used.Source].File}] = true
		}
		for _, used := range s.Configs {
			files[SecretFile{used.Source, p.Configs[used.Source].File}] = true
		}
	}
	maps.DeleteFunc(files, func(file SecretFile, _ bool) bool { return file.Path == "" })
	return slices.SortedFunc(maps.Keys(files), func(a, b SecretFile) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path))
	})
}

// digest covers a missing env file too: it is not the same as an empty one.
func digest(p *types.Project, files []EnvFile) (string, error) {
	text, err := p.MarshalJSON()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n%s", len(text), text)
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		if variable := p.Secrets[name].Environment; variable != "" {
			fmt.Fprintf(sum, "\n%s %q", name, p.Environment[variable])
		}
	}
	for _, file := range files {
		content, err := regularfile.Read(file.Path, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprint(sum, "\nmissing")
		case err != nil:
			return "", fmt.Errorf("services.%s.env_file: %w", file.Service, err)
		default:
			fmt.Fprintf(sum, "\n%d\n%s", len(content), content)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
