package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"stackpolicy/facts/collect"
	"stackpolicy/history"
)

// The sources of changes, by the names under which their loss is reported.
const (
	FilesSource   = "files"
	ManagerSource = "manager"
	PodmanSource  = "podman"
)

// Sources lists them.
func Sources() []string { return []string{FilesSource, ManagerSource, PodmanSource} }

// A Follower calls changed for each event until ctx ends or its source does, and returns why.
// It calls ready when no event is missed any more.
type Follower[E any] func(ctx context.Context, ready func(), changed func(E)) error

// ManagerEvent is about a unit, or if All is set about everything.
type ManagerEvent struct {
	Unit string
	All  bool
}

// PodmanEvent is about images, or else about containers.
type PodmanEvent struct{ Image bool }

// How long a source that was lost is left alone before it is tried again: longer each time.
const (
	leastPause = time.Second
	mostPause  = 30 * time.Second
)

// sources keeps the sources running, and knows which are lost.
type sources struct {
	pending *pending
	say     func(string)

	lock sync.Mutex
	lost map[string]string // why, by source
}

// follow runs a source until ctx ends. After each interruption anything may have changed.
func (s *sources) follow(ctx context.Context, name string, follow func(ctx context.Context, ready func()) error) {
	pause := leastPause
	for ctx.Err() == nil {
		err := follow(ctx, func() {
			pause = leastPause
			s.found(name)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended")
		}
		s.lose(name, err)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, mostPause)
	}
}

func (s *sources) lose(name string, err error) {
	s.lock.Lock()
	_, was := s.lost[name]
	s.lost[name] = err.Error()
	s.lock.Unlock()
	if !was {
		s.say(fmt.Sprintf("cannot follow %s: %v; everything is collected every %s until it can", sourceNames[name], err, poll))
		s.pending.whole()
	}
}

var sourceNames = map[string]string{
	FilesSource: "changes of files", ManagerSource: "the user manager", PodmanSource: "podman",
}

func (s *sources) found(name string) {
	s.lock.Lock()
	_, was := s.lost[name]
	delete(s.lost, name)
	s.lock.Unlock()
	if was {
		s.say(fmt.Sprintf("follows %s again", sourceNames[name]))
	}
	s.pending.add(func(p *pending) { p.change.Whole, p.again = true, p.again || name == FilesSource })
}

// missing lists the sources that are lost.
func (s *sources) missing() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Sorted(maps.Keys(s.lost))
}

// followFiles hands on what inotify says until ctx ends. paths that begin with one of the
// configuration's make it be read again; what is written to the memory makes another verdict.
func followFiles(ctx context.Context, f *files, p *pending, isConfiguration, isMemory func(path string) bool) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-f.notify.Events:
			if !open {
				return errors.New("inotify ended")
			}
			seen := f.see(e)
			if len(seen.paths) == 0 || isMemory(e.Name) && !isWritten(e) {
				continue
			}
			p.add(func(p *pending) {
				p.structure = p.structure || seen.structure
				for _, path := range seen.paths {
					switch {
					case isMemory(path): // it is read each time
					case isConfiguration(path):
						p.again = true
					default:
						p.change.Paths[path] = true
					}
				}
			})
		case err, open := <-f.notify.Errors:
			if !open {
				return errors.New("inotify ended")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			p.add(func(p *pending) { p.change.Whole, p.structure, p.again = true, true, true })
		}
	}
}

func managerChanged(p *pending) func(ManagerEvent) {
	return func(e ManagerEvent) {
		p.add(func(p *pending) {
			p.change.Whole = p.change.Whole || e.All
			if e.Unit != "" {
				p.change.Units[e.Unit] = true
			}
		})
	}
}

func podmanChanged(p *pending) func(PodmanEvent) {
	return func(e PodmanEvent) {
		p.add(func(p *pending) {
			p.change.Images = p.change.Images || e.Image
			p.change.Containers = true
		})
	}
}

// memoryFiles are those of the memory: waivers and holds, and what other audits recorded.
func memoryFiles(stateHome string) []string {
	path := history.Path(stateHome)
	return []string{path, path + "-wal"}
}

// isWritten reports whether something was written to the memory. To read it, too, makes and
// removes the file of its log.
func isWritten(e fsnotify.Event) bool {
	return e.Has(fsnotify.Write) || e.Op != fsnotify.Chmod && !strings.HasSuffix(e.Name, "-wal")
}

// isBelow reports whether a path is one of the places, or in one that is a folder.
func isBelow(places []collect.Place, path string) bool {
	return slices.ContainsFunc(places, func(p collect.Place) bool {
		return path == p.Path || p.Depth > 0 && strings.HasPrefix(path, p.Path+"/")
	})
}
